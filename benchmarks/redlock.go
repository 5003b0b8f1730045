package benchmarks

import (
	"context"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum/memnode"
	"github.com/quorumlock/quorumlock/redlock"
)

// Redlock is this project's lock on Redis servers, with its defaults but for opts: renewal is on.
func Redlock(name, about string, opts ...redlock.Option) Subject {
	return ours{name: name, about: about, opts: opts}
}

// InMemory is this project's lock on nodes in the memory of the process, which answer at once: what is left is
// the cost of the library itself, and of its nodes' maps.
func InMemory(opts ...redlock.Option) Subject {
	return ours{name: "redlock in memory", about: "the library on nodes in its own process: no network, no Redis", opts: opts, memory: true}
}

type ours struct {
	name, about string
	opts        []redlock.Option
	memory      bool
}

func (s ours) Name() string  { return s.name }
func (s ours) About() string { return s.about }
func (ours) Fits(int) bool   { return true }

func (s ours) Open(ctx context.Context, site Site) (Client, error) {
	opts := append([]redlock.Option{redlock.WithTTL(site.TTL)}, s.opts...)
	if s.memory {
		clk := clock.System()
		return wrap(redlock.NewWithNodes(memnode.Cluster(len(site.Addrs), clk), append(opts, redlock.WithClock(clk))...))
	}
	urls := make([]string, len(site.Addrs))
	for i, addr := range site.Addrs {
		urls[i] = "redis://" + addr
	}
	return wrap(redlock.Open(ctx, urls, opts...))
}

func wrap(l *redlock.Locker, err error) (Client, error) {
	if err != nil {
		return nil, err
	}
	return locker{l}, nil
}

type locker struct{ *redlock.Locker }

func (l locker) Acquire(ctx context.Context, name string) (Hold, error) {
	lease, err := l.Locker.Acquire(ctx, name)
	if err != nil {
		return nil, err
	}
	return lease, nil
}
