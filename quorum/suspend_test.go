package quorum_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/memnode"
)

// A journal is an observer that writes down which nodes go down and come up.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

func (j *journal) observer() quorum.Observer {
	return quorum.Observer{
		Down: func(node string, err error) { j.add("%s down: %v", node, err) },
		Up:   func(node string) { j.add("%s up", node) },
	}
}

func (j *journal) want(t *testing.T, lines ...string) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	if got, want := strings.Join(j.lines, "\n"), strings.Join(lines, "\n"); got != want {
		t.Errorf("the observer was told:\n%s\nwant:\n%s", got, want)
	}
}

// fail makes operations fail on the nodes that are down, until their breakers have opened, at this moment.
func (f *fleet) fail(claim *quorum.Claim) {
	f.t.Helper()
	for range 3 {
		next := f.now() + terms.Timeout
		_ = claim.Extend(f.t.Context())
		f.until(next)
	}
}

// A node that has failed to answer three times in a row is left alone, until its pause is over; an
// answer brings it back.
func TestHungNodeIsSuspended(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var j journal
		f := newFleet(t, 3, withObserver(j.observer()))
		claim := f.acquire("a")
		f.nodes[2].Cut()
		f.fail(claim)
		const down = "mem-3 down: node mem-3: context deadline exceeded"
		j.want(t, down)
		asks := len(f.taps[2].asked())

		for range 5 { // within the pause of 100ms
			if err := claim.Extend(t.Context()); err != nil {
				t.Fatal(err)
			}
			f.until(f.now() + 19*ms)
		}
		if got := len(f.taps[2].asked()); got != asks {
			t.Errorf("the suspended node was asked %d times", got-asks)
		}

		f.until(f.now() + 5*ms)
		for range 5 { // one of them tries it out
			if err := claim.Extend(t.Context()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if got := len(f.taps[2].asked()) - asks; got != 1 {
			t.Errorf("after its pause the node was asked %d times at once, want once", got)
		}

		f.nodes[2].Restore()
		f.until(f.now() + 2*sec)
		if err := claim.Extend(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		j.want(t, down, "mem-3 up")
		f.until(f.now() + ms)
		before := len(f.taps[2].asked())
		_ = claim.Extend(t.Context())
		synctest.Wait()
		if got := len(f.taps[2].asked()) - before; got != 1 {
			t.Errorf("the node that is back was asked %d times, want once", got)
		}
	})
}

// If too few nodes are left, all are asked: a wrong guess would deny the lock.
func TestAllAreAskedIfTooFewAreLeft(t *testing.T) {
	tests := map[string]struct {
		size, votes int
		down        []int
		asked       bool // while they are suspended
	}{
		"one of three":                      {3, 0, []int{3}, false},
		"two of three":                      {3, 0, []int{2, 3}, true},
		"two of five":                       {5, 0, []int{1, 2}, false},
		"two of five, where four are due":   {5, 4, []int{1, 2}, true},
		"one of three, where all are due":   {3, 3, []int{3}, true},
		"the only one":                      {1, 0, []int{1}, true},
		"one of five, where four are due":   {5, 4, []int{5}, false},
		"three of five, two more than that": {5, 0, []int{1, 3, 5}, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				f := newFleet(t, tc.size, withVotes(tc.votes))
				claim := f.acquire("a")
				f.each((*memnode.Node).Cut, tc.down...)
				f.fail(claim)
				f.each((*memnode.Node).Restore, tc.down...)
				err := claim.Extend(t.Context())
				synctest.Wait()
				if err != nil {
					t.Errorf("Extend = %v, though all nodes are well", err)
				}
				for _, i := range tc.down {
					asks := f.taps[i-1].asked(quorum.Extend)
					last := asks[len(asks)-1].from
					if got := last == f.clock.Now(); got != tc.asked {
						t.Errorf("node %d was asked = %v, want %v", i, got, tc.asked)
					}
				}
			})
		})
	}
}

// A server that answers with an error of its own is there: it is asked on.
func TestErrorsWithACodeAreAnswers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var j journal
		f := newFleet(t, 3, withObserver(j.observer()))
		claim := f.acquire("a")
		f.nodes[2].Refuse(&quorum.NodeError{Node: "mem-3", Code: "LOADING", Err: errors.New("loading the data set")})
		for range 10 {
			if err := claim.Extend(t.Context()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if got := len(f.taps[2].asked(quorum.Extend)); got != 10 {
			t.Errorf("the loading node was asked %d times of 10", got)
		}
		j.want(t)
	})
}

