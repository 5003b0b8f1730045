package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/quorumlock/quorumlock/redlock"
)

const (
	demoLock  = "demo"
	demoNodes = 5
	workers   = 8
	demoTTL   = 2 * time.Second
)

// A race is workers that compete for one lock, and the faults that happen meanwhile.
type race struct {
	cluster  *cluster
	record   *record
	observer *redlock.Locker // asks the nodes, and never for the lock
	lockers  []*redlock.Locker
	seed     uint64
	section  section
	long     *time.Duration // when the long job is due; nil for none
	longDone atomic.Bool
}

// newRace gives every worker a Locker of its own, as if it were a process of its own.
func newRace(ctx context.Context, c *cluster, total time.Duration, seed uint64) (*race, error) {
	r := &race{cluster: c, seed: seed}
	if at, planned := planLongJob(total); planned {
		r.long = &at
	}
	if err := r.open(); err != nil {
		return nil, errors.Join(err, r.close())
	}
	r.connect(ctx)
	plan := planFaults(total, len(c.machines), rand.New(rand.NewPCG(seed, 0))) //nolint:gosec // a plan, no secret
	r.record = newRecord(c.clock, plan)
	if c.fallback {
		r.record.tell("there is no redis-server on the PATH, so the nodes are in memory")
	}
	return r, nil
}

// open makes the Lockers.
func (r *race) open() (err error) {
	for worker := range workers {
		locker, err := r.cluster.locker(redlock.WithTTL(demoTTL),
			redlock.WithHolder(fmt.Sprintf("worker %d", worker+1)), redlock.WithHooks(r.hooks(worker)))
		if err != nil {
			return err
		}
		r.lockers = append(r.lockers, locker)
	}
	r.observer, err = r.cluster.locker(redlock.WithTTL(demoTTL))
	return err
}

// connectTries is how often a Locker tries to reach all nodes before the race. Later it has to do
// without some of them anyway.
const connectTries = 20

// connect lets every Locker open its connections, which is no part of the race.
func (r *race) connect(ctx context.Context) {
	var all sync.WaitGroup
	for _, locker := range r.lockers {
		all.Go(func() {
			for range connectTries {
				status, _ := locker.Status(ctx, demoLock) // only the nodes' answers matter
				if ctx.Err() != nil || len(status.Nodes) > 0 && !slices.ContainsFunc(status.Nodes, silent) {
					return
				}
			}
		})
	}
	all.Wait()
}

func silent(node redlock.NodeStatus) bool { return node.Err != nil }

// hooks note what a worker's own code does not see.
func (r *race) hooks(worker int) redlock.Hooks {
	return redlock.Hooks{
		Renewed: func(e redlock.RenewedEvent) { r.record.renewed(worker, e.Votes, e.Validity) },
		Lost:    func(e redlock.LostEvent) { r.record.lost(worker, e.Err) },
	}
}

// close ends all Lockers at once.
func (r *race) close() error {
	lockers := r.lockers
	if r.observer != nil {
		lockers = append(lockers, r.observer)
	}
	errs := make([]error, len(lockers))
	var ends sync.WaitGroup
	for i, locker := range lockers {
		ends.Go(func() { errs[i] = locker.Close() })
	}
	ends.Wait()
	return errors.Join(errs...)
}

// run lets everybody do their part until ctx ends, and joins them.
func (r *race) run(ctx context.Context) error {
	parts, ctx := errgroup.WithContext(ctx)
	for worker, locker := range r.lockers {
		random := rand.New(rand.NewPCG(r.seed, uint64(worker)+1)) //nolint:gosec // job lengths, no secrets
		parts.Go(func() error { return r.work(ctx, worker, locker, random) })
	}
	for _, f := range r.record.faults {
		parts.Go(func() error { return r.inflict(ctx, f) })
	}
	return parts.Wait()
}

// work takes the lock, does a job and gives the lock back, again and again.
func (r *race) work(ctx context.Context, worker int, locker *redlock.Locker, random *rand.Rand) error {
	for ctx.Err() == nil {
		asked := r.record.elapsed()
		lease, err := locker.Acquire(ctx, demoLock)
		if err != nil {
			return workerError(ctx, worker, err)
		}
		r.record.acquired(worker, lease, r.record.elapsed()-asked)
		r.job(ctx, worker, lease, random)
		pause(ctx, between(random, 0, 20*time.Millisecond))
	}
	return nil
}

// workerError is the error of a worker that got no lease. At the end of the demo that is none.
func workerError(ctx context.Context, worker int, err error) error {
	if errors.Is(err, ctx.Err()) {
		return nil
	}
	return fmt.Errorf("worker %d: %w", worker+1, err)
}

// job is what the lock protects. It ends early with the lease.
func (r *race) job(ctx context.Context, worker int, lease *redlock.Lease, random *rand.Rand) {
	if !r.section.enter(lease) {
		r.record.crossed()
	}
	length := between(random, 3*time.Millisecond, 40*time.Millisecond)
	if r.long != nil && r.record.elapsed() >= *r.long && r.longDone.CompareAndSwap(false, true) {
		length = longJob
		r.record.tell("worker %d begins a long job, %v", worker+1, length)
	}
	select {
	case <-time.After(length):
	case <-lease.Context().Done():
	case <-ctx.Done():
	}
	r.section.leave()
	r.record.releasing(worker)
	// What could not be confirmed runs out with the TTL, and a loss was counted by its hook.
	_ = lease.Release(context.WithoutCancel(ctx))
}

// A section is the code that only one worker may be in: a second opinion, which knows nothing of the
// times of the record. Its zero value is empty.
type section struct {
	inside atomic.Int32
	last   atomic.Pointer[redlock.Lease]
}

// enter reports whether the caller is alone. One that lost its lease and has not noticed yet does not
// count: the lock has told it to be gone.
func (s *section) enter(lease *redlock.Lease) bool {
	inside := s.inside.Add(1)
	last := s.last.Swap(lease)
	return inside == 1 || last == nil || !last.Valid()
}

func (s *section) leave() { s.inside.Add(-1) }

// between draws a duration in [low, high).
func between(random *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(random.Int64N(int64(high-low)))
}

// pause waits, and reports whether it did so to the end.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
