package redlock_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/redlock"
)

// pollCapOf is how long a call with that TTL sleeps at most that hears nothing.
func pollCapOf(ttl time.Duration) time.Duration { return min(ttl/2, time.Second) }

// within judges a longest time, if figures are judged, and tells it in any case.
func within(t *testing.T, what string, longest, limit time.Duration) {
	t.Helper()
	t.Logf("%s: %v at the longest, want at most %v", what, longest, limit)
	if proving() && longest > limit {
		t.Errorf("%s: %v, want at most %v", what, longest, limit)
	}
}

// calls counts the commands of all nodes by name, those of scripts included.
func (l *lab) calls() map[string]int64 {
	l.t.Helper()
	sum := make(map[string]int64)
	for i, admin := range l.admin {
		info, err := admin.Info(context.Background(), "commandstats").Result()
		if err != nil {
			l.t.Fatalf("asking node %d: %v", i, err)
		}
		for line := range strings.Lines(info) {
			var n int64
			name, rest, _ := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":")
			if _, err := fmt.Sscanf(rest, "calls=%d,", &n); err == nil {
				sum[name] += n
			}
		}
	}
	return sum
}

// Where nobody waits, a lock and its release cost one script call each on each node, which write one key and
// delete it, and nothing is published or looked up for waiters.
func TestProveWithoutWaitersNothingIsAnnounced(t *testing.T) {
	lab := newLab(t, 5)
	l := lab.direct(redlock.WithoutToken())
	mustRelease(t, mustTry(t, l, "warm"))
	lab.awaitFree("warm", time.Second)
	before, rounds := lab.calls(), int64(scaled(50, 5000))
	for i := range rounds {
		lease, err := l.Acquire(t.Context(), fmt.Sprint("alone-", i%7))
		must(t, err)
		mustRelease(t, lease)
	}
	must(t, l.Close()) // with what is under way
	after, allowed := lab.calls(), map[string]int64{
		"evalsha": 2, "eval": 0, "set": 1, "get": 1, "del": 1, "time": 2, // each time, on each node
		"info": 0, "exists": 1, // the release looks whether anybody waits
		"ping": 0, "hello": 0, "client|setinfo": 0,
	}
	for name, calls := range after {
		n := calls - before[name]
		most, known := allowed[name]
		each := float64(n) / float64(rounds*5)
		t.Logf("%-10s %.3f for each lock, release and node", name, each)
		// This test's own looks, and what keeps connections alive, come in between.
		if spare := int64(20); !known && n > 0 || n > most*rounds*5+spare {
			t.Errorf("%d calls of %s, want %d for each lock, release and node", n, name, most)
		}
	}
	if after["publish"] != 0 || after["zadd"] != 0 || after["subscribe"] != 0 {
		t.Errorf("nobody waits, and yet: %d PUBLISH, %d ZADD, %d SUBSCRIBE", after["publish"], after["zadd"], after["subscribe"])
	}
}

// A silence is a way to lose announcements, and what the nodes show of it.
type silence struct {
	make             func(l *lab) (stop func() (killed int))
	publishes, kills bool
}

func noKills() int { return 0 }

// met fails the test if the silence was none.
func (s silence) met(t *testing.T, l *lab, killed int) {
	t.Helper()
	published := l.calls()["publish"]
	t.Logf("%d messages published, %d subscribers' connections closed", published, killed)
	if published > 0 != s.publishes || killed > 0 != s.kills {
		t.Errorf("%d messages published, %d subscribers' connections closed: nothing is shown", published, killed)
	}
}

// deafen closes the connections over which nodes announce, as fast as they are opened, until stop.
func (l *lab) deafen() (stop func() (killed int)) {
	done, count := make(chan struct{}), new(atomic.Int64)
	var group sync.WaitGroup
	for _, admin := range l.admin {
		group.Go(func() {
			for {
				n, err := admin.ClientKillByFilter(context.Background(), "TYPE", "pubsub").Result()
				if err != nil {
					l.t.Errorf("closing subscribers' connections: %v", err)
				}
				count.Add(n)
				select {
				case <-done:
					return
				case <-time.After(time.Millisecond):
				}
			}
		})
	}
	return func() int {
		close(done)
		group.Wait()
		return int(count.Load())
	}
}

