package quorum_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/memnode"
)

// An extension resets a node's life to the TTL: it never adds to what is left.
func TestExtendResets(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3)
		claim := f.acquire("a")
		for _, at := range []time.Duration{0, 0, sec, sec, 6 * sec} {
			f.until(at)
			if err := claim.Extend(t.Context()); err != nil {
				t.Fatalf("Extend at %v = %v", at, err)
			}
			synctest.Wait()
			wantValidUntil(t, claim, at+validity, fmt.Sprintf("extended at %v", at))
			for i := 1; i <= 3; i++ {
				if got := f.lives(i); got != 10*sec {
					t.Errorf("extended at %v, node %d keeps the key for %v, want 10s", at, i, got)
				}
			}
		}
	})
}

// What an extension wins is counted from its send, too.
func TestExtendCountsFromTheSend(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3)
		claim := f.acquire("a")
		f.until(3 * sec)
		f.each(func(n *memnode.Node) { n.Delay(200*ms, 200*ms) }, 1, 2, 3)
		if err := claim.Extend(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantValidUntil(t, claim, 3*sec+validity, "extended at 3s by answers at 3.4s")
	})
}

// An extension that nobody answers takes nothing away.
func TestUnansweredExtendKeepsThePromises(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3)
		claim := f.acquire("a")
		f.until(sec)
		f.each((*memnode.Node).Cut, 1, 2, 3)
		err := claim.Extend(t.Context())
		if miss := wantMiss(t, nil, err); miss.Why != quorum.Silent {
			t.Errorf("Extend = %v, want Silent", err)
		}
		if got := f.now(); got != 1500*ms {
			t.Errorf("Extend took until %v, want 1.5s", got)
		}
		wantValidUntil(t, claim, validity, "after an extension that nobody answered")
		if got := claim.Votes(); got != 3 {
			t.Errorf("Votes() = %d, want 3", got)
		}
		f.each((*memnode.Node).Restore, 1, 2, 3)
	})
}

// Renewals that reach only some of the nodes add up as an order statistic: no round can make the claim
// longer than enough nodes have promised, and one slow node a round cannot shorten it.
func TestPartialRenewals(t *testing.T) {
	const gran = clock.Granularity
	type round struct {
		at    time.Duration
		nodes []int // that are reached
		want  time.Duration
	}
	tests := map[string]struct {
		size, votes int
		rounds      []round
	}{
		"15, 17 and 10 are 15": {3, 0, []round{{5 * sec, []int{1}, 10 * sec}, {7 * sec, []int{2}, 15 * sec}}},
		"one node alone moves nothing": {3, 0, []round{
			{2 * sec, []int{1}, 10 * sec}, {4 * sec, []int{1}, 10 * sec}, {6 * sec, []int{1}, 10 * sec},
		}},
		"a node that misses each other round": {3, 0, []round{
			{2 * sec, []int{1, 2}, 12 * sec}, {4 * sec, []int{1, 3}, 14 * sec}, {6 * sec, []int{2, 3}, 16 * sec},
		}},
		"where all are needed the slowest decides": {3, 3, []round{
			{2 * sec, []int{1, 2}, 10 * sec}, {4 * sec, []int{3}, 12 * sec}, {6 * sec, []int{1, 2, 3}, 16 * sec},
		}},
		"where four of five are needed": {5, 4, []round{
			{2 * sec, []int{1, 2, 3}, 10 * sec}, {4 * sec, []int{4}, 12 * sec}, {6 * sec, []int{5}, 12 * sec}, {8 * sec, []int{1, 2, 3}, 16 * sec},
		}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				f := newFleet(t, tc.size, withVotes(tc.votes))
				claim := f.acquire("a")
				for _, r := range tc.rounds {
					f.until(r.at)
					f.each(func(n *memnode.Node) { n.Refuse(&quorum.NodeError{Code: "LOADING", Err: errors.New("loading")}) }, allOf(tc.size)...)
					f.each(func(n *memnode.Node) { n.Refuse(nil) }, r.nodes...)
					err := claim.Extend(t.Context())
					synctest.Wait()
					if enough := len(r.nodes) >= f.Need(); (err == nil) != enough {
						t.Errorf("Extend on nodes %d of %d, %d needed, = %v", r.nodes, tc.size, f.Need(), err)
					}
					wantValidUntil(t, claim, r.want-gran, fmt.Sprintf("extended at %v on nodes %d", r.at, r.nodes))
				}
			})
		})
	}
}

