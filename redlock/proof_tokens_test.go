package redlock_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/redlock"
)

// share is part of all, in percent.
func share(part, all uint64) float64 { return 100 * float64(part) / float64(max(all, 1)) }

// Where nothing is contended, one round trip is enough for a lease with its token.
func TestProveATokenCostsNoRoundTrip(t *testing.T) {
	again(t)
	lab := newLab(t, 5)
	one, many := lab.direct(), make([]*redlock.Locker, 8)
	for i := range many {
		many[i] = lab.direct()
	}
	tests := map[string]struct {
		lockers []*redlock.Locker
		callers int
		name    func(round string) string
	}{
		"one caller, one name":           {[]*redlock.Locker{one}, 1, func(string) string { return "alone" }},
		"one caller, fresh names":        {[]*redlock.Locker{one}, 1, func(round string) string { return "single-" + round }},
		"64 callers, fresh names":        {[]*redlock.Locker{one}, 64, func(round string) string { return "fresh-" + round }},
		"64 callers of 8, fresh names":   {many, 64, func(round string) string { return "spread-" + round }},
		"64 callers of 8, the same ones": {many, 64, func(round string) string { return "fresh-" + round }},
	}
	for name, tc := range tests {
		if name != "64 callers of 8, the same ones" {
			t.Run(name, func(t *testing.T) { wantOneRoundTrip(t, tc.lockers, tc.callers, tc.name) })
		}
	}
	// Last, since these names are those that another client has used before.
	name := "64 callers of 8, the same ones"
	t.Run(name, func(t *testing.T) { wantOneRoundTrip(t, tests[name].lockers, 64, tests[name].name) })
}

func wantOneRoundTrip(t *testing.T, lockers []*redlock.Locker, callers int, nameOf func(string) string) {
	t.Helper()
	counts := func() (acquired, levelled uint64) {
		for _, l := range lockers {
			s := l.Stats()
			acquired, levelled = acquired+s.Acquired, levelled+s.Levelled
		}
		return acquired, levelled
	}
	acquired, levelled := counts()
	var next atomic.Uint64
	rounds := scaled(200, 20_000)
	inParallel(rounds, callers, func(round string) {
		l := lockers[next.Add(1)%uint64(len(lockers))]
		lease, err := l.Acquire(t.Context(), nameOf(round))
		if err != nil {
			t.Errorf("Acquire: %v", err)
			return
		}
		if lease.Token() == 0 {
			t.Error("a lease has no token")
		}
		if err := lease.Release(t.Context()); err != nil {
			t.Errorf("Release: %v", err)
		}
	})
	won, twice := counts()
	won, twice = won-acquired, twice-levelled
	part := share(won-twice, won)
	t.Logf("%.2f %% of %d acquires took one round trip", part, won)
	if won != uint64(rounds) { //nolint:gosec // it is not negative
		t.Errorf("%d leases, want %d", won, rounds)
	}
	if proving() && part < 99 {
		t.Errorf("%.2f %% of acquires took one round trip, want 99 %%", part)
	}
}

// farAhead is a clock by which it is the year 2300. In microseconds that is over 2^53.
type farAhead struct{ clock.Clock }

func (farAhead) Wall() time.Time { return time.Date(2300, time.January, 1, 0, 0, 0, 0, time.UTC) }

// A client whose clock is far ahead moves the tokens of its names by a second at most, and that passes.
func TestProveAClockInTheYear2300DoesNoLastingHarm(t *testing.T) {
	again(t)
	lab := newLab(t, 5)
	mad, ours := lab.direct(redlock.WithClock(farAhead{clock.System()})), lab.direct()
	const name = "shared"
	var last uint64
	var worst time.Duration
	leases := 0
	take := func(l *redlock.Locker) (ahead time.Duration) {
		t.Helper()
		lease := mustTry(t, l, name)
		ahead = time.Duration(int64(lease.Token())-time.Now().UnixMicro()) * time.Microsecond //nolint:gosec // it is below 2^53
		leases++
		switch {
		case lease.Token() <= last:
			t.Errorf("token %d after %d", lease.Token(), last)
		case lease.Token() >= quorum.MaxToken:
			t.Errorf("token %d is not below 2^53", lease.Token())
		case ahead > time.Second+time.Duration(leases)*time.Microsecond: // each later lease adds one at most
			t.Errorf("token %d is %v ahead of the time", lease.Token(), ahead)
		}
		last = lease.Token()
		mustRelease(t, lease)
		return ahead
	}
	first := take(ours)
	for range scaled(20, 1000) {
		worst = max(worst, take(mad), take(ours))
	}
	start := time.Now()
	passed := time.Duration(0)
	for ahead := worst; ahead > 0; passed = time.Since(start) {
		if time.Since(start) > patienceOf2300 {
			t.Fatalf("tokens are still %v ahead of the time after %v", ahead, time.Since(start))
		}
		ahead = take(ours)
	}
	t.Logf("before, a token was %v ahead of the time (negative: behind)", first)
	t.Logf("%d leases by turns with a client in the year 2300: at most %v ahead; %v after the last one of its, no longer; the last token is %d of %d",
		leases, worst, passed.Round(time.Millisecond), last, quorum.MaxToken-1)
	o, m := ours.Stats(), mad.Stats()
	t.Logf("acquires in one round trip: ours %.1f %% of %d, its %.1f %% of %d",
		share(o.Acquired-o.Levelled, o.Acquired), o.Acquired, share(m.Acquired-m.Levelled, m.Acquired), m.Acquired)
	if worst <= 0 {
		t.Error("no token was ahead of the time: nothing is shown")
	}
}

