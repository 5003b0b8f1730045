package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A HeldRun is locks that were held and renewed all at once by one client.
type HeldRun struct {
	Subject       string  `json:"subject"`
	Nodes         int     `json:"nodes"`
	Leases        int     `json:"leases"`
	TTLSeconds    float64 `json:"ttl_seconds"`
	Seconds       float64 `json:"seconds"` // that they were held for, which is longer than the TTL
	Lost          int     `json:"lost"`
	NotReleased   int     `json:"not_released"`            // at the end, all at once: no majority confirmed it
	KeysOnMedian  int64   `json:"keys_on_the_middle_node"` // at the end, which a majority has at least
	BytesPerLease float64 `json:"bytes_per_lease"`         // of heap
	Goroutines    int     `json:"goroutines"`              // more than with the client open and nothing held
	ClientCores   float64 `json:"client_cores"`            // CPU per second, while held
	ServerCores   float64 `json:"server_cores"`            // of all servers together
}

// Held measures what held locks cost, for every subject that renews them.
func (s *Suite) Held(ctx context.Context) ([]HeldRun, error) {
	var runs []HeldRun
	for _, subject := range s.fitting(s.Plan.Held.Nodes) {
		for i, count := range s.Plan.Held.Counts {
			run, err := s.held(ctx, subject, count, s.Plan.Held.For[i])
			if errors.Is(err, errNotRenewed) {
				break
			}
			if err != nil {
				return nil, fmt.Errorf("%s holding %d: %w", subject.Name(), count, err)
			}
			s.tell("%s holding %d: %d lost, %.0f bytes each, %.2f cores", subject.Name(), count, run.Lost, run.BytesPerLease, run.ClientCores)
			runs = append(runs, run)
		}
	}
	return runs, nil
}

var errNotRenewed = errors.New("benchmarks: this lock does not renew itself")

// takers take and give back the locks that are then held.
const takers = 64

func (s *Suite) held(ctx context.Context, subject Subject, count int, d time.Duration) (run HeldRun, err error) {
	plan := s.Plan.Held
	g, err := newGround(ctx, plan.Nodes, []Subject{subject})
	if err != nil {
		return run, err
	}
	defer func() { err = errors.Join(err, g.close()) }()
	client, err := subject.Open(ctx, Site{Addrs: g.of(subject).Addrs(), TTL: plan.TTL})
	if err != nil {
		return run, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	if err := probeRenewal(ctx, client); err != nil {
		return run, err
	}
	holds := make([]Renewed, count)
	heap, goroutines := settledHeap(), runtime.NumGoroutine()
	if err := takeAll(ctx, client, holds); err != nil {
		return run, err
	}
	run = HeldRun{
		Subject: subject.Name(), Nodes: plan.Nodes, Leases: count, TTLSeconds: plan.TTL.Seconds(), Seconds: d.Seconds(),
		BytesPerLease: float64(settledHeap()-heap) / float64(count),
	}
	if err := run.watch(ctx, g.of(subject), d); err != nil {
		return run, err
	}
	run.Goroutines = runtime.NumGoroutine() - goroutines
	if keys, err := g.fleet.Keys(ctx); err == nil && len(keys) > 0 {
		run.KeysOnMedian = slices.Sorted(slices.Values(keys))[len(keys)/2]
	}
	for _, hold := range holds {
		if !hold.Valid() {
			run.Lost++
		}
	}
	run.NotReleased = giveBackAll(ctx, holds)
	return run, ctx.Err()
}

// probeRenewal tells whether a client's locks renew themselves, and opens its connections: those stay, and are no
// part of what a lock costs.
func probeRenewal(ctx context.Context, client Client) error {
	hold, err := client.Acquire(ctx, "benchmark:probe")
	if err != nil {
		return err
	}
	if err := hold.Release(ctx); err != nil {
		return err
	}
	if _, ok := hold.(Renewed); !ok {
		return errNotRenewed
	}
	return operate(ctx, client, takers, 20*takers)
}

// watch lets time pass and looks at what it costs.
func (r *HeldRun) watch(ctx context.Context, servers Servers, d time.Duration) error {
	before, err := servers.Usage(ctx)
	if err != nil {
		return err
	}
	cpu := clientCPU()
	select {
	case <-time.After(d):
	case <-ctx.Done():
		return ctx.Err()
	}
	cpu = clientCPU() - cpu
	after, err := servers.Usage(ctx)
	if err != nil {
		return err
	}
	r.ClientCores = cpu.Seconds() / d.Seconds()
	r.ServerCores = after.Sub(before).CPU.Seconds() / d.Seconds()
	return nil
}

// settledHeap is the heap after everything unreachable is gone.
func settledHeap() int64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools let go in the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc) //nolint:gosec // a heap has no 2^63 bytes
}

// inParallel does everything from 0 to n-1, many at a time, and returns the failures.
func inParallel(n int, do func(i int) error) error {
	var all sync.WaitGroup
	errs := make([]error, takers)
	for t := range takers {
		all.Go(func() {
			for i := t; i < n && errs[t] == nil; i += takers {
				errs[t] = do(i)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func takeAll(ctx context.Context, client Client, holds []Renewed) error {
	return inParallel(len(holds), func(i int) error {
		hold, err := client.Acquire(ctx, "benchmark:held:"+strconv.Itoa(i))
		if err == nil {
			holds[i] = hold.(Renewed) //nolint:forcetypeassert // probeRenewal has seen it
		}
		return err
	})
}

// giveBackAll releases what is still held, and returns how often a majority did not confirm that.
func giveBackAll(ctx context.Context, holds []Renewed) int {
	var failed atomic.Int64
	_ = inParallel(len(holds), func(i int) error {
		if holds[i].Valid() && holds[i].Release(ctx) != nil {
			failed.Add(1)
		}
		return nil
	})
	return int(failed.Load())
}
