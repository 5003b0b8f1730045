//go:build unix

package redlock_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/redlock"
)

// A crowd is callers that wait for many names, of two clients, half of each name's callers with each.
type crowd struct {
	lockers        [2]*redlock.Locker
	names, callers int
	hold, ttl      time.Duration
	stop           chan struct{} // closed when everybody is to go home with the lock that it waits for

	holders   []atomic.Int32 // by name
	served    []atomic.Int64 // by name
	overlaps  atomic.Int64
	longest   atomic.Int64 // wait, in nanoseconds
	cut, lost atomic.Int64 // calls that hung, leases that were lost
}

// bound is how long a call of a crowd can wait if nothing hangs and all together had so many turns in d: the order is
// not strict, so five times the fair share, that of all callers' turns; and whenever a node stops or restarts, what
// it keeps may last for a TTL, and what it announces be lost for a poll.
func (c *crowd) bound(d time.Duration, turns int64) time.Duration {
	share := time.Duration(float64(c.names*c.callers) * float64(d) / float64(max(turns, 1)))
	return 5*share + 2*(c.ttl+pollCapOf(c.ttl))
}

// wait lets one caller take the lock of a name again and again, and gives up after limit.
func (c *crowd) wait(ctx context.Context, t *testing.T, name, caller int, limit time.Duration) {
	l := c.lockers[caller%len(c.lockers)]
	for {
		select {
		case <-c.stop:
			return
		default:
		}
		asked := time.Now()
		within, cancel := context.WithTimeout(ctx, limit)
		lease, err := l.Acquire(within, fmt.Sprint("crowd-", name))
		cancel()
		waited := int64(time.Since(asked))
		for longest := c.longest.Load(); waited > longest && !c.longest.CompareAndSwap(longest, waited); {
			longest = c.longest.Load()
		}
		if err != nil {
			if c.cut.Add(1) <= 3 {
				t.Errorf("name %d, caller %d, waited %v: %v", name, caller, time.Since(asked), err)
			}
			continue
		}
		c.served[name].Add(1)
		c.use(ctx, lease, name)
	}
}

// use holds a lease, and counts who else does. One that was lost while it was held proves nothing.
func (c *crowd) use(ctx context.Context, lease *redlock.Lease, name int) {
	others := c.holders[name].Add(1) - 1
	if others > 0 && lease.Valid() {
		c.overlaps.Add(1)
	}
	select {
	case <-time.After(c.hold):
	case <-lease.Context().Done():
		c.lost.Add(1)
	}
	c.holders[name].Add(-1)
	_ = lease.Release(ctx) // a sick node is no fault here
}

// run lets everybody wait for as long as trouble takes, and returns when all have gone home. A call that waits for
// longer than limit hangs.
func (c *crowd) run(t *testing.T, limit time.Duration, trouble func()) {
	t.Helper()
	c.stop = make(chan struct{})
	c.holders, c.served = make([]atomic.Int32, c.names), make([]atomic.Int64, c.names)
	var all sync.WaitGroup
	for name := range c.names {
		for caller := range c.callers {
			all.Go(func() { c.wait(context.Background(), t, name, caller, limit) })
		}
	}
	trouble()
	close(c.stop)
	all.Wait()
}

// warm takes and gives back a lock, so that all connections are there, and runs as many goroutines as will wait: of
// each the runtime keeps a little for ever.
func (c *crowd) warm(t *testing.T) {
	t.Helper()
	for _, l := range c.lockers {
		mustRelease(t, mustTry(t, l, "warm"))
	}
	start := make(chan struct{})
	var all sync.WaitGroup
	for range 2 * c.names * c.callers {
		all.Go(func() { <-start })
	}
	close(start)
	all.Wait()
}

// settled waits until there are no more goroutines than before, for as long as connections linger.
func settled(before int) int {
	deadline := time.Now().Add(20 * time.Second)
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		<-time.After(20 * time.Millisecond)
	}
	return runtime.NumGoroutine()
}

// Very many callers wait for many names while a node stops for a while and another one restarts without its
// memory: no call hangs, every name is served, and afterwards everything is as before.
func TestProveACrowdOfWaitersLeavesNothing(t *testing.T) {
	lab := newLab(t, 5)
	c := &crowd{
		names: scaled(50, 1000), callers: scaled(5, 20), hold: 20 * time.Millisecond, ttl: 5 * time.Second,
	}
	span := time.Duration(scaled(5, 300)) * time.Second
	for i := range c.lockers {
		c.lockers[i] = lab.direct(redlock.WithTTL(c.ttl), redlock.WithMaxTTL(c.ttl), redlock.WithoutToken())
	}
	c.warm(t)
	goroutines, memory := runtime.NumGoroutine(), heap()
	start := time.Now()
	c.run(t, max(span, 30*time.Second), func() { c.disturb(t, lab, span) })
	took := time.Since(start)

	total, least := int64(0), int64(1)<<62
	for name := range c.served {
		n := c.served[name].Load()
		total, least = total+n, min(least, n)
	}
	t.Logf("%d names with %d callers for %v: %d turns, %d at least for a name, %d calls hung, %d leases lost",
		c.names, c.callers, took.Round(time.Second), total, least, c.cut.Load(), c.lost.Load())
	within(t, "the longest wait", time.Duration(c.longest.Load()), c.bound(took, total))
	if c.overlaps.Load() > 0 {
		t.Errorf("%d times two held one lock", c.overlaps.Load())
	}
	if least == 0 {
		t.Error("a name was not served at all")
	}
	lab.awaitNoWaiters()
	left := settled(goroutines)
	grown := heap() - memory
	t.Logf("%d goroutines before and %d after; %d bytes more in use", goroutines, left, grown)
	if left > goroutines {
		t.Errorf("%d goroutines before, %d after", goroutines, left)
	}
	if most := 4 << 20; proving() && grown > most {
		t.Errorf("%d bytes more than before, want at most %d", grown, most)
	}
	lab.awaitEmpty(c.ttl + time.Second)
	runtime.KeepAlive(c)
}

// disturb stops a node for a while and restarts another one, in the course of d.
func (c *crowd) disturb(t *testing.T, lab *lab, d time.Duration) {
	t.Helper()
	part := d / 5
	<-time.After(part)
	must(t, lab.servers[1].Pause())
	<-time.After(part)
	must(t, lab.servers[1].Resume())
	<-time.After(part)
	must(t, lab.servers[3].Kill())
	<-time.After(part / 2)
	must(t, lab.servers[3].Restart(t.Context()))
	<-time.After(part + part/2)
}

// awaitEmpty waits until no node has a key any more.
func (l *lab) awaitEmpty(limit time.Duration) {
	l.t.Helper()
	deadline := time.Now().Add(limit)
	for i, admin := range l.admin {
		for {
			n, err := admin.DBSize(context.Background()).Result()
			if err == nil && n == 0 {
				break
			}
			if time.Now().After(deadline) {
				l.t.Errorf("node %d has %d keys after %v (%v)", i, n, limit, err)
				break
			}
			<-time.After(20 * time.Millisecond)
		}
	}
}
