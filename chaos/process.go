package chaos

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/chaos/internal/dice"
	"github.com/quorumlock/quorumlock/quorum/quorumtest/redisserver"
)

// Processes is a [Cluster] of real redis-server processes on the loopback interface, each client's way to each
// of them through a TCP proxy of its own, and of clients in this process. Make one with [NewProcesses], or with
// [NewSeparateProcesses] for clients in processes of their own.
//
// # Guarantee
//
// A fault is told as ended only after it is: a killed server is gone and answers again, a stopped one stands
// still and runs again. [FaultMet] is told of a fault that the proxies saw at work: a message that was held or
// delayed, a lost reply, a broken connection, a command sent to a paused server, a connection that a dead one
// did not accept.
//
// # Assumptions
//
// redis-server is on the PATH; without it Start fails with [redisserver.ErrNoBinary]. It writes every change
// to disk before it answers, so that [Kill] keeps the memory.
//
// # Limits
//
// Time is the machine's, CLOCK_MONOTONIC on Linux, so a seed chooses what goes wrong and not what comes of
// it: the same seed twice is not the same history. Nobody can turn the clocks of servers and clients
// ([ClockRate], [ClockStep], [ClientRate], [SuspendClient]), and a TCP connection repeats nothing
// ([Duplicate]): these are [ErrCannot], at the start already. Changes of keys are not told, since a server
// does not say what was there before: [OwnerOnly] has nothing to judge here, and is for simulations, and
// [EveryKeyExpires] judges what is found at the end.
type Processes struct {
	seed     uint64
	origin   time.Duration
	recorder *Recorder
	loadName string
	load     Load
	nodes    []*processNode
	links    [][]*processLink // by client, and by node
	clients  []processClient
}

// A processClient is a client that can be stopped.
type processClient interface {
	// stop lets it stand still, and returns what lets it go on. Stops may overlap.
	stop(ctx context.Context) (goOn func() error, err error)
}

// NewProcesses returns a cluster whose clients work in this process. The seed chooses the jitter of delays.
func NewProcesses(seed uint64) *Processes {
	return &Processes{seed: seed, origin: monotonic()}
}

// Kind returns "processes".
func (p *Processes) Kind() string { return "processes" }

// Now is the time since the cluster was made.
func (p *Processes) Now() time.Duration { return monotonic() - p.origin }

// Start runs the servers and the proxies.
func (p *Processes) Start(ctx context.Context, s Scenario, r *Recorder) error {
	for _, f := range s.Schedule {
		if err := p.can(f); err != nil {
			return err
		}
	}
	p.recorder, p.loadName, p.load = r, s.Name, s.Load
	servers, err := redisserver.StartFleet(ctx, s.Nodes, redisserver.WithPersistence())
	if err != nil {
		return err
	}
	for i, server := range servers {
		p.nodes = append(p.nodes, &processNode{name: NodeName(i), server: server, recorder: r})
	}
	for _, n := range p.nodes {
		if err := n.prepare(ctx); err != nil {
			return err
		}
	}
	for client := range s.Load.Clients {
		if err := p.connect(client); err != nil {
			return err
		}
		p.clients = append(p.clients, &stoppable{machine: newMachine(), links: p.links[client]})
	}
	return nil
}

// proxyDraws tells the draws of proxies from all others of a run.
const proxyDraws = 2

// connect makes the client's way to each node.
func (p *Processes) connect(client int) error {
	links := make([]*processLink, 0, len(p.nodes))
	defer func() { p.links = append(p.links, links) }() // also a part of them, for Close
	for i, n := range p.nodes {
		seed := dice.New(p.seed, uint64(client), uint64(i), proxyDraws) //nolint:gosec // they are not negative
		l, err := newProcessLink(client, n, uint64(seed), p.recorder)
		if err != nil {
			return err
		}
		links = append(links, l)
	}
	return nil
}

// Join returns the addresses of the client's proxies, and a machine that [StopClient] stops.
func (p *Processes) Join(client int, nodes []int) (Member, error) {
	s, ok := p.clients[client].(*stoppable)
	if !ok {
		return Member{}, errors.New("chaos: the clients of this cluster are processes of their own")
	}
	member := Member{Client: client, Clock: s.machine, machine: s.machine}
	for _, addr := range p.addresses(client, nodes) {
		member.Redis = append(member.Redis, &redis.Options{Addr: addr})
	}
	return member, nil
}

func (p *Processes) addresses(client int, nodes []int) []string {
	var list []string
	for _, node := range nodes {
		list = append(list, p.links[client][node].proxy.Addr())
	}
	return list
}

// Look asks every server, past the proxies, which locks it keeps, and tells of those that are still there when
// the load's TTL is over: a client whose release did not get through, as on a busy machine, rightly leaves its
// keys until then. Keys that this project's lock keeps as records of its own are no locks.
func (p *Processes) Look(ctx context.Context) error {
	for patience := p.Now() + p.load.TTL + lookPause; ; {
		found, err := p.glance(ctx)
		if err != nil {
			return err
		}
		if len(found) == 0 || p.Now() > patience {
			for _, e := range found {
				p.recorder.Append(e)
			}
			return nil
		}
		if err := sleep(ctx, lookPause); err != nil {
			return err
		}
	}
}

// lookPause is the time between two glances at the servers.
const lookPause = 50 * time.Millisecond

// glance returns what the servers keep now.
func (p *Processes) glance(ctx context.Context) ([]Event, error) {
	var (
		found []Event
		errs  []error
	)
	for _, n := range p.nodes {
		keys, err := n.keys(ctx)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", n.name, err))
		}
		found = append(found, keys...)
	}
	return found, errors.Join(errs...)
}

// Close ends the proxies and the servers, and removes what they wrote.
func (p *Processes) Close() error {
	var errs []error
	for _, links := range p.links {
		for _, l := range links {
			errs = append(errs, l.proxy.Close())
		}
	}
	for _, n := range p.nodes {
		errs = append(errs, n.server.Close())
	}
	return errors.Join(errs...)
}

// A stoppable is a client in this process. One that stands still does not talk, either.
type stoppable struct {
	machine *machine
	links   []*processLink
}

func (s *stoppable) stop(context.Context) (goOn func() error, err error) {
	wake := s.machine.halt(false)
	releases := make([]func(), 0, len(s.links))
	for _, l := range s.links {
		releases = append(releases, l.hold(both))
	}
	return func() error {
		wake()
		for _, release := range releases {
			release()
		}
		return nil
	}, nil
}

// together calls every function at once, and returns every error.
func together(functions []func() error) error {
	errs := make([]error, len(functions))
	var work sync.WaitGroup
	for i, f := range functions {
		work.Go(func() { errs[i] = f() })
	}
	work.Wait()
	return errors.Join(errs...)
}
