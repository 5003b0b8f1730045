package quorum_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/memnode"
)

func TestAcquire(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3)
		claim, err := f.Acquire(t.Context(), key, "a", quorum.Terms{TTL: 10 * sec, Grace: 2 * sec, Timeout: 500 * ms})
		if err != nil {
			t.Fatal(err)
		}
		f.until(sec)
		wantValidUntil(t, claim, validity, "after an instant round")
		if got := claim.Votes(); got != 3 {
			t.Errorf("Votes() = %d, want 3", got)
		}
		if got := claim.Value(); got != "a" {
			t.Errorf("Value() = %q, want a", got)
		}
		f.wantKept("a a a", "held")
		for i := 1; i <= 3; i++ {
			if got := f.lives(i); got != 11*sec {
				t.Errorf("after a second, node %d keeps the key for %v, want TTL and grace, less that second: 11s", i, got)
			}
		}
		for i, p := range f.taps {
			for _, a := range p.asked() {
				if a.op.NotAfter != clock.Instant(500*ms) || a.remaining != 500*ms {
					t.Errorf("node %d was asked with NotAfter %v and %v of context, want 500ms each",
						i+1, time.Duration(a.op.NotAfter), a.remaining)
				}
			}
		}
		f.until(validity)
		if got := claim.Votes(); got != 0 {
			t.Errorf("Votes() = %d when all promises have run out, want 0", got)
		}
	})
}

// A call takes as long as the votes that decide it, and what it wins is counted from the send.
func TestAcquireReturnsAtQuorumSpeed(t *testing.T) {
	steps := func(f *fleet) {
		for i, n := range f.nodes {
			n.Delay(0, time.Duration(i+1)*10*ms)
		}
	}
	tests := map[string]struct {
		size, votes int
		fault       func(f *fleet)
		took        time.Duration
	}{
		"healthy nodes":                   {3, 0, func(*fleet) {}, 0},
		"the third of five answers":       {5, 0, steps, 30 * ms},
		"the fourth, where four are due":  {5, 4, steps, 40 * ms},
		"the last, where all are due":     {5, 5, steps, 50 * ms},
		"one of three hangs":              {3, 0, func(f *fleet) { f.each((*memnode.Node).Pause, 2) }, 0},
		"two of five are cut off":         {5, 0, func(f *fleet) { f.each((*memnode.Node).Cut, 1, 5) }, 0},
		"one of three refuses":            {3, 0, func(f *fleet) { f.nodes[0].Refuse(errors.New("refused")) }, 0},
		"one of three loses its answer":   {3, 0, func(f *fleet) { f.nodes[0].DropReplies(1) }, 0},
		"slow on the way there":           {3, 0, func(f *fleet) { f.nodes[0].Delay(90*ms, 0); f.nodes[1].Delay(20*ms, 0) }, 20 * ms},
		"one of three is someone else's":  {3, 0, func(f *fleet) { f.nodes[2].Put(key, "x", time.Hour) }, 0},
		"a single node, and slow":         {1, 0, func(f *fleet) { f.nodes[0].Delay(50*ms, 50*ms) }, 100 * ms},
		"two nodes need both":             {2, 0, steps, 20 * ms},
		"an even number needs one more":   {4, 0, steps, 30 * ms},
		"a slow majority just before the": {3, 0, func(f *fleet) { f.each(func(n *memnode.Node) { n.Delay(0, 499*ms) }, 1, 2, 3) }, 499 * ms},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				f := newFleet(t, tc.size, withVotes(tc.votes))
				tc.fault(f)
				claim := f.acquire("a")
				if got := f.now(); got != tc.took {
					t.Errorf("Acquire took %v, want %v", got, tc.took)
				}
				if got := f.Latency(); got != tc.took {
					t.Errorf("Latency() = %v after a round of %v", got, tc.took)
				}
				wantValidUntil(t, claim, validity, "whatever the answers took")
			})
		})
	}
}