// A failure that comes at once is silence as well: nobody listens there.
func TestRefusedConnectionsSuspend(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var j journal
		f := newFleet(t, 3, withObserver(j.observer()))
		claim := f.acquire("a")
		f.nodes[0].Refuse(errors.New("connection refused"))
		for range 10 {
			_ = claim.Extend(t.Context())
			synctest.Wait()
		}
		if got := len(f.taps[0].asked(quorum.Extend)); got != 3 {
			t.Errorf("the node that refuses was asked %d times, want 3", got)
		}
		j.want(t, "mem-1 down: node mem-1: connection refused")
	})
}

// Every failure names its node and its reason, also that of a node that was not asked.
func TestMissesNameEachNodesReason(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 5, withVotes(3))
		claim := f.acquire("a")
		f.each((*memnode.Node).Cut, 1, 2)
		f.fail(claim)
		f.nodes[3].Refuse(&quorum.NodeError{Node: "mem-4", Code: "NOAUTH", Permanent: true, Err: errors.New("NOAUTH authentication required")})
		f.nodes[4].Delay(0, ms) // so that the others have spoken
		miss := f.missed("b", terms)
		want := "3 of 5 nodes have failed to answer, and 3 are needed" +
			"; node mem-1: not asked, since it has stopped answering: context deadline exceeded" +
			"; node mem-2: not asked, since it has stopped answering: context deadline exceeded" +
			"; node mem-4: NOAUTH authentication required"
		if got := miss.Error(); got != want {
			t.Errorf("missed with %q, want %q", got, want)
		}
		if !errors.Is(miss, quorum.ErrSuspended) {
			t.Errorf("the miss is not ErrSuspended to errors.Is: %v", miss)
		}
		var node *quorum.NodeError
		if !errors.As(miss, &node) || node.Node != "mem-1" {
			t.Errorf("errors.As gives %v, want the first node's failure", node)
		}
		if miss.Permanent() {
			t.Error("Permanent() = true for one of five nodes")
		}
	})
}

// The observer may be left out, wholly or in part.
func TestNoObserver(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3)
		claim := f.acquire("a")
		f.nodes[2].Cut()
		f.fail(claim)
		f.nodes[2].Restore()
		f.nodes[2].Wipe()
		f.until(f.now() + 2*sec)
		if err := claim.Extend(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		f.wantKept("a a a", "up and healed")
	})
}

// A node that is suspended still gets its releases, in the background.
func TestReleasesReachSuspendedNodes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3)
		claim := f.acquire("a")
		f.nodes[2].Cut()
		f.fail(claim)
		f.nodes[2].Restore()
		f.release(claim)
		synctest.Wait()
		f.wantKept("- - -", "released")
	})
}

// Releases that have nothing to do on a suspended node do not use up its trials: a caller that gets the
// lock again right after each release would never learn that the node is back.
func TestReleasesOfOthersLeaveTheTrialAlone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var j journal
		f := newFleet(t, 3, withObserver(j.observer()))
		claim := f.acquire("a")
		f.nodes[2].Cut()
		f.fail(claim)
		f.release(claim)
		f.until(20 * sec)
		if _, err := f.Inspect(t.Context(), key, 500*ms); err != nil { // one more failure: a pause of a second
			t.Fatal(err)
		}
		f.nodes[2].Restore()
		claim = f.acquire("b")
		for i := range 10 {
			f.until(f.now() + 2*sec)
			f.release(claim)
			claim = f.acquire(fmt.Sprint("c", i))
		}
		j.want(t, "mem-3 down: node mem-3: context deadline exceeded", "mem-3 up")
	})
}

