package quorum_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/memnode"
	"github.com/quorumlock/quorumlock/quorum/quorumtest"
)

func TestNewEngine(t *testing.T) {
	clk := clock.Process()
	nodes := func(names ...string) []quorum.Node {
		var list []quorum.Node
		for _, name := range names {
			list = append(list, memnode.New(name, clk))
		}
		return list
	}
	tests := map[string]struct {
		nodes []quorum.Node
		cfg   quorum.Config
		need  int
		errs  []string // parts of the error
	}{
		"a majority by default":   {nodes("a", "b", "c"), quorum.Config{Clock: clk}, 2, nil},
		"of five":                 {nodes("a", "b", "c", "d", "e"), quorum.Config{Clock: clk}, 3, nil},
		"of an even number":       {nodes("a", "b"), quorum.Config{Clock: clk}, 2, nil},
		"of one":                  {nodes("a"), quorum.Config{Clock: clk}, 1, nil},
		"more than a majority":    {nodes("a", "b", "c"), quorum.Config{Clock: clk, Votes: 3}, 3, nil},
		"fewer than a majority":   {nodes("a", "b", "c", "d"), quorum.Config{Clock: clk, Votes: 2}, 0, []string{"2 votes are not from a majority, 3, to all, 4"}},
		"more than all":           {nodes("a"), quorum.Config{Clock: clk, Votes: 2}, 0, []string{"2 votes are not from a majority, 1, to all, 1"}},
		"votes below zero":        {nodes("a"), quorum.Config{Clock: clk, Votes: -1}, 0, []string{"-1 votes"}},
		"no nodes":                {nil, quorum.Config{Clock: clk}, 0, []string{"no nodes"}},
		"no clock":                {nodes("a"), quorum.Config{}, 0, []string{"no clock"}},
		"a nil node":              {append(nodes("a"), nil), quorum.Config{Clock: clk}, 0, []string{"node 2 of 2 is nil"}},
		"a node twice":            {nodes("a", "b", "a"), quorum.Config{Clock: clk}, 0, []string{"node a is listed twice"}},
		"a drift that is no rate": {nodes("a"), quorum.Config{Clock: clk, Drift: clock.Drift{Rate: math.NaN()}}, 0, []string{"drift rate NaN"}},
		"everything at once": {
			nodes("a", "a"),
			quorum.Config{Votes: 7, Drift: clock.Drift{Step: -1}},
			0,
			[]string{"node a is listed twice", "7 votes", "no clock", "drift step"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			e, err := quorum.NewEngine(tc.nodes, tc.cfg)
			if len(tc.errs) == 0 {
				if err != nil {
					t.Fatalf("NewEngine = %v", err)
				}
				defer e.Close()
				if e.Size() != len(tc.nodes) || e.Need() != tc.need {
					t.Errorf("engine needs %d of %d, want %d of %d", e.Need(), e.Size(), tc.need, len(tc.nodes))
				}
				return
			}
			if err == nil {
				t.Fatal("NewEngine = nil, want an error")
			}
			for _, want := range tc.errs {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("NewEngine = %q, want it to contain %q", err, want)
				}
			}
		})
	}
}

func TestTermsLifetime(t *testing.T) {
	if got := (quorum.Terms{TTL: 3 * sec, Grace: 2 * sec}).Lifetime(); got != 5*sec {
		t.Errorf("Lifetime of 3s with a grace of 2s = %v, want 5s", got)
	}
}

func TestInspect(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 4)
		f.each(put("x", time.Hour), 1)
		f.each(put("y", 0), 2)
		f.each((*memnode.Node).Cut, 4)
		answers, err := f.Inspect(t.Context(), key, 300*ms)
		if err != nil || f.now() != 300*ms {
			t.Errorf("Inspect = %v at %v, want nil at 300ms", err, f.now())
		}
		var got []string
		for _, a := range answers {
			got = append(got, fmt.Sprintf("%s %v %q %v %v", a.Node, a.Verdict, a.Holder, a.Remaining == quorum.NoExpiry, a.Err))
		}
		want := []string{
			`mem-1 other "x" false <nil>`,
			`mem-2 other "y" true <nil>`,
			`mem-3 free "" false <nil>`,
			`mem-4 failed "" false context deadline exceeded`,
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("answers are %q, want %q", got, want)
		}
		f.wantKept("x y - -", "looked at")
	})
}

// Whoever leaves gets what has come until then.
func TestInspectCanBeLeft(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3)
		f.nodes[1].Pause()
		ctx, cancel := context.WithTimeout(t.Context(), 100*ms)
		defer cancel()
		answers, err := f.Inspect(ctx, key, 300*ms)
		if !errors.Is(err, context.DeadlineExceeded) || f.now() != 100*ms {
			t.Errorf("Inspect = %v at %v, want the context's error at 100ms", err, f.now())
		}
		if answers[0].Verdict != quorum.Free || answers[1].Answered() || answers[1].Node != "mem-2" || answers[2].Verdict != quorum.Free {
			t.Errorf("answers are %+v, want those of mem-1 and mem-3", answers)
		}
	})
}