// Latency follows the rounds by an eighth of the difference.
func TestLatency(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 1)
		for i, delay := range []time.Duration{80 * ms, 160 * ms} {
			f.nodes[0].Delay(0, delay)
			f.acquire("a")
			if got, want := f.Latency(), []time.Duration{80 * ms, 90 * ms}[i]; got != want {
				t.Errorf("Latency() = %v after round %d, want %v", got, i+1, want)
			}
		}
	})
}

// A missed attempt says why, leaves nothing of its own anywhere, and nobody else's key is touched.
func TestAcquireMisses(t *testing.T) {
	refused := errors.New("refused")
	tests := map[string]struct {
		size, votes int
		fault       func(f *fleet)
		took        time.Duration
		why         quorum.Why
		holder      string
		retry       time.Duration
		failed      string // the nodes that did
		kept        string // in the end
	}{
		"held": {
			3, 0, func(f *fleet) { f.each(put("x", time.Hour), 1, 2) },
			0, quorum.Held, "x", time.Hour, "", "x x -",
		},
		"held by all": {
			5, 0, func(f *fleet) { f.each(put("x", time.Hour), 1, 2, 3, 4, 5) },
			0, quorum.Held, "x", time.Hour, "", "x x x x x",
		},
		"split in three": {
			3, 0, func(f *fleet) { f.each(put("x", time.Hour), 1); f.each(put("y", 2*time.Hour), 2) },
			0, quorum.Split, "", 0, "", "x y -",
		},
		"held, though one is silent": {
			3, 0, func(f *fleet) { f.each(put("x", time.Hour), 1, 2); f.each((*memnode.Node).Pause, 3) },
			0, quorum.Held, "x", time.Hour, "", "x x -",
		},
		"one answer is no decision": {
			3, 0, func(f *fleet) { f.each(put("x", time.Hour), 1); f.each((*memnode.Node).Cut, 2, 3) },
			500 * ms, quorum.Silent, "", quorum.NoExpiry, "mem-2 mem-3", "x - -",
		},
		"nobody answers": {
			3, 0, func(f *fleet) { f.each((*memnode.Node).Cut, 1, 2, 3) },
			500 * ms, quorum.Silent, "", quorum.NoExpiry, "", "- - -",
		},
		"all refuse": {
			3, 0, func(f *fleet) { f.each(func(n *memnode.Node) { n.Refuse(refused) }, 1, 2, 3) },
			0, quorum.Silent, "", quorum.NoExpiry, "", "- - -",
		},
		"all lose their answers": {
			3, 0, func(f *fleet) { f.each(func(n *memnode.Node) { n.DropReplies(1) }, 1, 2, 3) },
			500 * ms, quorum.Silent, "", quorum.NoExpiry, "", "- - -",
		},
		"two of three lose their answers": {
			3, 0, func(f *fleet) { f.each(func(n *memnode.Node) { n.DropReplies(1) }, 1, 3) },
			500 * ms, quorum.Silent, "", quorum.NoExpiry, "mem-1 mem-3", "- - -",
		},
		"answers that are too slow": {
			3, 0, func(f *fleet) { f.each(func(n *memnode.Node) { n.Delay(0, 700*ms) }, 1, 2, 3) },
			500 * ms, quorum.Silent, "", quorum.NoExpiry, "", "- - -",
		},
		"a majority, but more is needed": {
			5, 4, func(f *fleet) { f.each(put("x", time.Hour), 1, 2) },
			0, quorum.Split, "", time.Hour, "", "x x - - -",
		},
		"a majority, and too few others answer": {
			5, 4, func(f *fleet) { f.each((*memnode.Node).Cut, 1, 2) },
			500 * ms, quorum.Silent, "", quorum.NoExpiry, "mem-1 mem-2", "- - - - -",
		},
		"all but one, and all are needed": {
			3, 3, func(f *fleet) { f.each(put("x", time.Hour), 3) },
			0, quorum.Split, "", time.Hour, "", "- - x",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				f := newFleet(t, tc.size, withVotes(tc.votes))
				tc.fault(f)
				miss := f.missed("a", terms)
				if got := f.now(); got != tc.took {
					t.Errorf("Acquire took %v, want %v", got, tc.took)
				}
				if miss.Why != tc.why || miss.Holder != tc.holder {
					t.Errorf("missed as %d by %q, want %d by %q: %v", miss.Why, miss.Holder, tc.why, tc.holder, miss)
				}
				if tc.why != quorum.Split && miss.RetryAfter != tc.retry {
					t.Errorf("RetryAfter = %v, want %v", miss.RetryAfter, tc.retry)
				}
				if miss.Size != tc.size || miss.Need != f.Need() {
					t.Errorf("miss says %d of %d, want %d of %d", miss.Need, miss.Size, f.Need(), tc.size)
				}
				var failed []string
				for _, n := range miss.Nodes {
					failed = append(failed, n.Node)
				}
				if got := strings.Join(failed, " "); tc.failed != "" && got != tc.failed {
					t.Errorf("the nodes that failed are %q, want %q", got, tc.failed)
				}
				f.until(tc.took + 2*sec)
				f.wantKept(tc.kept, "in the end")
				f.wantSerial()
			})
		})
	}
}

