package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quorumlock/quorumlock/redlock"
)

// A relay is clients that want one lock.
type relay struct {
	name      string
	gap       *gauge
	handOvers atomic.Int64
	failures  failures

	mu   sync.Mutex
	last int       // the client that held last, from 1 on
	left time.Time // when it began to release
}

// handOff lets clients, each with connections of its own, compete for one lock.
func (b *bench) handOff(ctx context.Context, clients int) (result *benchHandOff, err error) {
	lockers := make([]*redlock.Locker, 0, clients)
	defer func() {
		for _, locker := range lockers {
			err = errors.Join(err, locker.Close())
		}
	}()
	for range clients {
		locker, err := b.open(ctx)
		if err != nil {
			return nil, err
		}
		lockers = append(lockers, locker)
	}
	r := &relay{name: b.prefix + "hand-off", gap: newGauge()}
	within, cancel := context.WithTimeout(ctx, b.length)
	defer cancel()
	watched := b.progress.watch(within, b.length, fmt.Sprintf("%d clients, one lock", clients), &r.handOvers)
	start := time.Now()
	var all sync.WaitGroup
	for i, locker := range lockers {
		all.Go(func() {
			for within.Err() == nil {
				r.turn(within, locker, i+1)
			}
		})
	}
	all.Wait()
	took := time.Since(start)
	<-watched
	return &benchHandOff{
		Clients: clients, PerSecond: perSecond(r.handOvers.Load(), took), HandOvers: r.handOvers.Load(),
		Failures: r.failures.count.Load(), Failure: r.failures.reason(), Gap: r.gap.figures(),
	}, nil
}

const (
	heldFor  = 2 * time.Millisecond // long enough for others to wait
	awayFor  = 2 * time.Millisecond // so that a client does not meet itself only
	handWait = time.Second          // for the release of what was taken at the very end
)

// turn takes the lock once.
func (r *relay) turn(ctx context.Context, locker *redlock.Locker, client int) {
	lease, err := locker.Acquire(ctx, r.name)
	if err != nil {
		r.failures.failed(ctx, err)
		return
	}
	r.took(client, time.Now())
	pause(ctx, heldFor)
	r.leaves(client)
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), handWait)
	defer cancel()
	if err := lease.Release(end); err != nil {
		r.failures.failed(ctx, err)
	}
	pause(ctx, awayFor)
}

// took notes that a client has the lock. It is a hand-over if another one had it before.
func (r *relay) took(client int, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last != 0 && r.last != client {
		r.gap.note(at.Sub(r.left))
		r.handOvers.Add(1)
	}
}

func (r *relay) leaves(client int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last, r.left = client, time.Now()
}
