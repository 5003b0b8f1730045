package peers

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/benchmarks"
	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/redlock"
)

// Every subject locks, and can be measured by itself and beside the others.
func TestSubjectsAreMeasured(t *testing.T) {
	quorumtest.RedisServer(t) // or skip
	plan := benchmarks.TinyPlan()
	suite := benchmarks.Suite{Subjects: Subjects(), Plan: plan}
	if err := suite.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	cells, err := suite.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]int)
	for _, cell := range cells {
		seen[cell.Subject]++
		for _, round := range cell.Rounds {
			_, proc := os.Stat("/proc/self/stat")
			if round.Operations == 0 || round.Failures != 0 || cell.Subject != "etcd" && round.Commands == 0 || proc != nil && cell.Subject == "etcd" {
				t.Errorf("%s, %d nodes, %d callers: %+v", cell.Subject, cell.Nodes, cell.Callers, round)
			}
		}
	}
	for _, subject := range suite.Subjects {
		loads := 0
		for _, nodes := range plan.Load.Nodes {
			if subject.Fits(nodes) {
				loads += len(plan.Load.Callers)
			}
		}
		if seen[subject.Name()] != loads {
			t.Errorf("%s was measured under %d loads, want %d", subject.Name(), seen[subject.Name()], loads)
		}
	}
}

// The floor asks for the same thing as the lock: a majority that is taken by one is not had by the other.
func TestTheFloorAndTheLockExcludeEachOther(t *testing.T) {
	site := benchmarks.Site{TTL: 10 * time.Second}
	var urls []string
	for _, server := range quorumtest.Fleet(t, 3) {
		site.Addrs = append(site.Addrs, server.Addr())
		urls = append(urls, "redis://"+server.Addr())
	}
	locker, err := redlock.Open(t.Context(), urls)
	if err != nil {
		t.Fatal(err)
	}
	defer locker.Close()
	for _, batches := range []bool{false, true} {
		floor, err := Floor(batches).Open(t.Context(), site)
		if err != nil {
			t.Fatal(err)
		}
		hold, err := floor.Acquire(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := locker.TryAcquire(t.Context(), name); !errors.Is(err, redlock.ErrHeld) {
			t.Errorf("TryAcquire of what the floor holds: %v, want ErrHeld", err)
		}
		if err := errors.Join(hold.Extend(t.Context()), hold.Release(t.Context())); err != nil {
			t.Error(err)
		}
		lease, err := locker.Acquire(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := floor.Acquire(t.Context(), name); !errors.Is(err, errNoMajority) {
			t.Errorf("the floor acquires what the lock holds: %v", err)
		}
		if err := errors.Join(lease.Release(t.Context()), floor.Close()); err != nil {
			t.Error(err)
		}
	}
}

// redsync is tried again for as long as the context allows.
func TestRedsyncWaits(t *testing.T) {
	site := benchmarks.Site{Addrs: []string{quorumtest.RedisServer(t).Addr()}, TTL: 10 * time.Second}
	client, err := Redsync(false).Open(t.Context(), site)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	hold, err := client.Acquire(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := client.Acquire(ctx, name); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("acquiring what is held: %v, want the end of the context", err)
	}
	if err := hold.Release(t.Context()); err != nil {
		t.Error(err)
	}
	if err := hold.Release(t.Context()); err == nil {
		t.Error("a release of what is not held is confirmed")
	}
}

func TestCPUTicks(t *testing.T) {
	const stat = "42 (a (b) c) S 1 42 42 0 -1 4194560 1 0 0 0 12 30 0 0 20 0 1 0 5 1 1"
	if got, err := cpuTicks(stat); err != nil || got != 42 {
		t.Errorf("cpuTicks = %d, %v; want 12+30", got, err)
	}
	if _, err := cpuTicks("42 (a) S 1"); err == nil {
		t.Error("what is too short is read")
	}
}
