package memnode_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/memnode"
)

// An ear notes what is announced about the bench's key, and when.
type ear struct {
	*bench
	heard []string
	stop  func()
}

func (b *bench) listen() *ear {
	e := &ear{bench: b}
	e.stop = b.Announcements("k", func(a quorum.Announcement) {
		text := a.Kind.String()
		if a.Waiter != "" {
			text += " " + a.Waiter
		}
		e.heard = append(e.heard, fmt.Sprintf("%v: %s", b.clk.Now().Sub(b.start), text))
	})
	return e
}

func (e *ear) wants(want ...string) {
	e.Helper()
	synctest.Wait()
	if !slices.Equal(e.heard, want) {
		e.Errorf("heard %q, want %q", e.heard, want)
	}
}

// note has somebody wait for a key that the bench holds.
func (b *bench) note(id string) {
	b.Helper()
	b.Put("k", "mine", time.Hour)
	rival := op(quorum.Acquire)
	rival.Value, rival.Waiter = "theirs", &quorum.Waiter{ID: id}
	b.want(quorum.Other, rival)
}

// free releases the key, so that everybody hears it.
func free() quorum.Op {
	o := op(quorum.Release)
	o.TTL, o.Announce = 0, true
	return o
}

func TestAnnouncementsTakeAsLongAsRequestsAndAnswers(t *testing.T) {
	in(t, func(b *bench) {
		b.note("w")
		b.Delay(100*time.Millisecond, 200*time.Millisecond)
		e := b.listen()
		b.wait(250 * time.Millisecond)
		e.wants()
		b.want(quorum.Mine, free())
		e.wants("300ms: listening", "550ms: freed w")
	})
}

func TestListeningComesAgainAfterEachBreak(t *testing.T) {
	breaks := map[string]struct{ begin, end func(b *bench) }{
		"cut off": {func(b *bench) { b.Cut() }, func(b *bench) { b.Restore() }},
		"killed":  {func(b *bench) { b.Kill(true) }, func(b *bench) { b.Restart() }},
		"refused": {func(b *bench) { b.Refuse(errors.New("no")) }, func(b *bench) { b.Refuse(nil) }},
		"both": {
			func(b *bench) { b.Cut(); b.Kill(true) },
			func(b *bench) { b.Restore(); b.wait(time.Second); b.Restart() },
		},
		"cut off and killed at the end of that": {
			func(b *bench) { b.Cut() },
			func(b *bench) { b.Restore(); b.Kill(true); b.Restart(); b.wait(time.Second) },
		},
	}
	for name, broken := range breaks {
		t.Run(name, func(t *testing.T) {
			in(t, func(b *bench) {
				e := b.listen()
				e.wants("0s: listening")
				broken.begin(b)
				late := b.listen()
				b.wait(time.Second)
				late.wants()
				broken.end(b)
				e.heard = e.heard[1:]
				for _, l := range []*ear{e, late} {
					if n := len(l.heard); n == 0 || n > 2 {
						b.Errorf("after the end it heard %q, want listening", l.heard)
					}
					l.heard = nil
				}
				b.note("w")
				b.want(quorum.Mine, free())
				now := b.clk.Now().Sub(b.start)
				e.wants(fmt.Sprintf("%v: freed w", now))
				late.wants(fmt.Sprintf("%v: freed w", now))
			})
		})
	}
}

func TestABreakLosesWhatIsUnderWay(t *testing.T) {
	in(t, func(b *bench) {
		e := b.listen()
		b.note("w")
		b.Delay(0, giveUp/2)
		go func() { b.wait(giveUp / 4); b.Cut(); b.Restore() }()
		b.wantLostOrMine(free())
		b.wait(giveUp)
		e.wants("0s: listening", "750ms: listening")
	})
}

// wantLostOrMine asks for an operation whose answer may be lost.
func (b *bench) wantLostOrMine(o quorum.Op) {
	b.Helper()
	if v := b.ask(o).Verdict; v != quorum.Failed && v != quorum.Mine {
		b.Errorf("%v = %v, want failed or mine", o.Kind, v)
	}
}

func TestAPausedNodeAnnouncesWhenItGoesOn(t *testing.T) {
	in(t, func(b *bench) {
		e := b.listen()
		b.note("w")
		b.Pause()
		b.wantLost(free())
		late := b.listen()
		b.wait(time.Second)
		e.wants("0s: listening")
		late.wants()
		b.Resume()
		e.wants("0s: listening", "2s: freed w")
		late.wants("2s: listening", "2s: freed w")
	})
}