// Reach returns when a majority has answered, or all have failed to.
func TestReach(t *testing.T) {
	tests := map[string]struct {
		fault func(f *fleet)
		took  time.Duration
	}{
		"healthy nodes":  {func(*fleet) {}, 0},
		"one hangs":      {func(f *fleet) { f.each((*memnode.Node).Pause, 2) }, 0},
		"two are slow":   {func(f *fleet) { f.each(func(n *memnode.Node) { n.Delay(0, 50*ms) }, 1, 2) }, 50 * ms},
		"two are cut":    {func(f *fleet) { f.each((*memnode.Node).Cut, 1, 2) }, 300 * ms},
		"all refuse":     {func(f *fleet) { f.each(func(n *memnode.Node) { n.Refuse(errors.New("no")) }, 1, 2, 3) }, 0},
		"they are taken": {func(f *fleet) { f.each(put("x", 0), 1, 2, 3) }, 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				f := newFleet(t, 3)
				tc.fault(f)
				before := f.kept()
				if err := f.Reach(t.Context(), 300*ms); err != nil || f.now() != tc.took {
					t.Errorf("Reach = %v at %v, want nil at %v", err, f.now(), tc.took)
				}
				f.wantKept(before, "reached")
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				f.each((*memnode.Node).Cut, 1, 2, 3)
				if err := f.Reach(ctx, 300*ms); !errors.Is(err, context.Canceled) {
					t.Errorf("Reach = %v, want the context's error", err)
				}
			})
		})
	}
}

// A slow round of a claim does not make the engine's hint about waiting worse for having been left.
func TestLeftRoundsDoNotCountAsLatency(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 1)
		f.nodes[0].Pause()
		ctx, cancel := context.WithTimeout(t.Context(), 100*ms)
		defer cancel()
		if _, err := f.Acquire(ctx, key, "a", terms); err == nil {
			t.Fatal("Acquire = nil")
		}
		if got := f.Latency(); got != 0 {
			t.Errorf("Latency() = %v before the first decision, want 0", got)
		}
	})
}

// Close ends every call under way, undoes what they leave, joins what runs, and closes each node once.
func TestClose(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3)
		held, err := f.Acquire(t.Context(), "held", "h", terms)
		if err != nil {
			t.Fatal(err)
		}
		loose, err := f.Acquire(t.Context(), "loose", "l", terms)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		f.each(func(n *memnode.Node) { n.Delay(100*ms, 100*ms) }, 1, 2, 3)

		calls := map[string]func() error{
			"Acquire": func() error { _, err := f.Acquire(t.Context(), key, "a", terms); return err },
			"Extend":  func() error { return held.Extend(t.Context()) },
			"Release": func() error { return loose.Release(t.Context(), 0) },
			"Inspect": func() error { _, err := f.Inspect(t.Context(), key, sec); return err },
			"Reach":   func() error { return f.Reach(t.Context(), sec) },
			"Resume":  func() error { _, err := f.Resume(t.Context(), "held", "h", 0, terms); return err },
		}
		var ended sync.WaitGroup
		for name, call := range calls {
			ended.Go(func() {
				if err := call(); !errors.Is(err, quorum.ErrClosed) {
					t.Errorf("%s = %v during Close, want ErrClosed", name, err)
				}
				if got := f.now(); got != 50*ms {
					t.Errorf("%s returned at %v, want 50ms: the time of Close", name, got)
				}
			})
		}
		f.until(50 * ms)
		if err := f.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
		ended.Wait()
		if got := f.now(); got != 400*ms {
			t.Errorf("Close returned at %v, want 400ms: the acquire's answer and its release", got)
		}
		for i, p := range f.taps {
			if p.closes != 1 {
				t.Errorf("node %d was closed %d times", i+1, p.closes)
			}
			if got := fmt.Sprint(f.nodes[i].Keys()); !strings.Contains(got, "held") || strings.Contains(got, "loose") || strings.Contains(got, key) {
				t.Errorf("node %d keeps %s, want what is held, and nothing else", i+1, got)
			}
		}
		for name, call := range calls {
			if err := call(); !errors.Is(err, quorum.ErrClosed) {
				t.Errorf("%s = %v after Close, want ErrClosed", name, err)
			}
		}
		f.wantSerial()
	})
}

// However many call it, the engine is closed once, and all wait for that.
func TestCloseIsSharedAndDoneOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3)
		f.nodes[0].Pause()
		_ = f.acquire("a")
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if err := f.Close(); err != nil {
					t.Errorf("Close = %v", err)
				}
				if got := f.now(); got != 500*ms {
					t.Errorf("Close returned at %v, want 500ms: the hung node's timeout", got)
				}
			})
		}
		all.Wait()
		if err := f.Close(); err != nil {
			t.Errorf("Close, once more, = %v", err)
		}
		if got := f.taps[0].closes; got != 1 {
			t.Errorf("the node was closed %d times", got)
		}
	})
}