func allOf(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i + 1
	}
	return all
}

// A node that says "not yours" takes its promise back, at once.
func TestDenialsCountAtOnce(t *testing.T) {
	tests := map[string]struct {
		size, votes int
		denied      func(f *fleet)
		err         bool
		want        time.Duration // after the extension; -1 for never
		left        int
	}{
		"one of three, by another value":        {3, 0, func(f *fleet) { f.each(stolen, 3) }, false, sec + validity, 2},
		"two of three, by another value":        {3, 0, func(f *fleet) { f.each(stolen, 2, 3) }, true, -1, 1},
		"two of three, wiped":                   {3, 0, func(f *fleet) { f.each((*memnode.Node).Wipe, 1, 2) }, true, -1, 1},
		"all of them":                           {3, 0, func(f *fleet) { f.each((*memnode.Node).Wipe, 1, 2, 3) }, true, -1, 0},
		"two of five, where three are needed":   {5, 3, func(f *fleet) { f.each(stolen, 1, 5) }, false, sec + validity, 3},
		"two of five, where four are needed":    {5, 4, func(f *fleet) { f.each(stolen, 1, 5) }, true, -1, 3},
		"one of three, where all are needed":    {3, 3, func(f *fleet) { f.each(stolen, 2) }, true, -1, 2},
		"one of three, all needed, it is wiped": {3, 3, func(f *fleet) { f.each((*memnode.Node).Wipe, 2) }, true, -1, 2},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				f := newFleet(t, tc.size, withVotes(tc.votes))
				claim := f.acquire("a")
				f.until(sec)
				tc.denied(f)
				err := claim.Extend(t.Context())
				synctest.Wait()
				if tc.err {
					if miss := wantMiss(t, nil, err); miss.Why != quorum.Gone || miss.Holder != "" {
						t.Errorf("Extend = %v, want Gone without a holder", err)
					}
				} else if err != nil {
					t.Errorf("Extend = %v", err)
				}
				if got := claim.Votes(); got != tc.left {
					t.Errorf("Votes() = %d, want %d", got, tc.left)
				}
				want := clock.Never
				if tc.want >= 0 {
					want = clock.Instant(tc.want)
				}
				if got := claim.ValidUntil(); got != want {
					t.Errorf("the claim is valid until %d, want %d", got, want)
				}
				for i, p := range f.taps {
					if got := p.asked(quorum.Heal); len(got) > 0 {
						t.Errorf("node %d was asked to heal what is another's, or can no longer be healed", i+1)
					}
				}
			})
		})
	}
}

// stolen is what an operator's mistake leaves: another value under the key.
func stolen(n *memnode.Node) { n.Put(key, "x", time.Hour) }

// A denial counts though the call that asked has long returned.
func TestDenialOfAStraggler(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 5)
		claim := f.acquire("a")
		var moves []time.Duration
		var mu sync.Mutex
		claim.Watch(func() {
			mu.Lock()
			defer mu.Unlock()
			moves = append(moves, f.now())
		})
		f.until(sec)
		f.each(stolen, 1, 2)
		f.nodes[4].Delay(0, 100*ms)
		f.taps[4].set(func(p *tap) {
			p.answer = func(ctx context.Context, ops []quorum.Op) []quorum.Answer {
				p.Node.Ask(ctx, ops)
				return []quorum.Answer{{Verdict: quorum.Other, Holder: "x", Remaining: time.Hour}}
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 50*ms)
		defer cancel()
		if err := claim.Extend(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Extend = %v, want the context's error", err)
		}
		wantValidUntil(t, claim, validity, "before the straggler's denial")
		f.until(1100 * ms)
		if got := claim.ValidUntil(); got != clock.Never {
			t.Errorf("after the straggler's denial the claim is valid until %d, want Never", got)
		}
		mu.Lock()
		defer mu.Unlock()
		if got, want := fmt.Sprint(moves), "[1.1s]"; got != want {
			t.Errorf("ValidUntil was seen to move at %s, want %s", got, want)
		}
	})
}