func TestWhoCameDuringAPauseIsForgottenByAKill(t *testing.T) {
	in(t, func(b *bench) {
		b.Pause()
		e := b.listen()
		b.Kill(true)
		b.wait(time.Second)
		e.wants()
		b.Restart()
		e.wants("1s: listening")
	})
}

func TestLostAnnouncements(t *testing.T) {
	in(t, func(b *bench) {
		b.LoseAnnouncements(true)
		e := b.listen()
		b.note("w")
		if !b.want(quorum.Mine, free()).Waiting {
			b.Error("nobody waits, though somebody was named")
		}
		e.wants("0s: listening")
		b.LoseAnnouncements(false)
		b.note("v")
		b.want(quorum.Mine, free())
		e.wants("0s: listening", "0s: freed v")
	})
}

func TestAnnouncementsMayBeAnsweredAtOnce(t *testing.T) {
	in(t, func(b *bench) {
		var answers []quorum.Verdict
		stop := b.Announcements("k", func(a quorum.Announcement) {
			if a.Kind == quorum.Freed {
				next := op(quorum.Acquire)
				next.Value, next.Waiter, next.Announce = "theirs", &quorum.Waiter{ID: a.Waiter}, true
				answers = append(answers, b.ask(next).Verdict)
			}
		})
		defer stop()
		b.note("w")
		b.note("v")
		b.want(quorum.Mine, free())
		if want := []quorum.Verdict{quorum.Mine}; !slices.Equal(answers, want) {
			b.Errorf("verdicts = %v, want %v", answers, want)
		}
		b.wantValues("k=theirs")
	})
}

func TestWaitersSurviveWhatKeysSurvive(t *testing.T) {
	for name, tc := range map[string]struct {
		happens func(b *bench)
		want    bool
	}{
		"a restart with memory":     {func(b *bench) { b.Kill(true); b.Restart() }, true},
		"a restart without memory":  {func(b *bench) { b.Kill(false); b.Restart() }, false},
		"a flush":                   {func(b *bench) { b.Wipe() }, false},
		"just less than their life": {func(b *bench) { b.wait(quorum.WaiterLife - 1) }, true},
		"their life":                {func(b *bench) { b.wait(quorum.WaiterLife) }, false},
		"a step beyond their life":  {func(b *bench) { b.StepClock(quorum.WaiterLife) }, false},
		"that, and back":            {func(b *bench) { b.StepClock(quorum.WaiterLife); b.StepClock(-quorum.WaiterLife) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(b *bench) {
				b.note("w")
				tc.happens(b)
				b.Put("k", "mine", time.Hour)
				if got := b.want(quorum.Mine, free()).Waiting; got != tc.want {
					b.Errorf("somebody waits: %t, want %t", got, tc.want)
				}
			})
		})
	}
}

// Waiters for keys that nobody releases must not pile up.
func TestDeadWaitersAreThrownOut(t *testing.T) {
	in(t, func(b *bench) {
		for i := range 10_000 {
			o := quorum.Op{Kind: quorum.Acquire, Key: fmt.Sprint(i), Value: "v", TTL: time.Second, Waiter: &quorum.Waiter{ID: "w"}}
			b.Put(o.Key, "other", time.Millisecond)
			b.want(quorum.Other, o)
			if i%100 == 0 {
				b.wait(quorum.WaiterLife)
			}
		}
		if got := b.Noted(); got > 500 {
			b.Errorf("%d keys are waited for, of which at most 100 are alive", got)
		}
	})
}

func TestAuditTellsWhatAHandOverLeft(t *testing.T) {
	var changes []memnode.Change
	in(t, func(b *bench) {
		node := memnode.New("mem-2", b.clk, memnode.WithAudit(func(c memnode.Change) { changes = append(changes, c) }))
		b.Node.Close()
		b.Node = node
		b.want(quorum.Mine, op(quorum.Acquire))
		over := op(quorum.HandOver)
		over.Next = "theirs"
		b.want(quorum.Mine, over)
		b.want(quorum.Mine, over) // no longer: no change
	})
	if len(changes) != 2 {
		t.Fatalf("%d changes, want 2", len(changes))
	}
	if c := changes[1]; c.Op.Kind != quorum.HandOver || c.Before != "mine" || c.After != "theirs" || c.Kept != ttl {
		t.Errorf("change = %+v, want a hand-over from mine to theirs", c)
	}
}