func put(value string, ttl time.Duration) func(n *memnode.Node) {
	return func(n *memnode.Node) { n.Put(key, value, ttl) }
}

// An undo is not bound to the caller, waits for nothing but its node, and is done within a moment of
// the answer it undoes.
func TestMissedAcquireIsUndoneAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 5)
		f.each(func(n *memnode.Node) { n.Put(key, "x", time.Hour); n.Delay(0, 10*ms) }, 1, 2, 3)
		f.nodes[4].Delay(100*ms, 100*ms)
		_ = f.missed("a", terms)
		f.until(10 * ms)
		f.wantKept("x x x - -", "at the time of the miss")
		f.until(100 * ms)
		f.wantKept("x x x - a", "when the straggler has voted")
		f.until(300 * ms)
		f.wantKept("x x x - -", "when the straggler was released")
		if got, want := f.taps[4].kinds(), "acquire release"; got != want {
			t.Errorf("the straggler was asked to %s, want %s", got, want)
		}
		if got, want := f.taps[0].kinds(), "acquire"; got != want {
			t.Errorf("a node that said that it had written nothing was asked to %s, want %s", got, want)
		}
		f.wantSerial()
	})
}

// What cannot be won is given back at once, though it takes longer to learn why: others want it.
func TestMissedAcquireIsUndoneBeforeItIsExplained(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 5)
		for i, value := range []string{"x", "x", "y"} {
			f.nodes[i].Put(key, value, time.Hour)
			f.nodes[i].Delay(0, 10*ms)
		}
		f.nodes[4].Pause()
		go func() {
			f.until(10 * ms)
			f.wantKept("x x y - -", "when three of five had voted")
		}()
		miss := f.missed("a", terms)
		if miss.Why != quorum.Split || f.now() != 500*ms {
			t.Errorf("missed as %d at %v, want Split at 500ms: the last vote might have been a third x", miss.Why, f.now())
		}
		f.nodes[4].Resume()
		f.until(2 * sec)
		f.wantKept("x x y - -", "in the end")
		if got, want := f.taps[3].kinds(), "acquire release"; got != want {
			t.Errorf("the node that granted was asked to %s, want %s", got, want)
		}
		f.wantSerial()
	})
}

// The acquire's answer is lost: the node has the key, and only the release knows.
func TestLostAnswerIsUndone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3)
		f.each(func(n *memnode.Node) { n.DropReplies(1) }, 1, 2)
		f.until(10 * ms)
		_ = f.missed("a", terms)
		f.until(510 * ms)
		f.wantKept("- - -", "at the time of the miss")
		f.until(20 * sec)
		for i, want := range []string{"acquire release release", "acquire release release", "acquire release"} {
			if got := f.taps[i].kinds(); got != want {
				t.Fatalf("node %d was asked to %s, want %s", i+1, got, want)
			}
		}
		// The second one comes when the request, had it been lost on its way there, is over.
		if got, want := f.taps[0].asked()[2].from, clock.Instant(510*ms); got <= want || got > want.Add(10*ms) {
			t.Errorf("the second release was sent at %v, want just after %v", time.Duration(got), time.Duration(want))
		}
	})
}