func TestWatchSeesEachMove(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 1)
		claim := f.acquire("a")
		var seen []time.Duration
		claim.Watch(func() { seen = append(seen, validUntil(claim)-validity) })
		for _, at := range []time.Duration{sec, 2 * sec} {
			f.until(at)
			if err := claim.Extend(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		f.until(3 * sec)
		f.each(stolen, 1)
		_ = claim.Extend(t.Context())
		if got, want := fmt.Sprint(seen[:2]), "[1s 2s]"; got != want || len(seen) != 3 || claim.ValidUntil() != clock.Never {
			t.Errorf("moves were seen to %v, want %s and Never", seen, want)
		}
	})
}

// A node that lost the key gets it back, once a majority has said in the same round that it holds it.
func TestHeal(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var healed []string
		f := newFleet(t, 3, withObserver(quorum.Observer{Healed: func(key, node string) { healed = append(healed, key+" on "+node) }}))
		claim := f.acquire("a")
		f.until(sec)
		f.nodes[0].Wipe()
		f.nodes[1].Delay(0, 100*ms)
		f.nodes[2].Delay(0, 200*ms)
		if err := claim.Extend(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.until(2 * sec)
		heals := f.taps[0].asked(quorum.Heal)
		if len(heals) != 1 || heals[0].from != clock.Instant(1200*ms) {
			t.Fatalf("the node was healed as %+v, want once, at 1.2s, when two others had said that they hold the key", heals)
		}
		if op := heals[0].op; op.TTL != 10*sec || op.NotAfter != clock.Instant(1700*ms) || op.Value != "a" {
			t.Errorf("heal asks for %+v, want the value for 10s, by 1.7s", op)
		}
		f.wantKept("a a a", "healed")
		if got := claim.Votes(); got != 3 {
			t.Errorf("Votes() = %d, want 3", got)
		}
		if got, want := strings.Join(healed, ", "), key+" on mem-1"; got != want {
			t.Errorf("observer was told of %q, want %q", got, want)
		}
		f.release(claim)
		synctest.Wait()
		f.wantKept("- - -", "released")
	})
}

// Where a majority does not say in this round that it holds the key, nothing is healed: someone may
// have come and gone.
func TestNoHealWithoutAMajority(t *testing.T) {
	tests := map[string]struct {
		size  int
		fault func(f *fleet)
	}{
		"two of three lost it":             {3, func(f *fleet) { f.each((*memnode.Node).Wipe, 1, 2) }},
		"all lost it":                      {3, func(f *fleet) { f.each((*memnode.Node).Wipe, 1, 2, 3) }},
		"one lost it, one is cut off":      {3, func(f *fleet) { f.each((*memnode.Node).Wipe, 1); f.each((*memnode.Node).Cut, 2) }},
		"one lost it, one is another's":    {3, func(f *fleet) { f.each((*memnode.Node).Wipe, 1); f.each(stolen, 2) }},
		"one lost it, one loses an answer": {3, func(f *fleet) { f.each((*memnode.Node).Wipe, 1); f.nodes[1].DropReplies(1) }},
		"three of five lost it":            {5, func(f *fleet) { f.each((*memnode.Node).Wipe, 1, 2, 3) }},
		"the only one lost it":             {1, func(f *fleet) { f.each((*memnode.Node).Wipe, 1) }},
		"half of four":                     {4, func(f *fleet) { f.each((*memnode.Node).Wipe, 1, 2) }},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				f := newFleet(t, tc.size, withObserver(quorum.Observer{Healed: func(_, node string) { t.Errorf("%s was healed", node) }}))
				claim := f.acquire("a")
				f.until(sec)
				tc.fault(f)
				if err := claim.Extend(t.Context()); err == nil {
					t.Error("Extend = nil")
				}
				f.until(5 * sec)
				for i, p := range f.taps {
					if heals := p.asked(quorum.Heal); len(heals) > 0 {
						t.Errorf("node %d was asked to heal at %v", i+1, time.Duration(heals[0].from))
					}
				}
			})
		})
	}
}

