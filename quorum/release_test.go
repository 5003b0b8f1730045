package quorum_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/memnode"
)

// A release takes as long as a majority of removals.
func TestReleaseReturnsAtQuorumSpeed(t *testing.T) {
	tests := map[string]struct {
		size, votes int
		fault       func(f *fleet)
		took        time.Duration
		kept        string // when it returns
		failed      string // the nodes that did, if that is its end
	}{
		"healthy nodes": {3, 0, func(*fleet) {}, 0, "- - -", ""},
		"a slow node": {
			3, 0, func(f *fleet) { f.each(func(n *memnode.Node) { n.Delay(100*ms, 0) }, 3) },
			0, "- - a", "",
		},
		"all slow, the third of five decides": {
			5, 0, func(f *fleet) {
				for i, n := range f.nodes {
					n.Delay(time.Duration(i+1)*10*ms, 0)
				}
			},
			30 * ms, "- - - a a", "",
		},
		"a majority is enough, however many votes there are": {
			3, 3, func(f *fleet) { f.each(func(n *memnode.Node) { n.Delay(100*ms, 0) }, 2) },
			0, "- a -", "",
		},
		"a hung node":       {3, 0, func(f *fleet) { f.each((*memnode.Node).Pause, 1) }, 0, "a - -", ""},
		"two hung nodes":    {3, 0, func(f *fleet) { f.each((*memnode.Node).Pause, 1, 3) }, 500 * ms, "a - a", "mem-1 mem-3"},
		"a node was wiped":  {3, 0, func(f *fleet) { f.each((*memnode.Node).Wipe, 1) }, 0, "- - -", ""},
		"a lost answer":     {3, 0, func(f *fleet) { f.each(func(n *memnode.Node) { n.DropReplies(1) }, 1) }, 0, "- - -", ""},
		"two nodes refuse":  {3, 0, func(f *fleet) { f.each(func(n *memnode.Node) { n.Refuse(errors.New("no")) }, 2, 3) }, 0, "- a a", "mem-2 mem-3"},
		"somebody else's":   {3, 0, func(f *fleet) { f.each(func(n *memnode.Node) { n.Wipe(); n.Put(key, "x", 0) }, 1, 2) }, 0, "x x -", ""},
		"all are cut off":   {3, 0, func(f *fleet) { f.each((*memnode.Node).Cut, 1, 2, 3) }, 500 * ms, "a a a", ""},
		"the only one hung": {1, 0, func(f *fleet) { f.each((*memnode.Node).Pause, 1) }, 500 * ms, "a", "mem-1"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				f := newFleet(t, tc.size, withVotes(tc.votes))
				claim := f.acquire("a")
				f.until(sec)
				tc.fault(f)
				err := claim.Release(t.Context(), 0)
				synctest.Wait()
				if got := f.now() - sec; got != tc.took {
					t.Errorf("Release took %v, want %v", got, tc.took)
				}
				f.wantKept(tc.kept, "when it returns")
				var miss *quorum.MissError
				if errors.As(err, &miss) != (strings.Count(tc.kept, "a")*2 > tc.size) {
					t.Fatalf("Release = %v", err)
				}
				if miss == nil {
					return
				}
				if miss.Why != quorum.Silent || miss.RetryAfter != quorum.NoExpiry || miss.Size != tc.size || miss.Need != tc.size/2+1 {
					t.Errorf("Release missed with %+v, want Silent", miss)
				}
				var failed []string
				for _, n := range miss.Nodes {
					failed = append(failed, n.Node)
				}
				if got := strings.Join(failed, " "); tc.failed != "" && got != tc.failed {
					t.Errorf("the nodes that failed are %q, want %q", got, tc.failed)
				}
			})
		})
	}
}

// A claim that some nodes never had waits for those that did: another value of the same caller may
// still be on the others.
func TestReleaseWaitsForTheNodesThatHadTheKey(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 5)
		f.each(put("x", 0), 1, 2)
		claim := f.acquire("a")
		f.nodes[4].Delay(30*ms, 0)
		f.release(claim)
		if got := f.now(); got != 30*ms {
			t.Errorf("Release took %v, want 30ms: the third of the three nodes that had it", got)
		}
		for i, want := range []string{"acquire", "acquire", "acquire release"} {
			if got := f.taps[i].kinds(); got != want {
				t.Errorf("node %d was asked to %s, want %s", i+1, got, want)
			}
		}
		f.wantKept("x x - - -", "after the release")
	})
}

func TestReleaseIsDoneOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3)
		claim := f.acquire("a")
		f.each(func(n *memnode.Node) { n.Delay(100*ms, 0) }, 1, 2, 3)
		first := make(chan error, 1)
		go func() { first <- claim.Release(t.Context(), 0) }()
		f.until(10 * ms)
		if err := claim.Release(t.Context(), 0); err != nil || f.now() != 10*ms {
			t.Errorf("second Release = %v at %v, want nil at once", err, f.now())
		}
		if err := <-first; err != nil {
			t.Errorf("first Release = %v", err)
		}
		f.release(claim)
		f.until(sec)
		for i, p := range f.taps {
			if got, want := p.kinds(), "acquire release"; got != want {
				t.Errorf("node %d was asked to %s, want %s", i+1, got, want)
			}
		}
	})
}

// The caller's context bounds its waiting, never the removing; and not even that if it has ended before.
func TestReleaseAndTheCallersContext(t *testing.T) {
	setup := func(t *testing.T) (*fleet, *quorum.Claim) {
		f := newFleet(t, 3)
		claim := f.acquire("a")
		f.each(func(n *memnode.Node) { n.Delay(100*ms, 0) }, 1, 2, 3)
		return f, claim
	}
	t.Run("it ends on the way", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			f, claim := setup(t)
			ctx, cancel := context.WithTimeout(t.Context(), 40*ms)
			defer cancel()
			if err := claim.Release(ctx, 0); !errors.Is(err, context.DeadlineExceeded) || f.now() != 40*ms {
				t.Errorf("Release = %v at %v, want the context's error at 40ms", err, f.now())
			}
			f.until(100 * ms)
			f.wantKept("- - -", "a moment later")
		})
	})
	t.Run("it has ended before", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			f, claim := setup(t)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := claim.Release(ctx, 0); err != nil || f.now() != 100*ms {
				t.Errorf("Release = %v at %v, want nil at 100ms", err, f.now())
			}
			f.wantKept("- - -", "after the release")
		})
	})
}

// A node that hangs is released when it comes back, be it soon or late.
func TestReleaseIsRetriedUntilTheNodeIsBack(t *testing.T) {
	for _, back := range []time.Duration{100 * ms, 700 * ms, 3 * sec, 9 * sec} {
		t.Run(back.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				f := newFleet(t, 3)
				claim := f.acquire("a")
				f.nodes[1].Cut()
				f.release(claim)
				f.until(back)
				f.wantKept("- a -", "while the node is cut off")
				f.nodes[1].Restore()
				// A try that the node never saw takes its timeout, then a pause of at most a second.
				f.until(back + terms.Timeout + sec)
				f.wantKept("- - -", "when it is back")
				done := len(f.taps[1].asked())
				f.until(time.Minute)
				if got := len(f.taps[1].asked()); got != done {
					t.Errorf("the node was asked %d more times once it had removed the key", got-done)
				}
			})
		})
	}
}

// Once the key has run out by itself, nobody tries any longer.
func TestReleaseIsRetriedNoLongerThanTheKeyLives(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3)
		claim := f.acquire("a")
		f.nodes[1].Cut()
		f.release(claim)
		f.until(time.Hour)
		asks := f.taps[1].asked(quorum.Release)
		last := time.Duration(asks[len(asks)-1].from)
		if last < 8*sec || last > 10*sec {
			t.Errorf("the last of %d tries was at %v, want it shortly before the key has run out at 10s", len(asks), last)
		}
		if n := len(asks); n < 6 || n > 20 {
			t.Errorf("the node was asked %d times in 10s, want about one a second", n)
		}
	})
}

// Undos of many claims on one node travel together.
func TestUndosAreSentInBatches(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const claims = 200
		f := newFleet(t, 3)
		for i := range claims {
			k := fmt.Sprint("job:", i)
			claim, err := f.Acquire(t.Context(), k, "a", terms)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			f.nodes[2].Cut()
			if err := claim.Release(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			f.nodes[2].Restore()
		}
		if got := len(f.nodes[2].Keys()); got != claims {
			t.Fatalf("the node keeps %d keys, want %d", got, claims)
		}
		f.until(3 * sec)
		if got := f.nodes[2].Keys(); len(got) != 0 {
			t.Errorf("the node keeps %d keys in the end, want none", len(got))
		}
		var batches []clock.Instant
		for _, a := range f.taps[2].asked(quorum.Release) {
			if n := len(batches); a.got.Answered() && (n == 0 || batches[n-1] != a.from) {
				batches = append(batches, a.from)
			}
		}
		if len(batches) > 10 {
			t.Errorf("%d undos were sent at %d instants, want a few", claims, len(batches))
		}
	})
}