// Whenever the caller leaves, nothing stays behind.
func TestAcquireCanBeLeftAtAnyMoment(t *testing.T) {
	for _, lost := range []int{0, 1, 3} { // answers
		for at := time.Duration(0); at <= 70*ms; at += 5 * ms {
			t.Run(fmt.Sprintf("%d answers lost, left at %v", lost, at), func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					f := newFleet(t, 3)
					for i, n := range f.nodes {
						n.Delay(time.Duration(10*i+10)*ms, 20*ms)
						if i < lost {
							n.DropReplies(1)
						}
					}
					cause := errors.New("had enough")
					ctx, cancel := context.WithTimeoutCause(t.Context(), at, cause)
					defer cancel()
					claim, err := f.Acquire(ctx, key, "a", terms)
					if err == nil {
						f.release(claim)
					} else if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, cause) {
						t.Errorf("Acquire = %v, want the context's error and its cause", err)
					} else if got := f.now(); got != at {
						t.Errorf("Acquire returned at %v, want %v", got, at)
					}
					if decided := at > 40*ms && lost == 0; decided && err != nil {
						t.Errorf("Acquire = %v, though the votes were there at 40ms", err)
					}
					f.until(2 * sec)
					f.wantKept("- - -", "in the end")
					f.wantSerial()
				})
			})
		}
	}
}

func TestAcquireReturnsThePlainErrorOfAPlainContext(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 1)
		f.nodes[0].Pause()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*ms, cancel)
		if _, err := f.Acquire(ctx, key, "a", terms); err != context.Canceled { //nolint:errorlint // identity is the point
			t.Errorf("Acquire = %v, want context.Canceled itself", err)
		}
	})
}

// A request that is carried out long after its release is refused by the node, for its NotAfter.
func TestLateAcquireIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3)
		f.each(func(n *memnode.Node) { n.Delay(900*ms, 0) }, 1, 2, 3)
		go func() {
			time.Sleep(100 * ms)
			f.each(func(n *memnode.Node) { n.Delay(0, 0) }, 1, 2, 3) // releases overtake acquires
		}()
		_ = f.missed("a", terms)
		for at := 500 * ms; at < 3*sec; at += 50 * ms {
			f.until(at)
			f.wantKept("- - -", fmt.Sprintf("at %v", at))
		}
	})
}

// A request that is carried out when it is allowed to, but after its release, is released again.
func TestAcquireThatOvertakesItsReleaseIsReleasedAgain(t *testing.T) {
	for _, slack := range []time.Duration{0, 1, 30 * ms, 2 * sec} {
		for name, how := range map[string]func(*fleet, context.Context) error{
			"a miss": func(f *fleet, ctx context.Context) error {
				_, err := f.Acquire(ctx, key, "a", terms)
				return err
			},
			"a caller that leaves": func(f *fleet, ctx context.Context) error {
				ctx, cancel := context.WithTimeout(ctx, 100*ms)
				defer cancel()
				_, err := f.Acquire(ctx, key, "a", terms)
				return err
			},
		} {
			t.Run(fmt.Sprintf("%s, slack %v", name, slack), func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					f := newProcrastinators(t, 3, slack)
					if err := how(f, t.Context()); err == nil {
						t.Fatal("Acquire was won without an answer")
					}
					f.until(500*ms + slack + sec)
					f.wantKept("- - -", "a second after the last instant at which the nodes may carry it out")
					for i, p := range f.worst {
						if got := p.written.Load(); got != 1 {
							t.Errorf("node %d has carried it out %d times, want once", i+1, got)
						}
					}
				})
			})
		}
	}
}

// A node that says the request came too late has told its time: it is asked once more.
func TestLateAnswerIsAskedOnceMore(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3)
		f.each(func(n *memnode.Node) { n.StepClock(time.Hour) }, 1, 2) // everything is late there now
		claim := f.acquire("a")
		if got := claim.Votes(); got != 3 {
			t.Errorf("Votes() = %d, want 3", got)
		}
		for i, want := range []string{"acquire acquire", "acquire acquire", "acquire"} {
			if got := f.taps[i].kinds(); got != want {
				t.Errorf("node %d was asked to %s, want %s", i+1, got, want)
			}
		}
	})
}

