package redlock_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/memnode"
	"github.com/quorumlock/quorumlock/redlock"
)

// trip is a round trip to the nodes of a waiting room.
const trip = time.Millisecond

// A waitingRoom is a fleet of five whose nodes are a round trip away, which counts what is asked and knows when
// a key was free on a node.
type waitingRoom struct {
	*fleet
	asked atomic.Int64 // operations, on all nodes

	mu    sync.Mutex
	freed int // times that a node's key was removed
}

// inWaitingRoom runs a test in one, in virtual time.
func inWaitingRoom(t *testing.T, test func(t *testing.T, f *waitingRoom)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &waitingRoom{fleet: &fleet{t: t, clock: clock.Process()}}
		for i := range 5 {
			f.nodes = append(f.nodes, memnode.New(fmt.Sprintf("mem-%d", i+1), f.clock, memnode.WithAudit(f.audit)))
		}
		f.each(5, func(n *memnode.Node) { n.Delay(trip/2, trip/2) })
		test(t, f)
	})
}

func (f *waitingRoom) audit(c memnode.Change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.After == "" {
		f.freed++
	}
}

// removals returns how often a node's key was removed since it was asked last.
func (f *waitingRoom) removals() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.freed
	f.freed = 0
	return n
}

// asks returns how many operations the nodes were asked for since it was asked last.
func (f *waitingRoom) asks() int { return int(f.asked.Swap(0)) }

// A counted view counts operations.
type counted struct {
	view
	asked *atomic.Int64
}

func (c counted) Ask(ctx context.Context, batch []quorum.Op) []quorum.Answer {
	c.asked.Add(int64(len(batch)))
	return c.view.Ask(ctx, batch)
}

// mute is a node that announces nothing.
type mute struct{ quorum.Node }

// silent is a node that would announce, but lets nobody listen.
type silent struct{ quorum.Node }

func (silent) Announcements(string, func(quorum.Announcement)) (stop func()) { return func() {} }

// locker returns a client of the room. as changes how it sees a node.
func (f *waitingRoom) seen(as func(quorum.Node) quorum.Node, opts ...redlock.Option) *redlock.Locker {
	f.t.Helper()
	nodes := make([]quorum.Node, len(f.nodes))
	for i, node := range f.nodes {
		nodes[i] = as(counted{view{node}, &f.asked})
	}
	l, err := redlock.NewWithNodes(nodes, append([]redlock.Option{redlock.WithClock(f.clock)}, opts...)...)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { f.close(l) })
	return l
}

func (f *waitingRoom) locker(opts ...redlock.Option) *redlock.Locker {
	f.t.Helper()
	return f.seen(func(n quorum.Node) quorum.Node { return n }, opts...)
}

// home is the node whose word on a key counts for most.
func (f *waitingRoom) home(key string) *memnode.Node {
	f.t.Helper()
	nodes := make([]quorum.Node, len(f.nodes))
	for i, node := range f.nodes {
		nodes[i] = view{node}
	}
	e, err := quorum.NewEngine(nodes, quorum.Config{Clock: f.clock})
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	for i, node := range f.nodes {
		if e.Rank(key, i) == 0 {
			return node
		}
	}
	f.t.Fatal("no node is the home")
	return nil
}

func (f *waitingRoom) loseAnnouncements() {
	f.each(5, func(n *memnode.Node) { n.LoseAnnouncements(true) })
}

// An arrival is the outcome of a call that waited.
type arrival struct {
	lease *redlock.Lease
	err   error
	at    time.Time
}

// waits starts a call that waits for a lock, and returns when it does.
func waits(ctx context.Context, l *redlock.Locker, name string, opts ...redlock.AcquireOption) <-chan arrival {
	done := make(chan arrival, 1)
	go func() {
		lease, err := l.Acquire(ctx, name, opts...)
		done <- arrival{lease, err, time.Now()}
	}()
	sleep(5 * trip)
	return done
}

// takes demands that the call has the lock within d of since.
func takes(t *testing.T, what string, call <-chan arrival, since time.Time, d time.Duration) *redlock.Lease {
	t.Helper()
	a := <-call
	if a.err != nil {
		t.Fatalf("%s: %v", what, a.err)
	}
	if took := a.at.Sub(since); took > d {
		t.Errorf("%s: the lock was taken after %v, want %v at most", what, took, d)
	}
	return a.lease
}

// gone demands that nothing is left on the nodes.
func (f *waitingRoom) gone() {
	f.t.Helper()
	sleep(time.Second)
	if n := f.keys(); n != 0 {
		f.t.Errorf("%d nodes still have a key", n)
	}
}