// A node that lets operations pile up is not asked for more, though none of them has failed yet.
func TestStalledNodeIsNotAsked(t *testing.T) {
	acquire := func(f *fleet, i int) (asked bool) {
		f.t.Helper()
		before := len(f.taps[2].asked(quorum.Acquire))
		if _, err := f.Acquire(f.t.Context(), fmt.Sprint("job:", i), "a", terms); err != nil {
			f.t.Fatal(err)
		}
		synctest.Wait()
		return len(f.taps[2].asked(quorum.Acquire)) > before
	}
	type look struct {
		at    time.Duration
		asked bool
	}
	tests := map[string]struct {
		underWay int
		change   func(f *fleet) // at 30ms
		looks    []look
	}{
		"a few that wait are no pile":       {7, nil, []look{{201 * ms, true}}},
		"a pile has to be of some age":      {8, nil, []look{{200 * ms, true}}},
		"then the node is left alone":       {8, nil, []look{{200*ms + 1, false}, {499 * ms, false}}},
		"their failures suspend it":         {8, nil, []look{{501 * ms, false}, {1500 * ms, true}}},
		"an answer to one of them will do":  {8, func(f *fleet) { f.nodes[2].DropReplies(7); f.nodes[2].Resume() }, []look{{80 * ms, true}}},
		"an answer makes the pile younger":  {20, func(f *fleet) { f.nodes[2].DropReplies(10); f.nodes[2].Resume(); f.nodes[2].Pause() }, []look{{80 * ms, true}}},
		"where two do it, all are asked on": {8, nil, nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				var j journal
				f := newFleet(t, 3, withObserver(j.observer()))
				f.nodes[2].Pause()
				if tc.looks == nil {
					f.nodes[1].Pause()
					for range tc.underWay + 1 {
						go func() { _, _ = f.Acquire(t.Context(), key, "a", terms) }()
					}
					f.until(260 * ms)
					go func() { _, _ = f.Acquire(t.Context(), key, "b", terms) }()
					synctest.Wait()
					if got, want := len(f.taps[2].asked(quorum.Acquire)), tc.underWay+2; got != want {
						t.Errorf("the node was asked %d times of %d", got, want)
					}
					return
				}
				for i := range tc.underWay {
					acquire(f, i)
				}
				if tc.change != nil {
					f.until(30 * ms)
					tc.change(f)
				}
				for i, l := range tc.looks {
					f.until(l.at)
					if l.at < terms.Timeout {
						j.want(t) // it is no verdict
					}
					if got := acquire(f, 100+i); got != l.asked {
						t.Errorf("with %d under way, at %v the node was asked = %v, want %v", tc.underWay, l.at, got, l.asked)
					}
				}
			})
		})
	}
}

// Callers that leave say nothing about the nodes, which may be on their way to answer.
func TestCallersThatLeaveDoNotCountAgainstNodes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var j journal
		f := newFleet(t, 3, withObserver(j.observer()))
		f.each(func(n *memnode.Node) { n.Delay(50*ms, 50*ms) }, 1, 2, 3)
		calls := map[string]func(ctx context.Context) error{
			"Acquire": func(ctx context.Context) error { _, err := f.Acquire(ctx, key, "a", terms); return err },
			"Resume":  func(ctx context.Context) error { _, err := f.Resume(ctx, key, "a", 0, terms); return err },
			"Inspect": func(ctx context.Context) error { _, err := f.Inspect(ctx, key, terms.Timeout); return err },
		}
		for name, call := range calls {
			for range 4 {
				ctx, cancel := context.WithTimeout(t.Context(), 10*ms)
				if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s = %v, want the context's error", name, err)
				}
				cancel()
			}
		}
		f.until(2 * sec)
		j.want(t)
		for i, p := range f.taps {
			for _, a := range p.asked() {
				if !a.got.Answered() {
					t.Errorf("node %d: the %v sent at %v was abandoned at %v", i+1, a.op.Kind, time.Duration(a.from), time.Duration(a.to))
				}
			}
		}
	})
}

// A node that is not asked says why it fails now, not why it failed long ago.
func TestOldFailuresExplainNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 5, withVotes(3))
		claim := f.acquire("a")
		f.each(func(n *memnode.Node) { n.Refuse(errors.New("refused")) }, 1)
		_ = claim.Extend(t.Context())
		synctest.Wait()
		f.each(func(n *memnode.Node) { n.Refuse(nil) }, 1)
		_ = claim.Extend(t.Context())
		synctest.Wait()

		f.nodes[0].Pause()
		for i := range 8 {
			if _, err := f.Acquire(t.Context(), fmt.Sprint("job:", i), "a", terms); err != nil {
				t.Fatal(err)
			}
		}
		f.until(260 * ms)
		f.each(func(n *memnode.Node) { n.Refuse(errors.New("no")) }, 2, 3)
		miss := f.missed("b", terms)
		if got, want := miss.Nodes[0].Error(), "node mem-1: not asked, since it has stopped answering"; got != want {
			t.Errorf("the stalled node's failure is %q, want %q", got, want)
		}
	})
}