// A node that finds everything late denies the vote, and is not asked for ever.
func TestLateTwiceIsARefusal(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3)
		for _, p := range f.taps[:2] {
			p.set(func(p *tap) {
				p.answer = func(_ context.Context, ops []quorum.Op) []quorum.Answer {
					time.Sleep(10 * ms)
					return []quorum.Answer{{Verdict: quorum.Late}}[:len(ops)]
				}
			})
		}
		if miss := f.missed("a", terms); miss.Why != quorum.Split {
			t.Errorf("missed as %d, want Split", miss.Why)
		}
		f.until(20 * sec)
		for i, want := range []string{"acquire acquire", "acquire acquire", "acquire release"} {
			if got := f.taps[i].kinds(); got != want {
				t.Errorf("node %d was asked to %s, want %s", i+1, got, want)
			}
		}
	})
}

// A vote that comes after the win still counts, and is released with the others.
func TestStragglerIsRecorded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3)
		f.nodes[2].Delay(0, 200*ms)
		claim := f.acquire("a")
		moves := 0
		claim.Watch(func() { moves++ })
		if got := claim.Votes(); got != 2 {
			t.Errorf("Votes() = %d at the win, want 2", got)
		}
		f.until(200 * ms)
		if got := claim.Votes(); got != 3 {
			t.Errorf("Votes() = %d after the straggler, want 3", got)
		}
		wantValidUntil(t, claim, validity, "after the straggler")
		if moves != 0 {
			t.Errorf("ValidUntil moved %d times, want never: the straggler promised no more than the others", moves)
		}
		f.nodes[2].Delay(0, 0)
		f.release(claim)
		f.until(300 * ms)
		f.wantKept("- - -", "after the release")
	})
}

// A release that is called while an acquire is still under way waits for it, on that node only.
func TestReleaseNeverOvertakesItsAcquire(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3)
		f.taps[2].delayOnly(quorum.Acquire, 200*ms)
		claim := f.acquire("a")
		f.release(claim)
		if got := f.now(); got != 0 {
			t.Errorf("Release took until %v, want 0: two nodes have removed it", got)
		}
		f.until(199 * ms)
		if got, want := f.taps[2].kinds(), "acquire"; got != want {
			t.Errorf("the slow node was asked to %s, want %s", got, want)
		}
		f.until(sec)
		f.wantKept("- - -", "in the end")
		if got, want := f.taps[2].kinds(), "acquire release"; got != want {
			t.Errorf("the slow node was asked to %s, want %s", got, want)
		}
		f.wantSerial()
	})
}

// Claimants that meet: at most one wins, and the losers leave nothing.
func TestSplitVotesLeaveNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 5)
		values := []string{"a", "b", "c"}
		for i, p := range f.taps { // each node prefers another claimant, and nobody hears of it soon
			p.set(func(p *tap) {
				p.ahead = func(_ context.Context, op quorum.Op) {
					if op.Kind == quorum.Acquire && op.Value != values[i%3] {
						time.Sleep(5 * ms)
					}
				}
				p.behind = pauseAt(quorum.Acquire, 10*ms)
			})
		}
		errs := make(chan error, len(values))
		for _, value := range values {
			go func() {
				_, err := f.Acquire(t.Context(), key, value, terms)
				errs <- err
			}()
		}
		for range values {
			var miss *quorum.MissError
			if err := <-errs; !errors.As(err, &miss) || miss.Why != quorum.Split {
				t.Errorf("Acquire = %v, want a split", err)
			}
		}
		f.until(sec)
		f.wantKept("- - - - -", "in the end")
	})
}

