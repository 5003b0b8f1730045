package chaos_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorumlock/quorumlock/chaos"
	"github.com/quorumlock/quorumlock/quorum"
)

// A stage is a node, a client who listens, and another that lets it have something to hear.
type stage struct {
	*testing.T
	cluster *chaos.Memory
	record  *chaos.Recorder
	ear     quorum.Announcer
	other   quorum.Node

	mu    sync.Mutex
	heard []string
}

// onStage plays one in a bubble, in which the first client listens already.
func onStage(t *testing.T, play func(s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{T: t, cluster: chaos.NewMemory(1, chaos.Network{})}
		s.record = chaos.NewRecorder(s.cluster.Now, nil)
		scenario := plain()
		if err := s.cluster.Start(t.Context(), scenario, s.record); err != nil {
			t.Fatal(err)
		}
		s.ear, s.other = s.join(0).(quorum.Announcer), s.join(1)
		stop := s.ear.Announcements("job", func(a quorum.Announcement) {
			s.hear(a.Kind.String())
		})
		s.pass(time.Second)
		s.wants("listening")
		play(s)
		stop()
		if err := s.cluster.Close(); err != nil {
			t.Error(err)
		}
	})
}

func (s *stage) join(client int) quorum.Node {
	s.Helper()
	m, err := s.cluster.Join(client, []int{0})
	if err != nil {
		s.Fatal(err)
	}
	return m.Nodes[0]
}

func (s *stage) hear(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = append(s.heard, text)
}

func (s *stage) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// wants demands what was heard since it was asked last.
func (s *stage) wants(want ...string) {
	s.Helper()
	if !slices.Equal(s.heard, want) {
		s.Errorf("at %v: heard %q, want %q", s.cluster.Now(), s.heard, want)
	}
	s.heard = nil
}

// note has somebody wait for the key, and free releases it.
func (s *stage) note() {
	s.ask(quorum.Op{Kind: quorum.Acquire, Key: "job", Value: "a", TTL: time.Minute},
		quorum.Op{Kind: quorum.Acquire, Key: "job", Value: "b", TTL: time.Minute, Waiter: &quorum.Waiter{ID: "b"}})
}

func (s *stage) free() {
	s.ask(quorum.Op{Kind: quorum.Release, Key: "job", Value: "a", Announce: true})
}

func (s *stage) ask(ops ...quorum.Op) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), time.Second)
	defer cancel()
	for i, answer := range s.other.Ask(ctx, ops) {
		if !answer.Answered() {
			s.Fatalf("%v failed: %v", ops[i].Kind, answer.Err)
		}
	}
	s.pass(100 * time.Millisecond)
}

func (s *stage) met(kind chaos.FaultKind) bool {
	return slices.ContainsFunc(s.record.History(), func(e chaos.Event) bool { return e.Kind == chaos.FaultMet && e.Fault == kind })
}

// What faults do to announcements: those of a release that happens under the fault, and those after it.
func TestFaultsOfAnnouncements(t *testing.T) {
	one, listener := []int{0}, []int{0}
	type list = []string
	tests := map[string]struct {
		fault                 chaos.Fault
		during, atEnd, onward list
	}{
		"a healthy link": {chaos.Fault{Kind: chaos.ClockRate, Nodes: one, Amount: 1.001}, list{"freed"}, nil, list{"freed"}},
		"slowness":       {chaos.Fault{Kind: chaos.SlowReply, Nodes: one, Clients: listener, By: 10 * time.Millisecond}, list{"freed"}, nil, list{"freed"}},
		"a loss":         {chaos.Fault{Kind: chaos.LoseAnnouncements, Nodes: one, Amount: 1}, nil, nil, list{"freed"}},
		"a reset of the subscriber": {
			chaos.Fault{Kind: chaos.CutSubscriber, Nodes: one, Clients: listener}, list{"listening", "freed"}, nil, list{"freed"},
		},
		"a reset":        {chaos.Fault{Kind: chaos.Reset, Nodes: one, Clients: listener}, list{"listening", "freed"}, nil, list{"freed"}},
		"another's cut":  {chaos.Fault{Kind: chaos.CutReply, Nodes: []int{1}, Clients: listener}, list{"freed"}, nil, list{"freed"}},
		"held answers":   {chaos.Fault{Kind: chaos.CutReply, Nodes: one, Clients: listener}, nil, list{"freed"}, list{"freed"}},
		"held questions": {chaos.Fault{Kind: chaos.CutAsks, Nodes: one, Clients: listener}, list{"freed"}, nil, list{"freed"}},
		"a cut":          {chaos.Fault{Kind: chaos.Cut, Nodes: one, Clients: listener}, nil, list{"listening"}, list{"freed"}},
		"a halt":         {chaos.Fault{Kind: chaos.StopClient, Clients: listener}, nil, list{"freed"}, list{"freed"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			onStage(t, func(s *stage) {
				s.note()
				mend, err := s.cluster.Inject(t.Context(), tc.fault)
				if err != nil {
					t.Fatal(err)
				}
				s.pass(100 * time.Millisecond)
				s.free()
				s.wants(tc.during...)
				if err := mend(); err != nil {
					t.Error(err)
				}
				s.pass(100 * time.Millisecond)
				s.wants(tc.atEnd...)
				s.note()
				s.free()
				s.wants(tc.onward...)
				if kind := tc.fault.Kind; (kind == chaos.LoseAnnouncements || kind == chaos.CutSubscriber) && !s.met(kind) {
					t.Errorf("nobody met the fault %q", kind)
				}
			})
		})
	}
}

// A client whose node dies, or stops, listens again when it is back.
func TestWhoListensToADeadNodeComesBack(t *testing.T) {
	tests := map[string]struct {
		kind  chaos.FaultKind
		atEnd []string
	}{
		"killed":           {chaos.Kill, []string{"listening"}},
		"killed and wiped": {chaos.KillWiped, []string{"listening"}},
		"paused":           {chaos.Pause, nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			onStage(t, func(s *stage) {
				mend, err := s.cluster.Inject(t.Context(), chaos.Fault{Kind: tc.kind, Nodes: []int{0}})
				if err != nil {
					t.Fatal(err)
				}
				s.pass(time.Second)
				s.wants()
				if err := mend(); err != nil {
					t.Error(err)
				}
				s.pass(100 * time.Millisecond)
				s.wants(tc.atEnd...)
				s.note()
				s.free()
				s.wants("freed")
			})
		})
	}
}

// A wish to listen that a paused node holds is lost with the node, and made again.
func TestAWishToListenSurvivesTheNode(t *testing.T) {
	onStage(t, func(s *stage) {
		pause, err := s.cluster.Inject(t.Context(), chaos.Fault{Kind: chaos.Pause, Nodes: []int{0}})
		if err != nil {
			t.Fatal(err)
		}
		stop := s.ear.Announcements("job", func(a quorum.Announcement) { s.hear("second " + a.Kind.String()) })
		defer stop()
		s.pass(time.Second)
		kill, err := s.cluster.Inject(t.Context(), chaos.Fault{Kind: chaos.Kill, Nodes: []int{0}})
		if err != nil {
			t.Fatal(err)
		}
		s.pass(time.Second)
		s.wants()
		for _, mend := range []func() error{pause, kill} {
			if err := mend(); err != nil {
				t.Error(err)
			}
		}
		s.pass(100 * time.Millisecond)
		slices.Sort(s.heard)
		s.wants("listening", "second listening")
	})
}