func TestCloseTellsWhichNodesFail(t *testing.T) {
	clk := clock.Process()
	e, err := quorum.NewEngine([]quorum.Node{
		badCloser{memnode.New("mem-1", clk)}, memnode.New("mem-2", clk), badCloser{memnode.New("mem-3", clk)},
	}, quorum.Config{Clock: clk})
	if err != nil {
		t.Fatal(err)
	}
	err = e.Close()
	if err == nil || err.Error() != "node mem-1: stuck\nnode mem-3: stuck" {
		t.Errorf("Close = %v, want both nodes' errors", err)
	}
}

type badCloser struct{ *memnode.Node }

func (c badCloser) Close() error { return errors.New("stuck") }

// Whatever the nodes do, Close takes a few timeouts at most, and tries each undo that is still due.
func TestCloseWaitsForUndosThatAreDue(t *testing.T) {
	tests := map[string]struct {
		fault func(f *fleet)
		most  time.Duration
		kept  string
	}{
		"lost answers are undone twice": {
			func(f *fleet) { f.each(func(n *memnode.Node) { n.DropReplies(1) }, 1, 2, 3) },
			600 * ms, "- - -",
		},
		"nodes that stay away are given up": {
			func(f *fleet) { f.each((*memnode.Node).Cut, 1, 2, 3) },
			1600 * ms, "- - -",
		},
		"answers that never come in time": {
			func(f *fleet) { f.each(func(n *memnode.Node) { n.Delay(0, time.Minute) }, 1, 2, 3) },
			1600 * ms, "- - -",
		},
		"one is gone for ever": {
			func(f *fleet) { f.each((*memnode.Node).Cut, 2) },
			1600 * ms, "a - a", // it was won before Close
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				f := newFleet(t, 3)
				tc.fault(f)
				go func() { _, _ = f.Acquire(t.Context(), key, "a", terms) }()
				f.until(10 * ms)
				if err := f.Close(); err != nil {
					t.Errorf("Close = %v", err)
				}
				if got := f.now() - 10*ms; got > tc.most {
					t.Errorf("Close took %v, want no more than %v", got, tc.most)
				}
				f.wantKept(tc.kept, "after Close")
			})
		})
	}
}

// An undo that is waiting for its time is done before Close returns, and no second time.
func TestCloseHastensNoUndo(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newProcrastinators(t, 3, 300*ms)
		_, _ = f.Acquire(t.Context(), key, "a", terms)
		time.Sleep(100 * ms)
		if err := f.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
		if got := f.now(); got != 800*ms+1 {
			t.Errorf("Close returned at %v, want just after 800ms: until then the nodes may write", got)
		}
		f.wantKept("- - -", "after Close")
	})
}

// Undos that have been tried in vain are dropped by Close.
func TestCloseDropsUndosThatWereTried(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3)
		claim := f.acquire("a")
		f.nodes[1].Refuse(errors.New("refused"))
		f.release(claim)
		f.until(3 * sec)
		asks := len(f.taps[1].asked())
		if err := f.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
		if f.now() != 3*sec || len(f.taps[1].asked()) != asks {
			t.Errorf("Close took until %v and asked %d more times, want neither", f.now(), len(f.taps[1].asked())-asks)
		}
	})
}

// Calls and Close may meet in any order.
func TestCloseAmidCalls(t *testing.T) {
	for range 100 {
		inBubble(t, func(t *testing.T) {
			f := newFleet(t, 3)
			var all sync.WaitGroup
			for i := range 6 {
				all.Go(func() {
					for j := range 5 {
						claim, err := f.Acquire(t.Context(), fmt.Sprint(key, i), fmt.Sprint(j), terms)
						if err == nil {
							_ = claim.Extend(t.Context())
							err = claim.Release(t.Context(), 0)
						}
						if err != nil && !errors.Is(err, quorum.ErrClosed) {
							t.Errorf("a call = %v, want nil or ErrClosed", err)
						}
					}
				})
			}
			if err := f.Close(); err != nil {
				t.Errorf("Close = %v", err)
			}
			all.Wait()
		})
	}
}

// In real time, too, nothing is left running.
func TestCloseJoinsEverything(t *testing.T) {
	quorumtest.NoLeaks(t)
	clk := clock.System()
	nodes := []*memnode.Node{memnode.New("mem-1", clk), memnode.New("mem-2", clk), memnode.New("mem-3", clk)}
	e, err := quorum.NewEngine([]quorum.Node{nodes[0], nodes[1], nodes[2]}, quorum.Config{Clock: clk})
	if err != nil {
		t.Fatal(err)
	}
	quick := quorum.Terms{TTL: sec, Timeout: 20 * ms}
	nodes[2].Pause()
	claim, err := e.Acquire(t.Context(), key, "a", quick)
	if err != nil {
		t.Fatal(err)
	}
	var extended atomic.Bool
	go func() {
		_ = claim.Extend(context.Background())
		extended.Store(true)
	}()
	if err := claim.Release(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}