func TestMinValidity(t *testing.T) {
	tests := map[string]struct {
		ttl, least, delay time.Duration
		left              time.Duration // -1 for a win
	}{
		"enough is left":                      {10 * sec, 9 * sec, 100 * ms, -1},
		"exactly enough is left":              {10 * sec, 9898 * ms, 100 * ms, -1},
		"a nanosecond too little":             {10 * sec, 9898*ms + 1, 100 * ms, 9898 * ms},
		"nothing is left":                     {200 * ms, 100 * ms, 300 * ms, -102 * ms},
		"none is asked for, a little is left": {200 * ms, 0, 197 * ms, -1},
		"none is asked for, and none is left": {200 * ms, 0, 198 * ms, 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				f := newFleet(t, 3)
				f.each(func(n *memnode.Node) { n.Delay(0, tc.delay) }, 1, 2, 3)
				terms := quorum.Terms{TTL: tc.ttl, MinValidity: tc.least, Timeout: 500 * ms}
				claim, err := f.Acquire(t.Context(), key, "a", terms)
				if tc.left == -1 {
					if err != nil {
						t.Errorf("Acquire = %v, want a claim", err)
					}
					return
				}
				if miss := wantMiss(t, claim, err); miss.Why != quorum.Slow || miss.Left != tc.left {
					t.Errorf("missed as %d with %v left, want Slow with %v: %v", miss.Why, miss.Left, tc.left, miss)
				}
				f.until(2 * sec)
				f.wantKept("- - -", "in the end")
			})
		})
	}
}

// The drift is taken off every promise.
func TestDriftIsSubtracted(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		drift := clock.Drift{Rate: 0.1, Step: sec}
		f := newFleet(t, 3, func(c *quorum.Config) { c.Drift = drift })
		claim := f.acquire("a")
		wantValidUntil(t, claim, 8*sec-clock.Granularity, "with a tenth and a second off")
		f.until(sec)
		if err := claim.Extend(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantValidUntil(t, claim, 9*sec-clock.Granularity, "extended a second later")
	})
}

// A Node that breaks its contract is one that has failed.
func TestNodesThatBreakTheirContract(t *testing.T) {
	tests := map[string]struct {
		answers []quorum.Answer
		want    string
	}{
		"no answers":            {nil, "0 answers to 1 operations"},
		"too many answers":      {[]quorum.Answer{{Verdict: quorum.Mine}, {Verdict: quorum.Mine}}, "2 answers to 1 operations"},
		"a failure unexplained": {[]quorum.Answer{{}}, "no answer and no reason"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				f := newFleet(t, 3)
				for _, p := range f.taps[1:] {
					p.set(func(p *tap) {
						p.answer = func(context.Context, []quorum.Op) []quorum.Answer { return slices.Clone(tc.answers) }
					})
				}
				miss := f.missed("a", terms)
				if miss.Why != quorum.Silent || len(miss.Nodes) != 2 {
					t.Fatalf("missed as %d with %d failures, want Silent with 2", miss.Why, len(miss.Nodes))
				}
				for i, n := range miss.Nodes {
					if want := fmt.Sprintf("node mem-%d: %s", i+2, tc.want); n.Error() != want {
						t.Errorf("failure %d is %q, want %q", i, n, want)
					}
				}
			})
		})
	}
}

// An acquire that was not answered may still be carried out after another question has found nothing:
// only what is asked after its end is the last word.
func TestFreeIsNotTheLastWordBeforeTheAcquireIsOver(t *testing.T) {
	for _, releaseAt := range []time.Duration{20 * ms, 2 * sec} {
		t.Run(fmt.Sprint("released at ", releaseAt), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				f := newFleet(t, 3)
				f.taps[2].set(func(p *tap) {
					p.answer = func(ctx context.Context, ops []quorum.Op) []quorum.Answer {
						switch op := ops[0]; op.Kind {
						case quorum.Acquire: // lost now, carried out at the last moment
							time.AfterFunc(op.NotAfter.Sub(f.clock.Now()), func() { f.nodes[2].Put(key, op.Value, op.TTL) })
							return []quorum.Answer{{Err: errors.New("lost")}}
						case quorum.Heal:
							return []quorum.Answer{{Verdict: quorum.Late}}
						}
						return p.Node.Ask(ctx, ops)
					}
				})
				claim := f.acquire("a")
				f.until(10 * ms)
				if err := claim.Extend(t.Context()); err != nil {
					t.Fatal(err)
				}
				f.until(releaseAt)
				f.release(claim)
				f.until(4 * sec)
				f.wantKept("- - -", "in the end")
			})
		})
	}
}