// forbid changes what users may do.
func (l *lab) forbid(rule string) (stop func() int) {
	l.t.Helper()
	for i, admin := range l.admin {
		if err := admin.Do(context.Background(), "ACL", "SETUSER", "default", rule).Err(); err != nil {
			l.t.Fatalf("ACL SETUSER default %s on node %d: %v", rule, i, err)
		}
	}
	return noKills
}

// With every announcement lost, a lock that is free is taken within the poll cap.
func TestProveFreeLocksAreTakenThoughNothingIsHeard(t *testing.T) {
	const ttl = 4 * time.Second
	for how, heard := range map[string]silence{
		"no right to the channels":    {make: func(l *lab) func() int { return l.forbid("resetchannels") }},
		"nodes that publish nothing":  {make: func(l *lab) func() int { return l.forbid("-publish") }},
		"connections end all along":   {make: (*lab).deafen, publishes: true, kills: true},
		"nothing is lost, to compare": {make: func(*lab) func() int { return noKills }, publishes: true},
	} {
		t.Run(how, func(t *testing.T) {
			lab := newLab(t, 5)
			holder, waiter := lab.direct(redlock.WithTTL(ttl)), lab.direct(redlock.WithTTL(ttl))
			stop := heard.make(lab)
			var mu sync.Mutex
			longest, rounds := time.Duration(0), scaled(4, 200)
			inParallel(rounds, scaled(4, 10), func(name string) {
				took := free(t, holder, waiter, name)
				mu.Lock()
				defer mu.Unlock()
				longest = max(longest, took)
			})
			heard.met(t, lab, stop())
			within(t, "from the release to the next holder", longest, pollCapOf(ttl)+50*time.Millisecond)
		})
	}
}

// giveBack releases a lease. On a busy machine the nodes may be too slow to confirm that, which is no fault here.
func giveBack(t *testing.T, lease *redlock.Lease) {
	t.Helper()
	if err := lease.Release(context.Background()); err != nil && !errors.Is(err, redlock.ErrNoQuorum) {
		t.Errorf("Release: %v", err)
	}
}

// free lets one Locker hold a lock for which another waits, and returns how long it is free before it is taken.
func free(t *testing.T, holder, waiter *redlock.Locker, name string) time.Duration {
	lease, err := holder.Acquire(t.Context(), name)
	if err != nil {
		t.Errorf("Acquire: %v", err)
		return 0
	}
	var at time.Time
	var taken sync.WaitGroup
	taken.Go(func() {
		next, err := waiter.Acquire(t.Context(), name)
		at = time.Now()
		if err != nil {
			t.Errorf("%s was not taken: %v", name, err)
			return
		}
		giveBack(t, next)
	})
	<-time.After(150 * time.Millisecond) // so that it waits, and is in the midst of its sleep
	released := time.Now()
	giveBack(t, lease)
	taken.Wait()
	if at.Before(released) {
		t.Errorf("%s was taken %v before its holder released it", name, released.Sub(at))
	}
	return at.Sub(released)
}

// waiterKeys are the keys that nodes keep for those who wait.
func (l *lab) waiterKeys() []string {
	l.t.Helper()
	var keys []string
	for i, admin := range l.admin {
		for _, pattern := range []string{"redlock:waiting", "redlock:since:*", "redlock:until:*"} {
			found, err := admin.Keys(context.Background(), pattern).Result()
			if err != nil {
				l.t.Fatalf("looking behind node %d: %v", i, err)
			}
			keys = append(keys, found...)
		}
	}
	return keys
}

// awaitNoWaiters waits until no node remembers a waiter, which it does for [quorum.WaiterLife] at most.
func (l *lab) awaitNoWaiters() {
	l.t.Helper()
	deadline := time.Now().Add(quorum.WaiterLife + 2*time.Second)
	for keys := l.waiterKeys(); len(keys) > 0; keys = l.waiterKeys() {
		if time.Now().After(deadline) {
			l.t.Errorf("%d keys of waiters are left after %v, such as %q", len(keys), quorum.WaiterLife, keys[0])
			return
		}
		<-time.After(20 * time.Millisecond)
	}
}
