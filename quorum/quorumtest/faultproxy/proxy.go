// Package faultproxy is a TCP proxy in front of one Redis server that does to a connection what a bad
// network does: it delays, holds, resets and refuses, and it can pick single commands and replies.
//
// # Guarantee
//
// Bytes are never changed, invented or put in another order. Without a fault every byte gets
// through, and so does the end of a stream, each side for itself. What was sent before the client
// closed its connection reaches the server, however long it is held; only a reset loses it. A fault
// that took effect is in the log ([Proxy.Events], [Proxy.Count]), so that a test can tell that it
// tested something. All randomness comes from the seed, and each connection draws from its own.
//
// # Assumptions
//
// Clients speak RESP and get one reply per command, which holds for everything but subscriptions,
// MONITOR and CLIENT REPLY. Where a stream cannot be parsed, or has frames over 64 KiB, its bytes
// pass as they are, and faults of commands leave that connection alone from there on.
//
// # Limits
//
// The kernel completes connections in the proxy's name: a held or refusing proxy is connected to,
// and then silent, or reset. Each direction of a connection keeps at most 256 commands, replies or
// reads, 16 MiB in all; beyond that the sender's own buffers fill, as they do in a partition. Time
// is real time: sockets do not work in synctest bubbles.
//
// # Lifetimes
//
// A connection has up to five goroutines, the proxy one. [Proxy.Close] ends and joins them.
package faultproxy

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// A Proxy forwards connections to one server. [Start] makes one; its zero value is not usable.
// Faults can be turned on and off at any time. All methods may be called from several goroutines.
type Proxy struct {
	upstream string
	seed     uint64
	listener net.Listener
	log      *eventLog

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu     sync.Mutex
	opened int // connections so far
	links  map[*link]struct{}
	faults faults
}

// Start listens on a free port of 127.0.0.1 and forwards to upstream, "host:port". The server need
// not be there yet: a connection to one that is not is reset.
func Start(upstream string, seed uint64) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("faultproxy: %w", err)
	}
	p := &Proxy{
		upstream: upstream, seed: seed, listener: l, log: newEventLog(),
		links: make(map[*link]struct{}), faults: faults{changed: make(chan struct{})},
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.work.Go(p.accept)
	return p, nil
}

// Addr returns the address to connect to, "127.0.0.1:port".
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Close ends every connection, with what is still held, and joins all goroutines. Calls after the
// first do nothing.
func (p *Proxy) Close() error {
	select {
	case <-p.ctx.Done():
		return nil
	default:
	}
	p.cancel()
	err := p.listener.Close()
	p.endAll(closing)
	p.work.Wait()
	return err
}

// accept takes connections until the proxy is closed.
func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		switch {
		case p.ctx.Err() != nil:
			if err == nil {
				_ = conn.Close()
			}
			return
		case err != nil: // out of files, or of memory: both pass
			p.pause(10 * time.Millisecond)
		default:
			p.work.Go(func() { p.serve(conn.(*net.TCPConn)) })
		}
	}
}

// pause waits for d, or for Close.
func (p *Proxy) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.ctx.Done():
	}
}

// serve joins a client to the server, or turns it away.
func (p *Proxy) serve(client *net.TCPConn) {
	id, refused := p.open()
	if refused {
		p.log.add(Event{Fault: Refused, Conn: id})
		reset(client)
		return
	}
	server, err := new(net.Dialer).DialContext(p.ctx, "tcp", p.upstream)
	if err != nil {
		p.log.add(Event{Fault: Unreachable, Conn: id})
		reset(client)
		return
	}
	newLink(p, id, client, server.(*net.TCPConn)).run()
}

// open numbers a connection.
func (p *Proxy) open() (id int, refused bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.opened++
	return p.opened, p.faults.refuse
}

// endAll ends every connection that is open now.
func (p *Proxy) endAll(how ending) int {
	p.mu.Lock()
	links := make([]*link, 0, len(p.links))
	for l := range p.links {
		links = append(links, l)
	}
	p.mu.Unlock()
	for _, l := range links {
		if how == resetting {
			p.log.add(Event{Fault: WasReset, Conn: l.id})
		}
		l.end(how)
	}
	return len(links)
}

// reset closes a connection so that its peer sees a reset and not an end.
func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0)
	_ = conn.Close()
}
