package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/memnode"
	"github.com/quorumlock/quorumlock/quorum/quorumtest/redisserver"
	"github.com/quorumlock/quorumlock/redlock"
)

// A machine is a node as its operator sees it.
type machine interface {
	Addr() string
	Pause() error
	Resume() error
	Kill() error
	Restart(ctx context.Context) error
	Close() error
}

// A cluster is the nodes of the demo. Whoever started it closes it.
type cluster struct {
	kind     string // what the nodes are
	fallback bool   // servers were wanted, and there are none
	clock    clock.Clock
	machines []machine
	locker   func(opts ...redlock.Option) (*redlock.Locker, error)
}

// startCluster starts size nodes: real servers where there are any and inMemory is not asked for.
func startCluster(ctx context.Context, size int, inMemory bool) (*cluster, error) {
	if inMemory {
		return memoryCluster(size), nil
	}
	servers, err := redisserver.StartFleet(ctx, size, redisserver.WithPersistence())
	if errors.Is(err, redisserver.ErrNoBinary) {
		c := memoryCluster(size)
		c.fallback = true
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	return serverCluster(servers), nil
}

func serverCluster(servers []*redisserver.Server) *cluster {
	c := &cluster{kind: kindServers, clock: clock.System()}
	nodes := make([]*redis.Options, len(servers))
	for i, s := range servers {
		c.machines = append(c.machines, s)
		nodes[i] = &redis.Options{Addr: s.Addr()}
	}
	c.locker = func(opts ...redlock.Option) (*redlock.Locker, error) {
		return redlock.New(nodes, append(opts, redlock.WithClock(c.clock))...)
	}
	return c
}

func memoryCluster(size int) *cluster {
	c := &cluster{kind: kindMemory, clock: clock.System()}
	nodes := make([]*memnode.Node, size)
	for i := range nodes {
		nodes[i] = memnode.New(fmt.Sprintf("memory-%d", i+1), c.clock)
		c.machines = append(c.machines, memoryMachine{nodes[i]})
	}
	c.locker = func(opts ...redlock.Option) (*redlock.Locker, error) {
		views := make([]quorum.Node, size)
		for i, node := range nodes {
			views[i] = view{node}
		}
		return redlock.NewWithNodes(views, append(opts, redlock.WithClock(c.clock))...)
	}
	return c
}

const (
	kindServers = "redis-server"
	kindMemory  = "memory"
)

// names are the nodes' addresses.
func (c *cluster) names() []string {
	names := make([]string, len(c.machines))
	for i, m := range c.machines {
		names[i] = m.Addr()
	}
	return names
}

// close ends every node and removes what it wrote.
func (c *cluster) close() error {
	errs := make([]error, len(c.machines))
	for i, m := range c.machines {
		errs[i] = m.Close()
	}
	return errors.Join(errs...)
}

// A view is a node in memory as one of several Lockers has it: closing one does not close the node.
type view struct{ *memnode.Node }

func (view) Close() error { return nil }

// A memoryMachine is a node in memory.
type memoryMachine struct{ node *memnode.Node }

func (m memoryMachine) Addr() string { return m.node.Name() }

func (m memoryMachine) Pause() error {
	m.node.Pause()
	return nil
}

func (m memoryMachine) Resume() error {
	m.node.Resume()
	return nil
}

func (m memoryMachine) Kill() error {
	m.node.Kill(true)
	return nil
}

func (m memoryMachine) Restart(context.Context) error {
	m.node.Restart()
	return nil
}

func (m memoryMachine) Close() error { return m.node.Close() }