// Nodes that were not asked because they are down do not speak for a majority, nor hold one up.
func TestNoHealWhileNodesAreSuspended(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 5)
		claim := f.acquire("a")
		f.each((*memnode.Node).Cut, 4, 5)
		for range 3 {
			_ = claim.Extend(t.Context())
			time.Sleep(terms.Timeout + ms)
		}
		f.nodes[0].Wipe()
		before := f.now()
		err := claim.Extend(t.Context())
		if miss := wantMiss(t, nil, err); miss.Why != quorum.Gone || f.now() != before {
			t.Errorf("Extend = %v after %v, want Gone at once", err, f.now()-before)
		}
		synctest.Wait()
		if got := f.taps[0].asked(quorum.Heal); len(got) > 0 {
			t.Errorf("node 1 was healed at %v with two holders of five", time.Duration(got[0].from))
		}
	})
}

// A healed vote counts only before the claim would have run out without it, and a node refuses a heal
// that gets there later.
func TestHealThatComesTooLate(t *testing.T) {
	short := quorum.Terms{TTL: sec, Timeout: 3 * sec}
	setup := func(t *testing.T) (*fleet, *quorum.Claim) {
		f := newFleet(t, 3, withObserver(quorum.Observer{Healed: func(_, node string) { t.Errorf("%s was healed", node) }}))
		claim, err := f.Acquire(t.Context(), key, "a", short)
		if err != nil {
			t.Fatal(err)
		}
		f.until(900 * ms)
		f.nodes[2].Wipe()
		return f, claim
	}
	const limit = 900*ms + sec - clock.Granularity
	check := func(t *testing.T, f *fleet, claim *quorum.Claim) {
		if err := claim.Extend(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.until(2500 * ms)
		heals := f.taps[2].asked(quorum.Heal)
		if len(heals) != 1 || heals[0].op.NotAfter != clock.Instant(limit) {
			t.Fatalf("heals are %+v, want one, with NotAfter %v: when the claim runs out", heals, limit)
		}
		if got := claim.Votes(); got != 0 {
			t.Errorf("Votes() = %d, want 0", got)
		}
	}
	t.Run("on the way there", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			f, claim := setup(t)
			f.taps[2].delayOnly(quorum.Heal, 1100*ms)
			check(t, f, claim)
			if got := f.taps[2].asked(quorum.Heal)[0].got.Verdict; got != quorum.Late {
				t.Errorf("the node answered %v, want late", got)
			}
			f.wantKept("- - -", "in the end")
		})
	})
	t.Run("on the way back", func(t *testing.T) {
		inBubble(t, func(t *testing.T) {
			f, claim := setup(t)
			f.taps[2].delayOnly(quorum.Heal, 900*ms)
			f.taps[2].delayAnswersOnly(quorum.Heal, 500*ms)
			check(t, f, claim)
			f.wantKept("- - a", "when the answer has come too late")
			if err := claim.Release(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			f.wantKept("- - -", "released")
		})
	})
}

// A value that is being released is not written again.
func TestNoHealAfterRelease(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3, withObserver(quorum.Observer{Healed: func(_, node string) { t.Errorf("%s was healed", node) }}))
		claim := f.acquire("a")
		f.until(sec)
		f.nodes[0].Wipe()
		f.nodes[2].Delay(0, 100*ms)
		extended := make(chan error, 1)
		go func() { extended <- claim.Extend(t.Context()) }()
		f.until(1050 * ms)
		released := make(chan error, 1)
		go func() { released <- claim.Release(t.Context(), 0) }()
		if err := <-released; err != nil {
			t.Errorf("Release = %v", err)
		}
		t.Logf("the extension that met the release: %v", <-extended)
		f.until(3 * sec)
		f.wantKept("- - -", "in the end")
		if got := f.taps[0].asked(quorum.Heal); len(got) > 0 {
			t.Errorf("the node that lost the key was asked to heal at %v", time.Duration(got[0].from))
		}
		f.wantSerial()
	})
}

