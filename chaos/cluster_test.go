package chaos_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorumlock/quorumlock/chaos"
)

// plain is a scenario of a second and a half in which clients compete all the while.
func plain(schedule ...chaos.Fault) chaos.Scenario {
	s := chaos.Scenario{
		Name: "plain", About: "clients compete", Nodes: 3, For: 1500 * time.Millisecond, Schedule: schedule,
		Holds: chaos.Default(chaos.Bounds{Nodes: 3, Lifetime: 600 * time.Millisecond}),
		Least: chaos.Coverage{Acquired: 3, Contended: 1},
	}
	s.Load.Clients, s.Load.TTL = 3, 500*time.Millisecond
	s.Load.Work = chaos.Contend(chaos.Manner{Renew: 0.2, Whole: 0.1, Extend: 0.2})
	return s
}

// Every fault that a cluster can make takes effect, ends, and leaves a lock that works.
func TestFaultsTakeEffect(t *testing.T) {
	const (
		at   = 200 * time.Millisecond
		long = 600 * time.Millisecond
	)
	one, all := []int{1}, []int{0, 1, 2}
	faults := []chaos.Fault{
		{Kind: chaos.Kill, Nodes: one},
		{Kind: chaos.KillWiped, Nodes: one},
		{Kind: chaos.Wipe, Nodes: one},
		{Kind: chaos.Pause, Nodes: one},
		{Kind: chaos.Pause, Nodes: all},
		{Kind: chaos.Kill, Nodes: all},
		{Kind: chaos.ClockRate, Nodes: one, Amount: 1.005},
		{Kind: chaos.ClockStep, Nodes: one, By: -100 * time.Millisecond},
		{Kind: chaos.Delay, Nodes: one, By: 20 * time.Millisecond},
		{Kind: chaos.SlowReply, Nodes: all, By: 20 * time.Millisecond},
		{Kind: chaos.Stall, Nodes: one},
		{Kind: chaos.CutAsks, Nodes: one},
		{Kind: chaos.CutReply, Nodes: one},
		{Kind: chaos.Cut, Nodes: all},
		{Kind: chaos.Cut, Nodes: one, Clients: one},
		{Kind: chaos.Reset, Nodes: all, On: chaos.AcquireInvoked},
		{Kind: chaos.DropReply, Nodes: one},
		{Kind: chaos.Duplicate, Nodes: all, By: 100 * time.Millisecond},
		{Kind: chaos.LoseAnnouncements, Nodes: all, Amount: 1},
		{Kind: chaos.CutSubscriber, Nodes: all},
		{Kind: chaos.StopClient, Clients: one},
		{Kind: chaos.SuspendClient, Clients: one},
		{Kind: chaos.ClientRate, Clients: one, Amount: 0.995},
	}
	for _, s := range simulators {
		for _, f := range faults {
			if slices.Contains(s.cannot, f.Kind) {
				continue
			}
			f.At, f.For = at, long
			t.Run(s.name+"/"+f.String(), func(t *testing.T) {
				scenario := plain(f)
				if f.Kind == chaos.LoseAnnouncements || f.Kind == chaos.CutSubscriber { // who waits meets them
					scenario.Load.Work = chaos.Contend(chaos.Manner{Wait: 1})
				}
				r, h := s.play(t, 1, scenario, chaos.Network{})
				if !r.OK() || r.Covered.Faults[f.Kind] == 0 {
					var text strings.Builder
					_ = r.WriteText(&text)
					t.Errorf("the fault took effect %d times:\n%s", r.Covered.Faults[f.Kind], text.String())
				}
				began, ended := moments(h, f.Kind)
				if f.On == "" && (began != at || ended > at+long || ended != at && ended < at+long) {
					t.Errorf("it lasted from %v to %v, want from %v to %v, or a moment", began, ended, at, at+long)
				}
			})
		}
	}
}

// moments returns when a fault of the kind began first, and ended last.
func moments(h chaos.History, kind chaos.FaultKind) (began, ended time.Duration) {
	began = -1
	for _, e := range h {
		switch {
		case e.Fault != kind:
		case e.Kind == chaos.FaultBegan && began < 0:
			began = e.At
		case e.Kind == chaos.FaultEnded:
			ended = e.At
		}
	}
	return began, ended
}

// A client that stands still does nothing, and its lease ends without it.
func TestAStoppedClientIsStill(t *testing.T) {
	for _, kind := range []chaos.FaultKind{chaos.StopClient, chaos.SuspendClient} {
		for _, s := range simulators {
			t.Run(s.name+"/"+string(kind), func(t *testing.T) {
				f := chaos.Fault{Kind: kind, At: 100 * time.Millisecond, On: chaos.Acquired, For: 800 * time.Millisecond}
				_, h := s.play(t, 1, plain(f), chaos.Network{})
				var from chaos.Event
				acquired := 0
				for _, e := range h {
					switch {
					case e.Kind == chaos.FaultBegan:
						from = e
					case e.Kind == chaos.FaultEnded:
						from = chaos.Event{}
					case from.Client != "" && e.Client == from.Client:
						t.Errorf("%s did something at %v, stopped since %v: %s", e.Client, e.At, from.At, e.Kind)
					case from.Client != "" && e.Kind == chaos.Acquired:
						acquired++
					}
				}
				if acquired == 0 {
					t.Error("nobody else has acquired anything while the holder stood still")
				}
			})
		}
	}
}

