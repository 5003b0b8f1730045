package redlock_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/memnode"
	"github.com/quorumlock/quorumlock/redlock"
)

// A fleet is nodes in memory on one virtual clock, for tests in a bubble.
type fleet struct {
	t     *testing.T
	clock clock.Clock
	nodes []*memnode.Node
}

func newFleet(t *testing.T, n int) *fleet {
	f := &fleet{t: t, clock: clock.Process()}
	for i := range n {
		f.nodes = append(f.nodes, memnode.New(fmt.Sprintf("mem-%d", i+1), f.clock))
	}
	return f
}

// A view is one client's connections to the shared nodes: closing it leaves them running.
type view struct{ *memnode.Node }

func (view) Close() error { return nil }

// locker returns a client of the fleet, closed at the end of the test.
func (f *fleet) locker(opts ...redlock.Option) *redlock.Locker {
	f.t.Helper()
	nodes := make([]quorum.Node, len(f.nodes))
	for i, node := range f.nodes {
		nodes[i] = view{node}
	}
	l, err := redlock.NewWithNodes(nodes, append([]redlock.Option{redlock.WithClock(f.clock)}, opts...)...)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { f.close(l) })
	return l
}

func (f *fleet) close(l *redlock.Locker) {
	f.t.Helper()
	if err := l.Close(); err != nil {
		f.t.Errorf("Close: %v", err)
	}
}

// keys counts the nodes that have a key.
func (f *fleet) keys() int {
	n := 0
	for _, node := range f.nodes {
		n += min(len(node.Keys()), 1)
	}
	return n
}

// each does something to the first n nodes.
func (f *fleet) each(n int, do func(*memnode.Node)) {
	for _, node := range f.nodes[:n] {
		do(node)
	}
}

// inBubble runs a test on a fleet of five in virtual time.
func inBubble(t *testing.T, test func(t *testing.T, f *fleet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newFleet(t, 5)) })
}

func mustTry(t *testing.T, l *redlock.Locker, name string, opts ...redlock.AcquireOption) *redlock.Lease {
	t.Helper()
	lease, err := l.TryAcquire(t.Context(), name, opts...)
	if err != nil {
		t.Fatalf("TryAcquire(%q): %v", name, err)
	}
	return lease
}

func mustRelease(t *testing.T, lease *redlock.Lease) {
	t.Helper()
	if err := lease.Release(t.Context()); err != nil {
		t.Fatalf("Release: %v", err)
	}
}

func wantIs(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want one that is %v", what, err, want)
	}
}

// record collects what hooks tell, as lines.
type record struct {
	mu    sync.Mutex
	lines []string
}

func (r *record) add(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

func (r *record) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := r.lines
	r.lines = nil
	return lines
}

func (r *record) hooks() redlock.Hooks {
	return redlock.Hooks{
		Acquired: func(e redlock.AcquiredEvent) { r.add("acquired %s after %d attempts", e.Name, e.Attempts) },
		Held:     func(e redlock.HeldEvent) { r.add("held %s by %s", e.Name, e.Holder) },
		Split:    func(e redlock.SplitEvent) { r.add("split %s", e.Name) },
		Renewed:  func(e redlock.RenewedEvent) { r.add("renewed %s", e.Name) },
		Jeopardy: func(e redlock.JeopardyEvent) { r.add("jeopardy %s", e.Name) },
		Lost:     func(e redlock.LostEvent) { r.add("lost %s", e.Name) },
		Released: func(e redlock.ReleasedEvent) { r.add("released %s %v", e.Name, e.Err) },
		Healed:   func(e redlock.HealedEvent) { r.add("healed %s on %s", e.Name, e.Node) },
		NodeDown: func(e redlock.NodeEvent) { r.add("down %s", e.Node) },
		NodeUp:   func(e redlock.NodeEvent) { r.add("up %s", e.Node) },
	}
}

// sleep passes virtual time.
func sleep(d time.Duration) { <-time.After(d) }

// ended waits until ctx has ended and returns its cause.
func ended(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}