// An extension after the release asks nobody.
func TestExtendAfterRelease(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3)
		claim := f.acquire("a")
		f.release(claim)
		synctest.Wait()
		err := claim.Extend(t.Context())
		if miss := wantMiss(t, nil, err); miss.Why != quorum.Silent || !strings.Contains(err.Error(), "the claim had ended") {
			t.Errorf("Extend = %v, want Silent, since the claim had ended", err)
		}
		for i, p := range f.taps {
			if got, want := p.kinds(), "acquire release"; got != want {
				t.Errorf("node %d was asked to %s, want %s", i+1, got, want)
			}
		}
	})
}

// A heal that was not answered may be carried out until its end: it is released again after that.
func TestUnansweredHealIsReleasedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3)
		claim := f.acquire("a")
		f.until(sec)
		f.nodes[2].Wipe()
		f.taps[2].set(func(p *tap) {
			p.answer = func(ctx context.Context, ops []quorum.Op) []quorum.Answer {
				if op := ops[0]; op.Kind == quorum.Heal { // lost now, carried out at the last moment
					time.AfterFunc(op.NotAfter.Add(100*ms).Sub(f.clock.Now()), func() { f.nodes[2].Put(key, op.Value, op.TTL) })
					return []quorum.Answer{{Err: errors.New("lost"), Slack: 100 * ms}}
				}
				return p.Node.Ask(ctx, ops)
			}
		})
		if err := claim.Extend(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		f.release(claim)
		f.until(3 * sec)
		f.wantKept("- - -", "in the end")
	})
}

// Several extensions of one claim at once: rounds take their turns on every node in the same order, so
// that none waits for another that waits for it, also where nodes have lost the key.
func TestConcurrentExtends(t *testing.T) {
	tests := map[string]struct {
		size      int
		wiped     []int
		suspended []int
		works     bool
	}{
		"all hold the key":             {3, nil, nil, true},
		"one of three lost it":         {3, []int{1}, nil, true},
		"two of three lost it":         {3, []int{1, 2}, nil, false},
		"all lost it":                  {3, []int{1, 2, 3}, nil, false},
		"two of five, and one is down": {5, []int{1, 3}, []int{2}, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			for range 50 {
				inBubble(t, func(t *testing.T) {
					f := newFleet(t, tc.size)
					claim := f.acquire("a")
					f.each((*memnode.Node).Cut, tc.suspended...)
					f.fail(claim)
					f.each((*memnode.Node).Wipe, tc.wiped...)
					for _, p := range f.taps { // to let the rounds meet where nodes are left out
						p.set(func(p *tap) { p.named = yield })
					}
					var all sync.WaitGroup
					for range 4 {
						all.Go(func() {
							if err := claim.Extend(t.Context()); (err == nil) != tc.works {
								t.Errorf("Extend = %v", err)
							}
						})
					}
					all.Wait()
					f.wantSerial()
				})
			}
		})
	}
}

func yield() {
	for range 100 {
		runtime.Gosched()
	}
}

// An extension does not queue behind one that hangs for longer than anybody waits.
func TestExtendBehindABusyNode(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3, withVotes(3))
		claim := f.acquire("a")
		f.nodes[1].Pause()
		first := make(chan error, 1)
		go func() { first <- claim.Extend(t.Context()) }()
		synctest.Wait()
		err := claim.Extend(t.Context())
		if miss := wantMiss(t, nil, err); len(miss.Nodes) != 1 ||
			miss.Nodes[0].Error() != "node mem-2: busy with an earlier request for 500ms: context deadline exceeded" {
			t.Errorf("second Extend = %v, want node mem-2 busy", err)
		}
		if f.now() != 500*ms {
			t.Errorf("second Extend returned at %v, want 500ms", f.now())
		}
		if err := <-first; err == nil {
			t.Error("first Extend = nil, want a miss")
		}
		if got, want := f.taps[1].kinds(), "acquire extend"; got != want {
			t.Errorf("the hung node was asked to %s, want %s", got, want)
		}
	})
}

