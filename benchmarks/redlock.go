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
	return inMemory{ours{name: "redlock in memory", about: "the library on nodes in its own process: no network, no Redis", opts: opts}}
}

type ours struct {
	name, about string
	opts        []redlock.Option
}

func (s ours) Name() string  { return s.name }
func (s ours) About() string { return s.about }
func (ours) Fits(int) bool   { return true }

func (s ours) Open(ctx context.Context, site Site) (Client, error) {
	urls := make([]string, len(site.Addrs))
	for i, addr := range site.Addrs {
		urls[i] = "redis://" + addr
	}
	return wrap(redlock.Open(ctx, urls, s.options(site)...))
}

func (s ours) options(site Site) []redlock.Option {
	return append([]redlock.Option{redlock.WithTTL(site.TTL)}, s.opts...)
}

// inMemory is ours without servers. Every client has nodes of its own.
type inMemory struct{ ours }

func (inMemory) Host(_ context.Context, nodes int) (Servers, error) {
	return nowhere{make([]string, nodes)}, nil
}

func (s inMemory) Open(_ context.Context, site Site) (Client, error) {
	clk := clock.System()
	opts := append(s.options(site), redlock.WithClock(clk))
	return wrap(redlock.NewWithNodes(memnode.Cluster(len(site.Addrs), clk), opts...))
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
