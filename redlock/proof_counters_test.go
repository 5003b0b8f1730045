package redlock_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/quorum/quorumtest/redisserver"
	"github.com/quorumlock/quorumlock/redlock"
)

// Of names that were used once nothing is left.
func TestProveCountersAreForgotten(t *testing.T) {
	again(t)
	const callers = 64
	maxTTL := time.Duration(scaled(500, 2000)) * time.Millisecond
	names := scaled(2000, 1_000_000)
	lab := newLab(t, 5, redisserver.WithConfig("--slowlog-max-len", "0")) // which would keep what a busy machine was slow to do
	l := lab.direct(redlock.WithTTL(maxTTL), redlock.WithMaxTTL(maxTTL))
	use := func(n int, prefix string) (failed int64) {
		var failures atomic.Int64
		var first sync.Once
		inParallel(n, callers, func(round string) {
			lease, err := l.Acquire(t.Context(), prefix+round)
			if err == nil {
				err = lease.Release(t.Context())
			}
			if err != nil {
				failures.Add(1)
				first.Do(func() { t.Logf("the first failure: %v", err) })
			}
		})
		return failures.Load()
	}
	use(10*callers, "warm-") // connections, and buffers of their usual size
	before := lab.awaitKeys(1, patienceOfCounters)
	start, most := time.Now(), lab.watch()
	failed := use(names, "once-")
	took, end, peak := time.Since(start), time.Now(), most()
	after := lab.awaitKeys(1, patienceOfCounters)
	gone := time.Since(end)
	settled := lab.awaitMemory(before.memory+slackOfMemory, 3*maxTTL)
	shrunk := time.Since(end)
	t.Logf("%d names in %v, %d failures; MaxTTL %v; of each node:", names, took.Round(time.Millisecond), failed, maxTTL)
	t.Logf("%-24s %8d keys  %10d bytes", "before", before.keys, before.memory)
	t.Logf("%-24s %8d keys  %10d bytes", "at most", peak.keys, peak.memory)
	t.Logf("%-24s %8d keys  %10d bytes", "after "+gone.Round(time.Millisecond).String(), after.keys, after.memory)
	t.Logf("%-24s %8d keys  %10d bytes", "after "+shrunk.Round(time.Millisecond).String(), settled.keys, settled.memory)
	if peak.keys <= callers+1 {
		t.Errorf("never more than %d keys: there were no counters, and nothing is shown", peak.keys)
	}
	if proving() && settled.memory > before.memory+slackOfMemory {
		t.Errorf("%d bytes are in use, %d more than before", settled.memory, settled.memory-before.memory)
	}
	// A busy machine is too slow for some leases; their counters count as well.
	if proving() && (int(failed) > names/100 || gone > 3*maxTTL || shrunk > 3*maxTTL) {
		t.Errorf("%d failures, want 1 %% at most; keys were gone after %v and memory after %v, want 3 x MaxTTL = %v", failed, gone, shrunk, 3*maxTTL)
	}
}

const (
	// patienceOfCounters is more than a busy machine needs.
	patienceOfCounters = 30 * time.Second
	// slackOfMemory is what a server's own records may differ by.
	slackOfMemory = 256 << 10
)

// A footprint is the most that a node keeps, without what connections take up.
type footprint struct{ keys, memory int64 }

func (f footprint) or(o footprint) footprint {
	return footprint{max(f.keys, o.keys), max(f.memory, o.memory)}
}

// watch looks at the nodes until the function that it returns is called, which returns the most that was seen.
func (l *lab) watch() (end func() footprint) {
	stop, seen := make(chan struct{}), make(chan footprint)
	go func() {
		for most := l.footprint(); ; most = most.or(l.footprint()) {
			select {
			case <-stop:
				seen <- most.or(l.footprint())
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	return func() footprint {
		close(stop)
		return <-seen
	}
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
		most = most.or(footprint{keys, field(info, "used_memory") - field(info, "mem_clients_normal")})
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
	for line := range strings.Lines(info) {
		if _, err := fmt.Sscanf(line, name+":%d", &n); err == nil {
			return n
		}
	}
	return 0
}
