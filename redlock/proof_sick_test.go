package redlock_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/redlock"
)

// timings are the latencies of one phase, by operation.
type timings map[string][]time.Duration

var operations = []string{"acquire", "extend", "release"}

// measure takes, extends and releases a lock again and again.
func measure(t *testing.T, l *redlock.Locker, rounds int) timings {
	t.Helper()
	out := make(timings)
	timed := func(operation string, do func() error) {
		start := time.Now()
		err := do()
		out[operation] = append(out[operation], time.Since(start))
		if err != nil {
			t.Fatalf("%s: %v", operation, err)
		}
	}
	for i := range rounds {
		var lease *redlock.Lease
		timed("acquire", func() (err error) {
			lease, err = l.TryAcquire(t.Context(), fmt.Sprintf("sick-%d", i%64), redlock.WithTTL(20*time.Second))
			return err
		})
		timed("extend", func() error { return lease.Extend(t.Context()) })
		timed("release", func() error { return lease.Release(t.Context()) })
	}
	return out
}

// A stopped node, then a stopped and a dead one, are not noticed by anyone.
func TestProveSickNodesAreNotNoticed(t *testing.T) {
	lab := newLab(t, 5)
	l := lab.direct()
	rounds := scaled(100, 5000)
	measure(t, l, rounds/5+1) // warm up
	healthy := measure(t, l, rounds)
	must(t, lab.servers[1].Pause())
	stopped := measure(t, l, rounds)
	first := firstCalls(t, lab)
	must(t, lab.servers[3].Kill())
	worse := measure(t, l, rounds)
	for phase, times := range map[string]timings{
		"one stopped": stopped, "one stopped, before the client knows": first,
		"one stopped, one dead": worse, "both, before the client knows": firstCalls(t, lab),
	} {
		for _, op := range operations {
			// Waiting for a sick node takes its deadline, a second; nothing else takes that long.
			if worst := slices.Max(times[op]); worst >= time.Second {
				t.Errorf("%s with %s: %v, as long as if it had waited for the node", op, phase, worst)
			}
		}
	}
	for _, op := range operations {
		base := quantile(healthy[op], 0.99)
		for phase, times := range map[string]timings{"one stopped": stopped, "one stopped, one dead": worse} {
			p99 := quantile(times[op], 0.99)
			ratio := float64(p99) / float64(base)
			t.Logf("%-7s %-21s p50 %-9v p99 %-9v = %.2f x healthy p99 %v (healthy p50 %v)", op, phase,
				quantile(times[op], 0.5), p99, ratio, base, quantile(healthy[op], 0.5))
			if proving() && ratio > 1.5 {
				t.Errorf("%s with %s: p99 is %.2f times the healthy one, want at most 1.5", op, phase, ratio)
			}
		}
	}
}

// firstCalls measures what clients see that have not yet learnt which nodes are sick.
func firstCalls(t *testing.T, lab *lab) timings {
	t.Helper()
	all := make(timings)
	for range scaled(2, 20) {
		l := lab.direct()
		for op, times := range measure(t, l, 5) {
			all[op] = append(all[op], times...)
		}
		must(t, l.Close())
	}
	return all
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// With three of five nodes gone, a claimant is told why, node by node, and a holder's lease ends on
// time.
func TestProveTooFewNodesIsToldAndEndsLeases(t *testing.T) {
	lab := newLab(t, 5)
	l := lab.direct(redlock.WithTTL(2 * time.Second))
	lease := mustTry(t, l, "held")
	for i, sicken := range []func() error{lab.servers[0].Pause, lab.servers[1].Kill, lab.servers[2].Pause} {
		if err := sicken(); err != nil {
			t.Fatalf("node %d: %v", i, err)
		}
	}
	start := time.Now()
	_, err := l.TryAcquire(t.Context(), "wanted")
	took := time.Since(start)
	wantIs(t, "TryAcquire", err, redlock.ErrNoQuorum)
	for _, server := range lab.servers[:3] {
		if !strings.Contains(err.Error(), server.Addr()) {
			t.Errorf("the error does not name %s: %v", server.Addr(), err)
		}
	}
	// The lease may have been renewed while the nodes went, and after that lives for its TTL at most.
	left := lease.Remaining()
	cause := ended(lease.Context())
	wantIs(t, "the holder's cause", cause, redlock.ErrLost)
	if over := time.Since(start); over > 2*time.Second+time.Second {
		t.Errorf("the lease ended %v after its nodes were gone, want 2s", over)
	}
	if took > time.Second {
		t.Errorf("told after %v, want the node deadline of 100ms, or what a busy machine makes of it", took)
	}
	t.Logf("told after %v; the lease had %v left and ended with: %v", took, left, cause)
	if proving() && took > 150*time.Millisecond {
		t.Errorf("told after %v, want the node deadline of 100ms", took)
	}
}

// The guide's session: owners are told apart, and exactly one of many claimants wins.
func TestProveTheGuidesSession(t *testing.T) {
	lab := newLab(t, 5)
	one, two := lab.direct(redlock.WithHolder("process1")), lab.direct(redlock.WithHolder("process2"))
	ttl := redlock.WithTTL(30 * time.Second)

	lease := mustTry(t, one, "daily_job", ttl)
	_, err := two.TryAcquire(t.Context(), "daily_job", ttl)
	var held *redlock.HeldError
	if !errors.As(err, &held) || held.Holder != "process1" {
		t.Fatalf("process2 acquires: %v, want held by process1", err)
	}
	must(t, lease.Extend(t.Context()))
	mustRelease(t, lease)
	second := mustTry(t, two, "daily_job", ttl)
	must(t, lease.Release(t.Context())) // process1 again: nothing of process2's is touched
	for i, value := range lab.holders("daily_job") {
		if value != "" && !strings.HasSuffix(value, ".process2") {
			t.Errorf("node %d has %q, want process2's value", i, value)
		}
	}
	if !second.Valid() {
		t.Error("process2's lease is gone")
	}
	mustRelease(t, second)

	for round := range scaled(3, 100) {
		oneOfAHundred(t, lab, one, fmt.Sprintf("contended-%d", round))
	}
}

func oneOfAHundred(t *testing.T, lab *lab, l *redlock.Locker, name string) {
	t.Helper()
	results := make(chan *redlock.Lease)
	for range 100 {
		go func() {
			lease, err := l.TryAcquire(t.Context(), name)
			if err != nil && !errors.Is(err, redlock.ErrHeld) {
				t.Errorf("TryAcquire: %v", err)
			}
			results <- lease
		}()
	}
	var won []*redlock.Lease
	for range 100 {
		if lease := <-results; lease != nil {
			won = append(won, lease)
		}
	}
	if len(won) != 1 {
		t.Fatalf("%d of 100 concurrent claimants won", len(won))
	}
	mustRelease(t, won[0])
	lab.awaitFree(name, 5*time.Second)
}
