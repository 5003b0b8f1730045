package memnode_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/memnode"
)

// A bench is one node in a bubble, whose asker gives up after a second.
type bench struct {
	*testing.T
	*memnode.Node
	clk   clock.Clock
	start clock.Instant
}

// in runs a test in a bubble, and fails it if a goroutine outlives the node.
func in(t *testing.T, test func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		clk := clock.Process()
		b := &bench{T: t, Node: memnode.New("mem-1", clk), clk: clk, start: clk.Now()}
		defer b.Close()
		test(b)
	})
}

const (
	giveUp = time.Second
	ttl    = 30 * time.Second
)

func op(kind quorum.Kind) quorum.Op {
	return quorum.Op{Kind: kind, Key: "k", Value: "mine", TTL: ttl}
}

// ask asks for one operation, which must be answered by the deadline.
func (b *bench) ask(o quorum.Op) quorum.Answer {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), giveUp)
	defer cancel()
	sent := b.clk.Now()
	answer := b.Ask(ctx, []quorum.Op{o})[0]
	if took := b.clk.Now().Sub(sent); took > giveUp {
		b.Errorf("%v took %v, past its deadline", o.Kind, took)
	}
	return answer
}

// want asks for an operation, wants this verdict, and returns the answer.
func (b *bench) want(verdict quorum.Verdict, o quorum.Op) quorum.Answer {
	b.Helper()
	answer := b.ask(o)
	if answer.Verdict != verdict {
		b.Fatalf("%v = %v (%v), want %v", o.Kind, answer.Verdict, answer.Err, verdict)
	}
	return answer
}

// wantLost asks for an operation that fails only at its deadline.
func (b *bench) wantLost(o quorum.Op) {
	b.Helper()
	sent := b.clk.Now()
	if answer := b.want(quorum.Failed, o); !errors.Is(answer.Err, context.DeadlineExceeded) {
		b.Errorf("error = %v, want the deadline's", answer.Err)
	}
	if took := b.clk.Now().Sub(sent); took != giveUp {
		b.Errorf("it failed after %v, want the deadline's %v", took, giveUp)
	}
}

// wantAtOnce asks for an operation that fails with err in no time.
func (b *bench) wantAtOnce(err error, o quorum.Op) {
	b.Helper()
	sent := b.clk.Now()
	if answer := b.want(quorum.Failed, o); !errors.Is(answer.Err, err) {
		b.Errorf("error = %v, want %v", answer.Err, err)
	}
	if took := b.clk.Now().Sub(sent); took != 0 {
		b.Errorf("it failed after %v, want at once", took)
	}
}

// wait lets virtual time pass, and everything that is due happen.
func (b *bench) wait(d time.Duration) {
	timer := b.clk.NewTimer(d)
	<-timer.C()
	synctest.Wait()
}

// values returns what the node keeps.
func (b *bench) values() []string {
	var list []string
	for _, held := range b.Keys() {
		list = append(list, held.Key+"="+held.Value)
	}
	return list
}

func (b *bench) wantValues(want ...string) {
	b.Helper()
	if got := b.values(); !slices.Equal(got, want) {
		b.Errorf("the node keeps %q, want %q", got, want)
	}
}

func TestDelayedRequestIsCarriedOutLate(t *testing.T) {
	in(t, func(b *bench) {
		b.Delay(3*time.Second, 0)
		b.wantLost(op(quorum.Acquire))
		b.wantValues()
		b.wait(2 * time.Second)
		b.wantValues("k=mine")
		if left := b.Keys()[0].Remaining; left != ttl {
			b.Errorf("remaining = %v, want %v: a TTL counts from when it is set", left, ttl)
		}
	})
}

func TestDelayedReplyOfWhatWasCarriedOut(t *testing.T) {
	in(t, func(b *bench) {
		b.Delay(0, 3*time.Second)
		b.wantLost(op(quorum.Acquire))
		b.wantValues("k=mine")
	})
}

func TestDelaysWithinTheDeadlineAddUp(t *testing.T) {
	in(t, func(b *bench) {
		b.Delay(100*time.Millisecond, 200*time.Millisecond)
		answer := b.want(quorum.Mine, op(quorum.Acquire))
		if took := b.clk.Now().Sub(b.start); took != 300*time.Millisecond {
			b.Errorf("the round trip took %v, want 300ms", took)
		}
		if late := b.Time() - answer.NodeTime; late != 200*time.Millisecond {
			b.Errorf("the answer's node time is %v old, want 200ms", late)
		}
		b.Delay(0, 0)
		b.want(quorum.Mine, op(quorum.Acquire))
		if took := b.clk.Now().Sub(b.start); took != 300*time.Millisecond {
			b.Errorf("after the delay's end it took %v", took-300*time.Millisecond)
		}
	})
}

func TestPausedNodeRunsWhatItHeldInOrder(t *testing.T) {
	in(t, func(b *bench) {
		b.Pause()
		other := op(quorum.Acquire)
		other.Value = "theirs"
		b.wantLost(op(quorum.Acquire))
		b.wantLost(other)
		b.wantValues()
		b.Resume()
		b.wantValues("k=mine")
		if holder := b.want(quorum.Other, other).Holder; holder != "mine" {
			b.Errorf("holder = %q, want the first in order", holder)
		}
	})
}

