package quorum_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/memnode"
)

// A handedOver is the outcome of a hand-over.
type handedOver struct {
	claim *quorum.Claim
	err   error
	at    time.Duration
}

// handOver hands claim over to value, and waits for the outcome.
func (f *fleet) handOver(claim *quorum.Claim, value string, terms quorum.Terms) handedOver {
	f.t.Helper()
	done := make(chan handedOver, 2)
	claim.HandOver(value, terms, func(c *quorum.Claim, err error) bool {
		done <- handedOver{c, err, f.now()}
		return true
	})
	out := <-done
	synctest.Wait()
	if len(done) > 0 {
		f.t.Error("done was called twice")
	}
	return out
}

// Whatever a node is like, after a hand-over it has the next value or none, and the old claim is over.
func TestHandOver(t *testing.T) {
	tests := map[string]struct {
		fault func(f *fleet)
		took  time.Duration
		why   quorum.Why // of a miss
		kept  string     // when it is decided
		later string     // after all has been mended, and some time
	}{
		"of a healthy fleet": {func(*fleet) {}, 0, 0, "b b b b b", "b b b b b"},
		"with a minority wiped": {
			func(f *fleet) { f.each((*memnode.Node).Wipe, 1, 2) }, 0, 0, "- - b b b", "- - b b b",
		},
		"with a minority hung: it is too late when they go on": {
			func(f *fleet) { f.each((*memnode.Node).Pause, 1, 2) }, 0, 0, "a a b b b", "- - b b b",
		},
		"with a minority of lost answers": {
			func(f *fleet) { f.each(func(n *memnode.Node) { n.DropReplies(1) }, 1, 2) }, 0, 0, "b b b b b", "b b b b b",
		},
		"with another's value on a minority": {
			func(f *fleet) { f.each(func(n *memnode.Node) { n.Wipe(); n.Put(key, "x", 0) }, 1, 2) },
			0, 0, "x x b b b", "x x b b b",
		},
		"with a majority wiped: nothing is left of either": {
			func(f *fleet) { f.each((*memnode.Node).Wipe, 1, 2, 3) }, 0, quorum.Split, "- - - - -", "- - - - -",
		},
		"with a majority hung": {
			func(f *fleet) { f.each((*memnode.Node).Pause, 1, 2, 3) }, 500 * ms, quorum.Silent, "a a a - -", "- - - - -",
		},
		"with a majority of lost answers": {
			func(f *fleet) { f.each(func(n *memnode.Node) { n.DropReplies(1) }, 1, 2, 3) },
			500 * ms, quorum.Silent, "- - - - -", "- - - - -",
		},
		"with a majority another's": {
			func(f *fleet) { f.each(func(n *memnode.Node) { n.Wipe(); n.Put(key, "x", 0) }, 1, 2, 3) },
			0, quorum.Held, "x x x - -", "x x x - -",
		},
	}
	for sentence, tc := range tests {
		t.Run(sentence, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				f := newFleet(t, 5)
				claim := f.acquire("a")
				f.until(sec)
				tc.fault(f)
				out := f.handOver(claim, "b", terms)
				if got := out.at - sec; got != tc.took {
					t.Errorf("it took %v, want %v", got, tc.took)
				}
				f.wantKept(tc.kept, "when it is decided")
				if tc.why == 0 {
					if out.err != nil || out.claim.Value() != "b" || validUntil(out.claim) != sec+validity {
						t.Fatalf("claim %+v, error %v", out.claim, out.err)
					}
				} else if miss := wantMiss(t, out.claim, out.err); miss.Why != tc.why {
					t.Errorf("it missed with %v, want %v", miss.Why, tc.why)
				}
				if err := claim.Release(t.Context(), 0); err != nil {
					t.Errorf("a release after it: %v", err)
				}
				f.until(3 * sec)
				f.each((*memnode.Node).Resume, 1, 2, 3, 4, 5)
				f.until(5 * sec)
				f.wantKept(tc.later, "in the end")
			})
		})
	}
}

func TestAHandOverThatNobodyTakesIsReleased(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3)
		claim := f.acquire("a")
		claim.HandOver("b", terms, func(*quorum.Claim, error) bool { return false })
		synctest.Wait()
		f.wantKept("- - -", "after it")
	})
}

func TestAHandOverAfterTheReleaseFails(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3)
		claim := f.acquire("a")
		f.release(claim)
		if out := f.handOver(claim, "b", terms); out.err == nil || out.claim != nil {
			t.Errorf("it made the claim %v", out.claim)
		}
		f.wantKept("- - -", "after it")
	})
}

// An extension under way when the hand-over begins comes first on each node, and brings nothing back after it.
func TestAHandOverWaitsForWhatIsUnderWay(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3)
		claim := f.acquire("a")
		f.each(func(n *memnode.Node) { n.Wipe(); n.Delay(100*ms, 0) }, 1)
		extended := make(chan struct{})
		go func() {
			_ = claim.Extend(t.Context()) // which heals the first node
			close(extended)
		}()
		synctest.Wait()
		out := f.handOver(claim, "b", terms)
		if out.err != nil {
			t.Fatal(out.err)
		}
		<-extended
		f.until(3 * sec)
		if kept := f.kept(); kept != "- b b" && kept != "b b b" {
			t.Errorf("kept is %q: the old value came back", kept)
		}
	})
}

func TestClosingEndsAHandOver(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3)
		claim := f.acquire("a")
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if out := f.handOver(claim, "b", terms); !errors.Is(out.err, quorum.ErrClosed) {
			t.Errorf("error %v, want ErrClosed", out.err)
		}
	})
}