// One undo waits for its time; another that is due earlier wakes its server.
func TestEarlierUndoIsNotKeptWaiting(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3)
		f.taps[2].set(func(p *tap) {
			p.answer = func(ctx context.Context, ops []quorum.Op) []quorum.Answer {
				answers := p.Node.Ask(ctx, ops)
				if ops[0].Kind == quorum.Acquire && ops[0].Key == key {
					return []quorum.Answer{{Err: errors.New("lost"), Slack: 5 * sec}} // in doubt for long
				}
				return answers
			}
		})
		f.release(f.acquire("a"))
		other, err := f.Acquire(t.Context(), "other", "b", terms)
		if err != nil {
			t.Fatal(err)
		}
		f.until(100 * ms)
		f.nodes[2].Cut()
		if err := other.Release(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		f.until(200 * ms)
		f.nodes[2].Restore()
		f.until(2 * sec)
		if got := f.nodes[2].Keys(); len(got) != 0 {
			t.Errorf("the node keeps %v, want the earlier undo done by now", got)
		}
		f.until(time.Minute)
		asks := f.taps[2].asked(quorum.Release)
		last := asks[len(asks)-1]
		if last.op.Value != "a" || last.from <= clock.Instant(5500*ms) {
			t.Errorf("the last release was of %s at %v, want of a after 5.5s", last.op.Value, time.Duration(last.from))
		}
	})
}

// With keep, the key stays for exactly that long, from the call on, wherever the release gets to.
func TestReleaseThatKeeps(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3)
		claim := f.acquire("a")
		f.until(sec)
		f.nodes[0].Delay(200*ms, 0)
		f.nodes[2].Cut()
		if err := claim.Release(t.Context(), 3*sec); err != nil {
			t.Fatal(err)
		}
		f.until(2 * sec)
		f.nodes[2].Restore()
		f.until(3 * sec)
		for i, slow := range []time.Duration{200 * ms, 0, 0} {
			if got, want := f.lives(i+1), sec+slow; got != want {
				t.Errorf("two seconds after a release that keeps 3s, node %d keeps the key for %v, want %v", i+1, got, want)
			}
		}
		_ = f.missed("b", terms)
		f.until(4*sec + 200*ms)
		f.wantKept("- - -", "three seconds after the release")
	})
}

// An extension that was not answered may be carried out after a release that keeps, and would make the key
// live for its whole lifetime: the release is sent again.
func TestReleaseThatKeepsAfterALateExtend(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3)
		claim := f.acquire("a")
		f.nodes[2].Delay(700*ms, 0)
		if err := claim.Extend(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.nodes[2].Delay(0, 0)
		f.until(600 * ms)
		if err := claim.Release(t.Context(), 2*sec); err != nil {
			t.Fatal(err)
		}
		f.until(2600*ms - 1)
		f.wantKept("a a a", "just before the end of the keep")
		f.until(2600 * ms)
		f.wantKept("- - -", "two seconds after the release")
	})
}

// A key that was to be kept, on a node that is back only after that time, is removed.
func TestReleaseThatKeptLongEnough(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3)
		claim := f.acquire("a")
		f.nodes[2].Cut()
		if err := claim.Release(t.Context(), sec); err != nil {
			t.Fatal(err)
		}
		f.until(3 * sec)
		f.nodes[2].Restore()
		f.until(5 * sec)
		f.wantKept("- - -", "in the end")
	})
}

// The last instants of a keep are no less than the millisecond that nodes can keep.
func TestReleaseThatKeepsAlmostNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 1)
		claim := f.acquire("a")
		if err := claim.Release(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		if got := f.taps[0].asked(quorum.Release)[0].op.TTL; got != ms {
			t.Errorf("a release that keeps 1ns asks for %v, want 1ms", got)
		}
	})
}

// Clocks start where they like: before 0, a removal is still one.
func TestReleaseOnAClockBeforeZero(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		clk := early{clock.Process()}
		nodes := []*memnode.Node{memnode.New("mem-1", clk), memnode.New("mem-2", clk), memnode.New("mem-3", clk)}
		e := newEngine(t, []quorum.Node{nodes[0], nodes[1], nodes[2]}, clk)
		claim, err := e.Acquire(t.Context(), key, "a", terms)
		if err != nil {
			t.Fatal(err)
		}
		if err := claim.Release(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for i, n := range nodes {
			if got := n.Keys(); len(got) != 0 {
				t.Errorf("node %d keeps %v", i+1, got)
			}
		}
	})
}

// early is a clock whose origin is an hour ahead.
type early struct{ clock.Clock }

func (c early) Now() clock.Instant { return c.Clock.Now().Add(-time.Hour) }