// What a client has sent before it is stopped arrives: nodes grant what it asked for, and it does not know.
func TestWhatAStoppedClientHasSentArrives(t *testing.T) {
	slow := chaos.Network{Least: 2 * time.Millisecond, Most: 3 * time.Millisecond}
	for _, s := range simulators {
		t.Run(s.name, func(t *testing.T) {
			scenario := plain(chaos.Fault{Kind: chaos.StopClient, At: 300 * time.Millisecond, On: chaos.AcquireInvoked, For: 200 * time.Millisecond})
			scenario.Load.Clients = 1
			scenario.Least.Contended = 0
			_, h := s.play(t, 1, scenario, slow)
			stopped, changes := false, 0
			for _, e := range h {
				switch {
				case e.Fault == chaos.StopClient:
					stopped = e.Kind == chaos.FaultBegan
				case stopped && e.Kind == chaos.Changed:
					changes++
					if e.Op != "acquire" {
						t.Errorf("%s of %s at %v: the client has not sent that before it was stopped", e.Op, e.Value, e.At)
					}
				}
			}
			if changes != 3 {
				t.Errorf("%d nodes have granted what the client had asked for, want 3", changes)
			}
		})
	}
}

func TestRunSaysWhatIsWrong(t *testing.T) {
	tests := map[string]struct {
		change func(*chaos.Scenario)
		want   string
	}{
		"no name":       {func(s *chaos.Scenario) { s.Name = "" }, "no name"},
		"no nodes":      {func(s *chaos.Scenario) { s.Nodes = 0 }, "0 nodes"},
		"no clients":    {func(s *chaos.Scenario) { s.Load.Clients = 0 }, "0 clients"},
		"no time":       {func(s *chaos.Scenario) { s.For = 0 }, "it lasts 0s"},
		"nothing holds": {func(s *chaos.Scenario) { s.Holds = nil }, "nothing to judge by"},
		"an unknown fault": {
			func(s *chaos.Scenario) { s.Schedule = chaos.Schedule{{Kind: "flood"}} }, `fault 0 (flood): unknown kind`,
		},
		"a fault of no node": {
			func(s *chaos.Scenario) { s.Schedule = chaos.Schedule{{Kind: chaos.Pause}} }, "names no node",
		},
		"a fault of a node that is not there": {
			func(s *chaos.Scenario) { s.Schedule = chaos.Schedule{{Kind: chaos.Pause, Nodes: []int{3}}} }, "there are 3, from 0 on",
		},
		"a fault of a client that is not there": {
			func(s *chaos.Scenario) { s.Schedule = chaos.Schedule{{Kind: chaos.StopClient, Clients: []int{-1}}} },
			"clients [-1]",
		},
		"a fault of nobody": {
			func(s *chaos.Scenario) { s.Schedule = chaos.Schedule{{Kind: chaos.StopClient}} }, "names no client",
		},
		"a share of more than all": {
			func(s *chaos.Scenario) {
				s.Schedule = chaos.Schedule{{Kind: chaos.LoseAnnouncements, Nodes: []int{0}, Amount: 2}}
			}, "share 2",
		},
		"a clock that stands still": {
			func(s *chaos.Scenario) { s.Schedule = chaos.Schedule{{Kind: chaos.ClockRate, Nodes: []int{0}}} }, "rate 0 is not positive",
		},
		"a lock that cannot be opened": {
			func(s *chaos.Scenario) {
				s.Load.Open = func(chaos.Member) (chaos.Lock, error) { return nil, errors.New("no way in") }
			}, "c1 opens its lock: no way in",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := plain()
				tc.change(&s)
				_, _, err := chaos.Run(t.Context(), s, chaos.NewMemory(1, chaos.Network{}), chaos.Settings{})
				if err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("error %v, want one that says %q", err, tc.want)
				}
			})
		})
	}
}

func TestAFaultThatAClusterCannotMakeFailsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := plain(chaos.Fault{Kind: chaos.Duplicate, Nodes: []int{0}, By: time.Millisecond})
		_, _, err := chaos.Run(t.Context(), s, chaos.NewSimulatedRedis(1, chaos.Network{}), chaos.Settings{})
		if !errors.Is(err, chaos.ErrCannot) || !strings.Contains(err.Error(), "duplicate of nodes [0]") {
			t.Errorf("error %v, want ErrCannot with the fault", err)
		}
	})
}

// A run whose context ends comes back, with everything mended and closed: the bubble would fail otherwise.
func TestARunCanBeEnded(t *testing.T) {
	for _, s := range simulators {
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				scenario := plain(chaos.Fault{Kind: chaos.Cut, Nodes: []int{0, 1, 2}, At: 100 * time.Millisecond},
					chaos.Fault{Kind: chaos.StopClient, Clients: []int{1}, At: 50 * time.Millisecond})
				ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
				defer cancel()
				_, h, err := chaos.Run(ctx, scenario, s.make(1, chaos.Network{}), chaos.Settings{Seed: 1})
				if err == nil || !strings.Contains(err.Error(), "the run was ended") || len(h) == 0 {
					t.Errorf("error %v with %d events, want one that says so, with what happened", err, len(h))
				}
			})
		})
	}
}

// The account of every cluster names operations as nodes do, whatever they do besides for those who wait.
func TestTheAccountNamesOperations(t *testing.T) {
	for _, s := range simulators {
		t.Run(s.name, func(t *testing.T) {
			scenario := plain()
			scenario.Load.Work = chaos.Contend(chaos.Manner{Wait: 1})
			_, h := s.play(t, 1, scenario, chaos.Network{})
			named := make(map[string]int)
			for _, e := range h {
				if e.Kind == chaos.Changed {
					named[e.Op]++
				}
			}
			for _, op := range []string{"acquire", "release"} {
				if named[op] == 0 {
					t.Errorf("no change by %s", op)
				}
				delete(named, op)
			}
			for _, op := range []string{"extend", "heal", "handover"} {
				delete(named, op)
			}
			if len(named) > 0 {
				t.Errorf("changes by operations that no judge knows: %v", named)
			}
		})
	}
}
