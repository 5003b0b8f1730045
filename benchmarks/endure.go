package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// An EndureRun is what many operations leave behind in the process that made them.
type EndureRun struct {
	Subject          string  `json:"subject"`
	Nodes            int     `json:"nodes"`
	Callers          int     `json:"callers"`
	Operations       int64   `json:"operations"`
	Seconds          float64 `json:"seconds"`
	HeapBefore       int64   `json:"heap_before_bytes"` // after a warm-up and a collection
	HeapAfter        int64   `json:"heap_after_bytes"`
	GoroutinesBefore int     `json:"goroutines_before"`
	GoroutinesAfter  int     `json:"goroutines_after"`
	KeysLeft         int64   `json:"keys_left_on_the_servers"`
}

// Endure makes many operations, each on a name of its own, with the first subject that fits.
func (s *Suite) Endure(ctx context.Context) ([]EndureRun, error) {
	subjects := s.fitting(s.Plan.Endure.Nodes)
	if len(subjects) == 0 {
		return nil, nil
	}
	run, err := s.endure(ctx, subjects[0])
	if err != nil {
		return nil, err
	}
	s.tell("%s after %d operations: heap %d -> %d bytes, goroutines %d -> %d", run.Subject, run.Operations,
		run.HeapBefore, run.HeapAfter, run.GoroutinesBefore, run.GoroutinesAfter)
	return []EndureRun{run}, nil
}

func (s *Suite) endure(ctx context.Context, subject Subject) (run EndureRun, err error) {
	plan := s.Plan.Endure
	g, err := newGround(ctx, plan.Nodes, []Subject{subject})
	if err != nil {
		return run, err
	}
	defer func() { err = errors.Join(err, g.close()) }()
	client, err := subject.Open(ctx, Site{Addrs: g.of(subject).Addrs(), TTL: s.Plan.TTL})
	if err != nil {
		return run, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	// Connections and their buffers come with the load, and stay: they belong to the start.
	if err := operate(ctx, client, plan.Callers, int64(plan.Callers)*10); err != nil {
		return run, err
	}
	run = EndureRun{
		Subject: subject.Name(), Nodes: plan.Nodes, Callers: plan.Callers, Operations: plan.Operations,
		HeapBefore: settledHeap(), GoroutinesBefore: runtime.NumGoroutine(),
	}
	start := time.Now()
	if err := operate(ctx, client, plan.Callers, plan.Operations); err != nil {
		return run, err
	}
	run.Seconds = time.Since(start).Seconds()
	run.GoroutinesAfter = settledGoroutines(run.GoroutinesBefore)
	run.HeapAfter = settledHeap()
	keys, err := g.fleet.Keys(ctx)
	for _, n := range keys {
		run.KeysLeft += n
	}
	return run, err
}

// settledGoroutines waits a little for those that are about to end.
func settledGoroutines(want int) int {
	for range 100 {
		if runtime.NumGoroutine() <= want {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return runtime.NumGoroutine()
}

// operate makes n operations, each on a name that was never used before.
func operate(ctx context.Context, client Client, callers int, n int64) error {
	var (
		next atomic.Int64
		all  sync.WaitGroup
	)
	errs := make([]error, callers)
	for c := range callers {
		all.Go(func() {
			for {
				i := next.Add(1)
				if i > n {
					return
				}
				if errs[c] = once(ctx, client, "benchmark:endure:"+strconv.FormatInt(i, 10)); errs[c] != nil {
					return
				}
			}
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("after %d operations: %w", next.Load(), err)
	}
	return nil
}

func once(ctx context.Context, client Client, name string) error {
	hold, err := client.Acquire(ctx, name)
	if err != nil {
		return err
	}
	return hold.Release(ctx)
}
