package peers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/chaos"
	"github.com/quorumlock/quorumlock/quorum/quorumtest"
)

// kinds are the locks that are run through the same scenarios.
var kinds = []struct {
	name string
	open func(chaos.Member) (chaos.Lock, error)
}{
	{"redlock", chaos.Redlock()},
	{"redsync", openBusy},
	{"redsync one by one", openSingle},
}

// openBusy opens redsync over clients that have more to do than lock, as those of a service have: there are
// always connections that nobody uses right now. An unlock then does not wait for the greeting of a new one.
func openBusy(m chaos.Member) (chaos.Lock, error) {
	lock, err := RedsyncLock(m)
	if err != nil {
		return nil, err
	}
	return busy{lock.(*redsyncLock)}, nil //nolint:forcetypeassert // it has just been made
}

type busy struct{ *redsyncLock }

// Acquire lets other business go first.
func (b busy) Acquire(ctx context.Context, name string, terms chaos.Terms) (chaos.Lease, error) {
	brief, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	var work sync.WaitGroup
	for _, c := range b.clients {
		work.Go(func() { spread(brief, c) })
	}
	work.Wait()
	return b.redsyncLock.Acquire(ctx, name, terms)
}

// spread uses a dozen connections at once, if not so many are idle.
func spread(ctx context.Context, c *redis.Client) {
	const connections = 12
	var used []*redis.Conn
	for range connections - int(c.PoolStats().IdleConns) {
		used = append(used, c.Conn())
		used[len(used)-1].Ping(ctx) // keeps the connection until Close
	}
	for _, conn := range used {
		conn.Close()
	}
}

// openSingle is the cross-check of openBusy: the same, but each try is a call of its own, and so has an owner
// value of its own. What only openBusy breaks comes from values that tries of one call share.
func openSingle(m chaos.Member) (chaos.Lock, error) {
	lock, err := openBusy(m)
	return single{lock}, err
}

type single struct{ chaos.Lock }

// Acquire pauses between two tries for as long as redsync does.
func (s single) Acquire(ctx context.Context, name string, terms chaos.Terms) (chaos.Lease, error) {
	terms.Wait = false
	for {
		lease, err := s.Lock.Acquire(ctx, name, terms)
		if err == nil {
			return lease, nil
		}
		timer := time.NewTimer(50*time.Millisecond + rand.N(200*time.Millisecond))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, err
		}
	}
}

// contention is a scenario of clients that wait for locks.
func contention(name, about string, d time.Duration) chaos.Scenario {
	return chaos.Scenario{
		Name: name, About: about,
		Nodes: 5,
		Load: chaos.Load{
			Clients: 4, Locks: []string{"a", "b", "c", "d", "e", "f"}, TTL: 2 * time.Second, Work: queue,
		},
		For: d,
		Holds: slices.DeleteFunc(chaos.Default(chaos.Bounds{Nodes: 5, Lifetime: 2 * time.Second, Late: 2 * time.Second}),
			func(i chaos.Invariant) bool { return i.Name == chaos.OwnerOnly.Name }), // real servers do not tell
		Least: chaos.Coverage{Acquired: 1},
	}
}

// queue waits for each of the locks at once, as a service does that has more than one thing to do. So it has
// several connections, and what one of them still has under way is overtaken by what goes through another.
func queue(ctx context.Context, c *chaos.Client) {
	var all sync.WaitGroup
	for _, name := range c.Load().Locks {
		all.Go(func() {
			for c.Sleep(ctx, rand.N(20*time.Millisecond)) {
				visit(ctx, c, name)
			}
		})
	}
	all.Wait()
}

// visit holds the lock for up to half its TTL.
func visit(ctx context.Context, c *chaos.Client, name string) {
	ttl := c.Load().TTL
	asking, cancel := context.WithTimeout(ctx, 2*ttl)
	held, err := c.Acquire(asking, name, chaos.Terms{TTL: ttl, Wait: true})
	cancel()
	if err != nil {
		return
	}
	const looks = 10
	for hold, look := rand.N(ttl/2), 0; look < looks && c.Sleep(ctx, hold/looks) && held.Observe(); look++ {
	}
	releasing, cancel := context.WithTimeout(context.WithoutCancel(ctx), ttl)
	defer cancel()
	_ = held.Release(releasing) // what comes of it is in the history
}

// lateRequests delays, every now and then, what one client sends within a moment, for longer than a try may
// take: it arrives when the client has tried again.
func lateRequests(d time.Duration) chaos.Scenario {
	s := contention("late-requests", "what one client sends within a moment arrives late, after its next try", d)
	ttl := s.Load.TTL
	for at, i := ttl/2, 0; at < d; at, i = at+ttl/2, i+1 {
		s.Schedule = append(s.Schedule, chaos.Fault{
			Kind: chaos.Delay, At: at, For: ttl / 10, By: ttl / 4,
			Nodes: []int{0, 1, 2, 3, 4}, Clients: []int{i % s.Load.Clients},
		})
	}
	return s
}