// patienceOf2300 is far more than the second that tokens may be ahead.
const patienceOf2300 = 30 * time.Second

// Of names that were used once nothing is left.
func TestProveCountersAreForgotten(t *testing.T) {
	again(t)
	const callers = 64
	maxTTL := time.Duration(scaled(500, 2000)) * time.Millisecond
	names := scaled(2000, 1_000_000)
	lab := newLab(t, 5)
	l := lab.direct(redlock.WithTTL(maxTTL), redlock.WithMaxTTL(maxTTL))
	use := func(n int, prefix string) (failed int64) {
		var failures atomic.Int64
		inParallel(n, callers, func(round string) {
			lease, err := l.Acquire(t.Context(), prefix+round)
			if err == nil {
				err = lease.Release(t.Context())
			}
			if err != nil {
				failures.Add(1)
			}
		})
		return failures.Load()
	}
	use(10*callers, "warm-") // connections, and buffers of their usual size
	before := lab.awaitKeys(1, patienceOfCounters)
	start := time.Now()
	stop := make(chan struct{})
	var most footprint
	var watcher sync.WaitGroup
	watcher.Go(func() {
		for {
			most = most.or(lab.footprint())
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
	failed := use(names, "once-")
	took, end := time.Since(start), time.Now()
	close(stop)
	watcher.Wait()
	most = most.or(lab.footprint())
	after := lab.awaitKeys(1, patienceOfCounters)
	gone := time.Since(end)
	settled := lab.awaitMemory(before.memory+slackOfMemory, patienceOfCounters)
	shrunk := time.Since(end)
	t.Logf("%d names in %v, %d failures; MaxTTL %v; of each node:", names, took.Round(time.Millisecond), failed, maxTTL)
	t.Logf("%-24s %8d keys  %10d bytes", "before", before.keys, before.memory)
	t.Logf("%-24s %8d keys  %10d bytes", "at most", most.keys, most.memory)
	t.Logf("%-24s %8d keys  %10d bytes", "after "+gone.Round(time.Millisecond).String(), after.keys, after.memory)
	t.Logf("%-24s %8d keys  %10d bytes", "after "+shrunk.Round(time.Millisecond).String(), settled.keys, settled.memory)
	if most.keys <= callers+1 {
		t.Errorf("never more than %d keys: there were no counters, and nothing is shown", most.keys)
	}
	if settled.memory > before.memory+slackOfMemory {
		t.Errorf("%d bytes are in use, %d more than before", settled.memory, settled.memory-before.memory)
	}
	if proving() && (failed > 0 || gone > 3*maxTTL || shrunk > 3*maxTTL) {
		t.Errorf("%d failures; keys were gone after %v and memory after %v, want 3 x MaxTTL = %v", failed, gone, shrunk, 3*maxTTL)
	}
}

const (
	// patienceOfCounters is more than a busy machine needs.
	patienceOfCounters = 30 * time.Second
	// slackOfMemory is what buffers of connections may differ by.
	slackOfMemory = 256 << 10
)

// A footprint is the most that a node keeps.
type footprint struct{ keys, memory int64 }

func (f footprint) or(o footprint) footprint {
	return footprint{max(f.keys, o.keys), max(f.memory, o.memory)}
}

func (l *lab) footprint() (most footprint) {
	for i, admin := range l.admin {
		ctx := context.Background()
		keys, err := admin.DBSize(ctx).Result()
		if err != nil {
			l.t.Errorf("node %d: %v", i, err)
		}
		info, err := admin.Info(ctx, "memory").Result()
		if err != nil {
			l.t.Errorf("node %d: %v", i, err)
		}
		most = most.or(footprint{keys, field(info, "used_memory")})
	}
	return most
}

// awaitKeys waits until no node has more than so many keys.
func (l *lab) awaitKeys(keys int64, limit time.Duration) footprint {
	l.t.Helper()
	f := l.awaitFootprint(limit, func(f footprint) bool { return f.keys <= keys })
	if f.keys > keys {
		l.t.Errorf("a node has %d keys after %v, want %d", f.keys, limit, keys)
	}
	return f
}

func (l *lab) awaitMemory(memory int64, limit time.Duration) footprint {
	l.t.Helper()
	return l.awaitFootprint(limit, func(f footprint) bool { return f.memory <= memory })
}

func (l *lab) awaitFootprint(limit time.Duration, fine func(footprint) bool) footprint {
	for start := time.Now(); ; <-time.After(10 * time.Millisecond) {
		if f := l.footprint(); fine(f) || time.Since(start) > limit {
			return f
		}
	}
}

// field is a number in the text of INFO, and 0 if it is not there.
func field(info, name string) (n int64) {
	for line := range lines(info) {
		if _, err := fmt.Sscanf(line, name+":%d", &n); err == nil {
			return n
		}
	}
	return 0
}
