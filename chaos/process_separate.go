package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// SeparateProcesses is a cluster of [Processes] whose clients are processes too: the real thing in small. It
// is a [Driver]. Make one with [NewSeparateProcesses].
//
// # Guarantee
//
// All events carry the time of one clock, CLOCK_MONOTONIC, which all processes of a machine share. A client
// writes an event out before what it announces, and after what it reports. [StopClient] is SIGSTOP, and begins
// once every thread stands still. A client that ends before it is told to, or without having done all, is an
// error of the run, whatever its exit code says. No client outlives the run, nor, on Linux, the process that runs it.
//
// # Limits
//
// It needs Linux; elsewhere Start fails. The cluster's seed chooses what the clients draw, not that of
// [Settings].
type SeparateProcesses struct {
	Processes

	command  []string
	children []*child
}

// NewSeparateProcesses returns a cluster whose clients are processes that run the command, which has to call
// [RunClient]. Without one it is this program once more, without arguments: its main, or its TestMain, calls
// RunClient first of all then.
func NewSeparateProcesses(seed uint64, command ...string) *SeparateProcesses {
	return &SeparateProcesses{Processes: *NewProcesses(seed), command: command}
}

// Kind returns "separate processes".
func (p *SeparateProcesses) Kind() string { return "separate processes" }

// Start runs the servers and the proxies. The clients start with [SeparateProcesses.Drive].
func (p *SeparateProcesses) Start(ctx context.Context, s Scenario, r *Recorder) error {
	if errNoTimeLine != nil {
		return errNoTimeLine
	}
	if len(p.command) == 0 {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("chaos: which program am I: %w", err)
		}
		p.command = []string{self}
	}
	if err := p.Processes.Start(ctx, s, r); err != nil {
		return err
	}
	for client := range p.clients {
		c := newChild(ClientName(client), r)
		p.children = append(p.children, c)
		p.clients[client] = c
	}
	return nil
}

// Drive runs one client until ctx ends.
func (p *SeparateProcesses) Drive(ctx context.Context, client int, nodes []int, calm <-chan struct{}) error {
	c := p.children[client]
	err := c.start(p.command, clientSpec{
		Client:    client,
		Clients:   p.load.Clients,
		Load:      p.loadName,
		Locks:     p.load.Locks,
		TTL:       p.load.TTL,
		Addresses: p.addresses(client, nodes),
		Origin:    p.origin,
		Seed:      p.seed,
	})
	if err != nil {
		return fmt.Errorf("chaos: starting %s: %w", c.name, err)
	}
	for {
		select {
		case <-calm:
			calm = nil
			c.calm()
		case <-c.ended:
			return c.failed(errors.New("it ended before it was told to"))
		case <-ctx.Done():
			return c.end(farewell + 2*p.load.TTL)
		}
	}
}

// farewell is how long a client may take for its end on a busy machine, beside what it waits for by its TTL.
const farewell = 20 * time.Second