func TestResumeAnswersWhoStillWaits(t *testing.T) {
	in(t, func(b *bench) {
		b.Pause()
		got := make(chan quorum.Answer)
		go func() { got <- b.ask(op(quorum.Acquire)) }()
		b.wait(giveUp / 2)
		b.Resume()
		if answer := <-got; answer.Verdict != quorum.Mine {
			b.Errorf("verdict = %v (%v), want mine", answer.Verdict, answer.Err)
		}
	})
}

func TestCutLosesRequestsAndReplies(t *testing.T) {
	in(t, func(b *bench) {
		b.Cut()
		b.wantLost(op(quorum.Acquire))
		b.Restore()
		b.wait(ttl)
		b.wantValues()

		b.Delay(0, giveUp/2) // cut off while the reply is under way
		go func() { b.wait(giveUp / 4); b.Cut() }()
		b.wantLost(op(quorum.Acquire))
		b.wantValues("k=mine")
		b.Restore()
		b.want(quorum.Mine, op(quorum.Extend))
	})
}

func TestCutLosesRequestsUnderWay(t *testing.T) {
	in(t, func(b *bench) {
		b.Delay(giveUp/2, 0)
		go func() { b.wait(giveUp / 4); b.Cut() }()
		b.wantLost(op(quorum.Acquire))
		b.Restore()
		b.wait(ttl)
		b.wantValues()
	})
}

func TestDroppedRepliesWereCarriedOut(t *testing.T) {
	in(t, func(b *bench) {
		b.DropReplies(2)
		b.wantLost(op(quorum.Acquire))
		b.wantValues("k=mine")
		b.wantLost(op(quorum.Release))
		b.want(quorum.Mine, op(quorum.Extend))
	})
}

func TestRefusedQuestionsHaveNoEffect(t *testing.T) {
	in(t, func(b *bench) {
		refused := errors.New("connection refused")
		b.Refuse(refused)
		b.wantAtOnce(refused, op(quorum.Acquire))
		b.wantValues()
		b.Refuse(nil)
		b.want(quorum.Mine, op(quorum.Acquire))
	})
}

func TestWipeForgets(t *testing.T) {
	in(t, func(b *bench) {
		b.want(quorum.Mine, op(quorum.Acquire))
		b.Wipe()
		b.wantValues()
		b.want(quorum.Free, op(quorum.Extend))
		b.want(quorum.Mine, op(quorum.Heal))
	})
}

func TestKill(t *testing.T) {
	tests := map[string]struct {
		keep bool
		want []string
	}{
		"with its memory":    {true, []string{"k=mine"}},
		"without its memory": {false, nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			in(t, func(b *bench) {
				b.want(quorum.Mine, op(quorum.Acquire))
				b.Kill(tc.keep)
				b.wantAtOnce(memnode.ErrKilled, op(quorum.Release))
				b.Restart()
				b.wantValues(tc.want...)
				b.wait(ttl)
				b.wantValues()
			})
		})
	}
}

func TestKillLosesWhatWasUnderWay(t *testing.T) {
	states := map[string]func(b *bench){
		"held by a pause":          func(b *bench) { b.Pause() },
		"delayed until it is back": func(b *bench) { b.Delay(giveUp*3/4, 0) },
	}
	for name, reach := range states {
		t.Run(name, func(t *testing.T) {
			in(t, func(b *bench) {
				reach(b)
				go func() { b.wait(giveUp / 2); b.Kill(true); b.Restart() }()
				if answer := b.want(quorum.Failed, op(quorum.Acquire)); !errors.Is(answer.Err, memnode.ErrKilled) {
					b.Errorf("error = %v, want %v", answer.Err, memnode.ErrKilled)
				}
				b.Delay(0, 0)
				b.wantValues()
				b.want(quorum.Mine, op(quorum.Acquire))
			})
		})
	}
}

func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	states := map[string]func(b *bench){
		"held":               func(b *bench) { b.Pause() },
		"with a late answer": func(b *bench) { b.Delay(0, giveUp*3/4) },
		"on its way":         func(b *bench) { b.Delay(giveUp*3/4, 0) },
	}
	for name, reach := range states {
		t.Run(name, func(t *testing.T) {
			in(t, func(b *bench) {
				reach(b)
				got := make(chan quorum.Answer)
				go func() { got <- b.ask(op(quorum.Acquire)) }()
				synctest.Wait()
				if err := errors.Join(b.Close(), b.Close()); err != nil {
					b.Error(err)
				}
				if answer := <-got; !errors.Is(answer.Err, memnode.ErrClosed) {
					b.Errorf("error = %v, want %v", answer.Err, memnode.ErrClosed)
				}
				if passed := b.clk.Now().Sub(b.start); passed != 0 {
					b.Errorf("closing took %v", passed)
				}
				b.wantAtOnce(memnode.ErrClosed, op(quorum.Acquire))
			})
		})
	}
}