// mixedFaults is a bit of everything.
func mixedFaults(seed uint64, d time.Duration) chaos.Scenario {
	s := contention("mixed", "real servers die, stand still and are cut off, a minority at a time, and clients stand still", d)
	s.Schedule = chaos.ProcessFaults(seed, s)
	return s
}

// run plays the scenario on real servers and prints the report.
func run(t *testing.T, s chaos.Scenario, seed uint64) chaos.Report {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil && os.Getenv("CI") != "true" {
		t.Skipf("this test needs redis-server: %v", err)
	}
	report, _, err := chaos.Run(t.Context(), s, chaos.NewProcesses(seed), chaos.Settings{Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := report.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", text.String())
	return report
}

// Without faults, every lock is one: else the adapter is wrong, and not what it adapts.
func TestAdaptersWithoutFaults(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			s := contention("calm", "nothing goes wrong", 3*time.Second)
			s.Load.Open, s.Calm = kind.open, time.Second
			s.Load.Work = chaos.Contend(chaos.Manner{Wait: 0.5, Hold: 100 * time.Millisecond})
			if !run(t, s, 1).OK() {
				t.Error("the lock does not hold")
			}
		})
	}
}

func TestRedsyncNeedsServers(t *testing.T) {
	if _, err := RedsyncLock(chaos.Member{}); err == nil {
		t.Error("it opened without a server")
	}
}

// A lease of redsync ends with its context, once, whichever way.
func TestRedsyncLease(t *testing.T) {
	lock := openRedsync(t)
	acquire := func(t *testing.T, name string, ttl time.Duration) chaos.Lease {
		t.Helper()
		lease, err := lock.Acquire(t.Context(), name, chaos.Terms{TTL: ttl})
		if err != nil {
			t.Fatal(err)
		}
		return lease
	}
	t.Run("released", func(t *testing.T) {
		lease := acquire(t, "released", time.Minute)
		if lease.Remaining() <= 0 || lease.Votes() != 3 || lease.Context().Err() != nil {
			t.Errorf("remaining %v, votes %d, context %v", lease.Remaining(), lease.Votes(), lease.Context().Err())
		}
		if _, err := lock.Acquire(t.Context(), "released", chaos.Terms{TTL: time.Minute}); err == nil {
			t.Error("it is acquired twice")
		}
		if err := lease.Extend(t.Context()); err != nil {
			t.Errorf("Extend: %v", err)
		}
		if err := lease.Release(t.Context()); err != nil {
			t.Errorf("Release: %v", err)
		}
		if lease.Remaining() != 0 || lease.Votes() != 0 || lease.Context().Err() == nil {
			t.Errorf("after release: remaining %v, votes %d", lease.Remaining(), lease.Votes())
		}
		if err := lease.Extend(t.Context()); !errors.Is(err, errUnlocked) {
			t.Errorf("Extend after release: %v, want errUnlocked", err)
		}
	})
	t.Run("expired", func(t *testing.T) {
		lease := acquire(t, "expired", 200*time.Millisecond)
		<-lease.Context().Done()
		if lease.Remaining() != 0 {
			t.Errorf("remaining %v after its end", lease.Remaining())
		}
		if err := lease.Extend(t.Context()); !errors.Is(err, errExpired) {
			t.Errorf("Extend after the end: %v, want errExpired", err)
		}
		_ = lease.Release(t.Context()) // the keys may be there a little longer, or not
	})
}

// openRedsync opens the adapter over five servers.
func openRedsync(t *testing.T) chaos.Lock {
	t.Helper()
	var m chaos.Member
	for _, server := range quorumtest.Fleet(t, 5) {
		m.Redis = append(m.Redis, &redis.Options{Addr: server.Addr()})
	}
	lock, err := RedsyncLock(m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lock.Close() })
	return lock
}

// TestProveRedsyncUnderChaos runs redsync and this project's lock through the same scenarios. It prints what
// redsync breaks, and fails if this lock breaks anything.
func TestProveRedsyncUnderChaos(t *testing.T) {
	if os.Getenv("REDLOCK_PROVE") == "" {
		t.Skip("takes 7 minutes: make prove")
	}
	seed, d := uint64(42), time.Minute
	if text := os.Getenv("REDLOCK_SEEDS"); text != "" {
		if _, err := fmt.Sscan(text, &seed); err != nil {
			t.Fatalf("REDLOCK_SEEDS: %v", err)
		}
	}
	if text := os.Getenv("REDLOCK_FOR"); text != "" {
		var err error
		if d, err = time.ParseDuration(text); err != nil {
			t.Fatalf("REDLOCK_FOR: %v", err)
		}
	}
	for _, s := range []chaos.Scenario{lateRequests(d), mixedFaults(seed, d)} {
		for _, kind := range kinds {
			t.Run(s.Name+"/"+kind.name, func(t *testing.T) {
				s.Load.Open = kind.open
				report := run(t, s, seed)
				for _, v := range report.Verdicts {
					if v.Total > 0 {
						t.Logf("%s: %s was broken %d times in %d acquisitions", kind.name, v.Invariant, v.Total, report.Covered.Acquired)
					}
				}
				if kind.name == "redlock" && !report.OK() {
					t.Error("this project's lock does not hold")
				}
			})
		}
	}
}