// An extension that comes before its own node's acquire has been answered still comes after it.
func TestExtendNeverOvertakesTheAcquire(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3)
		f.taps[0].delayOnly(quorum.Acquire, 100*ms)
		claim := f.acquire("a")
		f.until(10 * ms)
		if err := claim.Extend(t.Context()); err != nil || f.now() != 10*ms {
			t.Errorf("Extend = %v at %v, want nil at once", err, f.now())
		}
		f.until(200 * ms)
		if got, want := f.taps[0].kinds(), "acquire extend"; got != want {
			t.Errorf("the slow node was asked to %s, want %s", got, want)
		}
		f.wantSerial()
	})
}

func TestResume(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3)
		f.acquire("a") // in another process
		f.until(sec)
		f.nodes[0].Wipe()
		claim, err := f.Resume(t.Context(), key, "a", 0, terms)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		wantValidUntil(t, claim, sec+validity, "resumed")
		f.wantKept("a a a", "resumed, and healed")
		if claim.Votes() != 3 || claim.Value() != "a" {
			t.Errorf("resumed %q with %d votes, want a with 3", claim.Value(), claim.Votes())
		}
		f.release(claim)
		synctest.Wait()
		f.wantKept("- - -", "released")
	})
}

func TestResumeMisses(t *testing.T) {
	tests := map[string]struct {
		fault func(f *fleet)
		why   quorum.Why
		kept  string
	}{
		"another holds it":         {func(f *fleet) { f.each(put("x", 0), 1, 2) }, quorum.Gone, "x x -"},
		"too few hold it":          {func(f *fleet) { f.each(put("a", 0), 2) }, quorum.Gone, "- a -"},
		"nobody holds it":          {func(*fleet) {}, quorum.Gone, "- - -"},
		"too few answer":           {func(f *fleet) { f.each(put("a", 0), 1); f.each((*memnode.Node).Cut, 2, 3) }, quorum.Silent, "a - -"},
		"two hold it, one is lost": {func(f *fleet) { f.each(put("a", 0), 1, 2); f.each((*memnode.Node).Cut, 2) }, quorum.Gone, "a a -"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				f := newFleet(t, 3)
				tc.fault(f)
				claim, err := f.Resume(t.Context(), key, "a", 0, terms)
				if miss := wantMiss(t, claim, err); miss.Why != tc.why {
					t.Errorf("Resume = %v, want a miss of kind %d", err, tc.why)
				}
				f.until(5 * sec)
				f.wantKept(tc.kept, "as they were")
			})
		})
	}
}

// A resumed claim that has been left behind is released on every node, whether it has said anything or
// not.
func TestResumedClaimIsReleasedEverywhere(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3)
		f.acquire("a")
		f.nodes[2].Cut()
		claim, err := f.Resume(t.Context(), key, "a", 0, terms)
		if err != nil {
			t.Fatal(err)
		}
		f.release(claim)
		f.nodes[2].Restore()
		f.until(3 * sec)
		f.wantKept("- - -", "in the end")
	})
}

// More votes than a majority are needed for a claim, not for healing: a node that is silent keeps its
// promise, and does not keep another from getting the key back.
func TestHealNeedsAMajorityOnly(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 5, withVotes(4))
		claim := f.acquire("a")
		f.until(sec)
		f.nodes[0].Wipe()
		f.nodes[1].Cut()
		if err := claim.Extend(t.Context()); err != nil {
			t.Errorf("Extend = %v, want nil: three nodes held, and a fourth was healed", err)
		}
		if got := f.now(); got != sec {
			t.Errorf("Extend took until %v, want 1s", got)
		}
		f.wantKept("a a a a a", "healed")
		wantValidUntil(t, claim, sec+validity, "healed")
		f.nodes[1].Restore()
	})
}

// A claim that was resumed too slowly is not handed out, and not taken away either.
func TestResumeTooSlowly(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3)
		f.acquire("a")
		f.each(func(n *memnode.Node) { n.Delay(0, 100*ms) }, 1, 2, 3)
		slow := quorum.Terms{TTL: 10 * sec, MinValidity: 9900 * ms, Timeout: 500 * ms}
		claim, err := f.Resume(t.Context(), key, "a", 0, slow)
		if miss := wantMiss(t, claim, err); miss.Why != quorum.Slow || miss.Left != 9898*ms {
			t.Errorf("Resume = %v, want Slow with 9.898s left", err)
		}
		f.until(sec)
		f.wantKept("a a a", "as they were")
	})
}
