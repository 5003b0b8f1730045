package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/signal"
	"syscall"
	"time"
)

type demoCmd struct {
	For    time.Duration `default:"15s" help:"How long it runs, from 1s to 10m. The faults are spread over it."`
	Seed   *uint64       `placeholder:"N" help:"Repeat the faults and job lengths of the demo that printed this seed. What the workers make of them differs each time."`
	Memory bool          `help:"Use nodes in memory, also if redis-server is installed."`
	jsonFlag
}

// Help is what --help adds.
func (demoCmd) Help() string {
	return `Five redis-server processes are started on free ports of 127.0.0.1, or five nodes in memory if redis-server is not on the PATH. Eight workers compete for one lock, while one node is stopped and another one killed, for a while both at once. Then everything is removed, also after Ctrl-C, which ends the demo early.

It fails with exit code 1 if two workers ever had the lock at once, and if it showed nothing: nobody got the lock, or a fault did not take effect.

Examples:

    redlock demo
    redlock demo --for 1m
    redlock demo --for 5s --memory --json

The JSON document, times in milliseconds, has: nodes ("redis-server" or "memory"), node_names, workers, ttl_ms, seed, ran_ms, interrupted, acquisitions, per_worker (a list), hand_over {count, p50_ms, p99_ms} from a release to the next acquisition, longest_wait_ms, renewals, losses, faults (a list of {node, kind, from_ms, to_ms, fired, back, acquisitions}), overlaps, intrusions (two workers met in the critical section), problems (a list of sentences, empty if all is well).

On Windows no process can be stopped and continued later: with a redis-server there, use --memory.`
}

// Validate says which value breaks a rule.
func (c demoCmd) Validate() error {
	if c.For < shortestDemo || c.For > longestDemo {
		return fmt.Errorf("--for %v is not from %v to %v", c.For, shortestDemo, longestDemo)
	}
	return nil
}

const (
	shortestDemo = time.Second // the faults need some time
	longestDemo  = 10 * time.Minute
)

// Run shows the demo and judges it.
func (c demoCmd) Run(w *world) (err error) {
	// SIGPIPE is among them so that a reader who leaves, such as head, ends the demo in good order.
	ctx, stop := signal.NotifyContext(w.ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	defer stop()
	seed := rand.Uint64() % 1_000_000 //nolint:gosec // it picks faults, and should be easy to type
	if c.Seed != nil {
		seed = *c.Seed
	}
	nodes, err := startCluster(ctx, demoNodes, c.Memory)
	if err != nil {
		return ended(ctx, err)
	}
	defer func() { err = errors.Join(err, nodes.close()) }()
	result, err := c.race(ctx, w, nodes, seed)
	if err != nil {
		return err
	}
	p := newReport(result)
	if err := c.print(w, &p); err != nil {
		return err
	}
	if len(p.Problems) > 0 {
		return exitWith(exitFailed, nil)
	}
	return nil
}

// ended is the error of a start that failed, possibly since somebody did not want to wait for it.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.New("ended before the nodes had started")
	}
	return err
}

// race runs the workers for the time wanted, with somebody watching.
func (c demoCmd) race(parent context.Context, w *world, nodes *cluster, seed uint64) (raceResult, error) {
	r, err := newRace(parent, nodes, c.For, seed)
	if err != nil {
		return raceResult{}, err
	}
	ctx, cancel := context.WithTimeout(parent, c.For)
	defer cancel()
	watching := c.watch(ctx, w, r)
	err = r.run(ctx)
	ran := r.record.elapsed()
	cancel()
	<-watching
	if err := errors.Join(err, r.close()); err != nil {
		return raceResult{}, err
	}
	return raceResult{
		kind: nodes.kind, nodes: nodes.names(), seed: seed, ran: ran,
		interrupted: parent.Err() != nil,
		tallies:     r.record.counted(),
		faults:      r.record.faultsSoFar(),
	}, nil
}

func (c demoCmd) print(w *world, p *report) error {
	if c.JSON {
		return writeJSON(w.stdout, p)
	}
	_, err := fmt.Fprintf(w.stdout, "\n%s", p)
	return err
}
