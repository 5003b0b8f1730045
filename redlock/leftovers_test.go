package redlock

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/memnode"
)

// shared is a node that a Locker does not own.
type shared struct{ *memnode.Node }

func (shared) Close() error { return nil }

// lockers returns n Lockers over the same three nodes, on a virtual clock.
func lockers(t *testing.T, n int) (list []*Locker, nodes []*memnode.Node) {
	t.Helper()
	clk := clock.Process()
	for i := range 3 {
		nodes = append(nodes, memnode.New(fmt.Sprintf("mem-%d", i+1), clk))
	}
	for range n {
		var views []quorum.Node
		for _, node := range nodes {
			views = append(views, shared{node})
		}
		l, err := NewWithNodes(views, WithClock(clk))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		list = append(list, l)
	}
	return list, nodes
}

func TestNothingIsLeftOfAThousandNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list, nodes := lockers(t, 2)
		for _, node := range nodes {
			node.Delay(time.Millisecond, time.Millisecond)
		}
		var group sync.WaitGroup
		for i := range 1000 {
			name := fmt.Sprintf("job-%d", i)
			for call := range 5 {
				group.Go(func() {
					l := list[call%2]
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%50+1)*5*time.Millisecond)
					defer cancel()
					lease, err := l.Acquire(ctx, name)
					if err != nil {
						return
					}
					time.Sleep(3 * time.Millisecond)
					if err := lease.Release(t.Context()); err != nil {
						t.Errorf("Release: %v", err)
					}
				})
			}
		}
		group.Wait()
		time.Sleep(time.Second)
		for i, l := range list {
			if s := l.Stats(); s.Waiting != 0 || s.Held != 0 || s.Acquired < 500 {
				t.Errorf("Locker %d: %d wait, %d leases are held and %d were won", i, s.Waiting, s.Held, s.Acquired)
			}
			l.lines.courtesy.forget(l.clock.Now()) // as the next release does
			if n := len(l.lines.keys) + len(l.lines.courtesy.keys) + len(l.lines.courtesy.order) + len(l.turns.keys); n != 0 {
				t.Errorf("Locker %d keeps %d lines, %d and %d courtesies and %d turns", i, len(l.lines.keys),
					len(l.lines.courtesy.keys), len(l.lines.courtesy.order), len(l.turns.keys))
			}
		}
		for _, node := range nodes {
			if n := len(node.Keys()); n != 0 {
				t.Errorf("%s keeps %d keys", node.Name(), n)
			}
		}
	})
}

// Between a hand-over and its heir's waking the Locker may be closed.
func TestALockThatIsHandedToAClosingLockerIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list, nodes := lockers(t, 1)
		l := list[0]
		a, err := l.request(t.Context(), "job", nil)
		if err != nil {
			t.Fatal(err)
		}
		claim, err := l.engine.Acquire(t.Context(), "job", newValue("me"), a.terms())
		if err != nil {
			t.Fatal(err)
		}
		l.sched.close()
		if lease, err := l.inherit(t.Context(), l.newCall("job", a), claim); !errors.Is(err, ErrClosed) {
			t.Errorf("it made the lease %v, error %v", lease, err)
		}
		time.Sleep(time.Second)
		for _, node := range nodes {
			if n := len(node.Keys()); n != 0 {
				t.Errorf("%s keeps the key for nobody", node.Name())
			}
		}
	})
}

// A lock may be handed over so late that its heir cannot use it. It stands in line again.
func TestALockThatIsHandedOverTooLateIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list, nodes := lockers(t, 1)
		l := list[0]
		a, err := l.request(t.Context(), "job", nil)
		if err != nil {
			t.Fatal(err)
		}
		claim, err := l.engine.Acquire(t.Context(), "job", newValue("me"), a.terms())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(a.ttl * 3 / 4)
		if lease, err := l.inherit(t.Context(), l.newCall("job", a), claim); !errors.Is(err, errTooOld) {
			t.Errorf("it made the lease %v, error %v", lease, err)
		}
		time.Sleep(time.Millisecond)
		for _, node := range nodes {
			if n := len(node.Keys()); n != 0 {
				t.Errorf("%s keeps the key for nobody", node.Name())
			}
		}
	})
}

func TestCallsStandInLineAsTheyBegan(t *testing.T) {
	var l lines
	first := l.join("key", &call{started: 5})
	third, second := l.join("key", &call{started: 3}), l.join("key", &call{started: 2})
	if first.queued || !second.queued || !third.queued {
		t.Error("not exactly the first one was the first from the beginning")
	}
	for i, want := range []*spot{first, second, third} {
		if l.front("key") != want || !isFirst(want) {
			t.Errorf("number %d of the line is another", i+1)
		}
		l.leave(want, true)
	}
}

// A call may give up at the very moment at which it is given the lock. Then the next one has it at once.
func TestAnHeirThatLeavesInTheMomentOfTheHandOver(t *testing.T) {
	for _, lost := range []bool{false, true} {
		t.Run(fmt.Sprintf("announcements lost: %v", lost), func(t *testing.T) { leaveInTheMoment(t, lost) })
	}
}

func leaveInTheMoment(t *testing.T, lost bool) {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // who is woken does not run before the hand-over is complete
	synctest.Test(t, func(t *testing.T) {
		list, nodes := lockers(t, 1)
		for _, node := range nodes {
			node.LoseAnnouncements(lost)
		}
		l := list[0]
		lease, err := l.TryAcquire(t.Context(), "job")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		heir, next := make(chan error, 1), make(chan *Lease, 1)
		go func() {
			_, err := l.Acquire(ctx, "job")
			heir <- err
		}()
		synctest.Wait()
		go func() {
			lease, err := l.Acquire(t.Context(), "job")
			if err != nil {
				t.Errorf("Acquire: %v", err)
			}
			next <- lease
		}()
		time.Sleep(100 * time.Millisecond)
		s := lease.heir(l.clock.Now(), 0)
		start := time.Now()
		terms := lease.terms.terms()
		terms.Waiter = &quorum.Waiter{ID: l.id}
		lease.claim.HandOver(newValue("heir"), terms, func(claim *quorum.Claim, err error) bool {
			if s == nil || claim == nil || err != nil {
				t.Errorf("heir %v, claim %v, error %v", s, claim, err)
			}
			cancel()
			return l.lines.deliver(s, claim)
		})
		if err := <-heir; !errors.Is(err, context.Canceled) {
			t.Errorf("the heir: error %v, want that of its context", err)
		}
		second := <-next
		if took := time.Since(start); took > 50*time.Millisecond {
			t.Errorf("the next one has the lock after %v", took)
		}
		_ = second.Release(t.Context())
		synctest.Wait()
		for _, node := range nodes {
			if n := len(node.Keys()); n != 0 {
				t.Errorf("%s keeps the key for nobody", node.Name())
			}
		}
	})
}
