package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/quorumlock/quorumlock/redlock"
)

type benchCmd struct {
	nodesFlag
	Callers []int         `default:"1,8,64" placeholder:"N" help:"How many callers at once, each with a lock of its own; several numbers are measured one after the other."`
	Clients int           `default:"8" help:"How many clients hand one lock over. 0 leaves that out."`
	For     time.Duration `default:"3s" help:"How long each measurement takes, from 10ms to 10m."`
	TTL     time.Duration `name:"ttl" default:"10s" help:"TTL of the locks."`
	jsonFlag
}

// Help is what --help adds.
func (benchCmd) Help() string {
	return `Callers take, extend and give back locks of their own as fast as they can, first few, then many. Then several clients, each with connections of its own, want one and the same lock. Names begin with "redlock-bench:" and a random number, so that no lock of yours is touched; all are released at the end, also after Ctrl-C, which ends the measuring early. While it runs the nodes are busy: think before you measure nodes that others lock on.

Times include the network between here and the nodes. To compare with other libraries see "make bench" in the source of this project.

Exit code: 0, or 75 if too few nodes answered.

Examples:

    redlock bench --nodes 10.0.0.1:6379,10.0.0.2:6379,10.0.0.3:6379
    redlock bench --callers 1,512 --for 10s --json

The JSON document, times in milliseconds, has: nodes, ttl_ms, for_ms, interrupted, loads (a list of {callers, per_second, cycles, failures, failure, acquire, extend, release}), hand_off {clients, per_second, hand_overs, failures, failure, gap} if it was measured. acquire, extend, release and gap are {count, p50_ms, p99_ms, max_ms}; a gap is the time from the release of one client to the acquisition by another.`
}

const (
	shortestBench = 10 * time.Millisecond
	longestBench  = 10 * time.Minute
	mostCallers   = 10_000
	mostClients   = 64
)

// Validate says which value breaks a rule.
func (c benchCmd) Validate() error {
	if c.For < shortestBench || c.For > longestBench {
		return fmt.Errorf("--for %v is not from %v to %v", c.For, shortestBench, longestBench)
	}
	for _, callers := range c.Callers {
		if callers < 1 || callers > mostCallers {
			return fmt.Errorf("--callers %d is not from 1 to %d", callers, mostCallers)
		}
	}
	if c.Clients < 0 || c.Clients == 1 || c.Clients > mostClients {
		return fmt.Errorf("--clients %d is neither 0 nor from 2 to %d", c.Clients, mostClients)
	}
	return nil
}

// Run measures, and shows the figures.
func (c benchCmd) Run(w *world) error {
	urls, err := c.urls()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(w.ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	b := &bench{
		urls: urls, ttl: c.TTL, length: c.For, progress: newProgress(w.stderr),
		prefix: "redlock-bench:" + strconv.FormatUint(rand.Uint64(), 36) + ":", //nolint:gosec // it keeps names apart, and is no secret
	}
	p := benchReport{TTL: ms(c.TTL), For: ms(c.For)}
	err = b.measure(ctx, c, &p)
	b.progress.end()
	p.Interrupted = ctx.Err() != nil
	if err != nil && !p.Interrupted {
		return err
	}
	return c.report(w, p)
}

func (c benchCmd) report(w *world, p benchReport) error {
	var err error
	if c.JSON {
		err = writeJSON(w.stdout, p)
	} else {
		_, err = fmt.Fprint(w.stdout, p)
	}
	if err == nil && !p.Interrupted && !p.answered() {
		return exitWith(exitNotAcquired, nil)
	}
	return err
}

// A bench is what measurements share.
type bench struct {
	urls        []string
	ttl, length time.Duration
	prefix      string
	progress    *progress
}

// open makes a client of its own.
func (b *bench) open(ctx context.Context) (*redlock.Locker, error) {
	return redlock.Open(ctx, b.urls, redlock.WithTTL(b.ttl), redlock.WithMaxTTL(max(b.ttl, redlock.DefaultMaxTTL)), redlock.WithEvenNodes())
}

// measure takes all measurements, or those before ctx ended, and adds them to the report.
func (b *bench) measure(ctx context.Context, c benchCmd, p *benchReport) (err error) {
	locker, err := b.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, locker.Close()) }()
	if p.Nodes, err = b.reach(ctx, locker); err != nil {
		return err
	}
	for _, callers := range c.Callers {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		p.Loads = append(p.Loads, b.load(ctx, locker, callers))
	}
	if c.Clients == 0 || ctx.Err() != nil {
		return ctx.Err()
	}
	p.HandOff, err = b.handOff(ctx, c.Clients)
	return err
}

// reach sees that the nodes can be locked on, before everybody tries, and names them.
func (b *bench) reach(ctx context.Context, locker *redlock.Locker) ([]string, error) {
	lease, err := locker.TryAcquire(ctx, b.prefix+"reach")
	if err != nil {
		return nil, err
	}
	status, err := locker.Status(ctx, lease.Name())
	names := make([]string, len(status.Nodes))
	for i, node := range status.Nodes {
		names[i] = node.Node
	}
	return names, errors.Join(err, lease.Release(context.WithoutCancel(ctx)))
}
