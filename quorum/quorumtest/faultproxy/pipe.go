package faultproxy

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"time"
)

// maxChunks bounds what a pipe keeps, together with maxFrame.
const maxChunks = 256

// A chunk is what a pipe keeps in one piece: a command, a reply, or bytes that are neither; or, last,
// the end of the stream.
type chunk struct {
	bytes   []byte
	command string       // its name, for the log
	due     time.Time    // not before that, if not zero
	held    *HeldCommand // not before that is released, if not nil
	heldFor time.Time    // or not before that, if not zero
	dropped bool         // a reply that must not arrive
	end     bool
	reset   bool // the stream ended by a reset
}

// A pipe carries one direction of a link. One goroutine reads and decides what happens to each chunk;
// another waits as long as the faults say, and writes.
type pipe struct {
	link     *link
	dir      Direction
	src, dst *net.TCPConn
	chunks   chan chunk
	rng      *rand.Rand

	replies int       // read so far, in a pipe to the client
	due     time.Time // of the latest chunk: none overtakes another
}

// read takes bytes from src until that ends, or the link is over.
func (p *pipe) read() {
	defer close(p.chunks)
	frames := splitter{length: requestLen}
	if p.dir == ToClient {
		frames.length = frameLen
	}
	block := make([]byte, 32<<10)
	for {
		n, err := p.src.Read(block)
		frames.write(block[:n])
		for frame := frames.next(); len(frame) > 0; frame = frames.next() {
			if !p.push(p.chunk(frame, frames.raw)) {
				return
			}
		}
		if err != nil {
			p.pushEnd(frames.rest(), err)
			return
		}
	}
}

// pushEnd passes on what is left of an unfinished frame, and the end of the stream.
func (p *pipe) pushEnd(rest []byte, err error) {
	if len(rest) > 0 && !p.push(chunk{bytes: rest}) {
		return
	}
	p.push(chunk{end: true, reset: !errors.Is(err, io.EOF)})
}

// chunk makes a chunk of a frame, and applies the faults that pick single ones.
func (p *pipe) chunk(frame []byte, raw bool) chunk {
	c := chunk{bytes: frame}
	switch {
	case raw:
	case p.dir == ToClient:
		if !isPush(frame) {
			p.replies++
		}
		c.dropped = p.link.isDoomed(p.replies)
	default:
		p.inspect(&c)
	}
	return c
}

// inspect looks at a command on its way to the server.
func (p *pipe) inspect(c *chunk) {
	command := parseCommand(c.bytes)
	if len(command) == 0 {
		return
	}
	p.link.count(command)
	c.command = command.Name()
	c.held, c.heldFor = p.link.proxy.takeHold(command)
}

// push queues a chunk, unless the link is over.
func (p *pipe) push(c chunk) bool {
	c.due = p.schedule()
	select {
	case p.chunks <- c:
		return true
	case <-p.link.over:
		return false
	}
}

// schedule returns when the chunk that was just read may be delivered.
func (p *pipe) schedule() time.Time {
	delay := p.link.proxy.delay(p.dir, p.rng)
	if delay <= 0 && p.due.IsZero() {
		return time.Time{}
	}
	if due := time.Now().Add(delay); due.After(p.due) {
		p.due = due
	}
	return p.due
}

// deliver writes to dst what was read, once its time has come.
func (p *pipe) deliver() {
	deaf := false // nobody hears what is written any more
	for c := range p.chunks {
		if !p.awaitTurn(c) {
			return
		}
		switch {
		case c.end:
			p.deliverEnd(c.reset)
		case deaf:
		case c.dropped:
			deaf = true
			p.drop()
		default:
			_, err := p.dst.Write(c.bytes)
			deaf = err != nil // the other direction learns it from its own read
		}
	}
}

// deliverEnd passes the end of a stream on. A client that has closed, or only its sending half, may
// have replies to come; a server that has closed has not. A reset by the client does not reach the
// server as one, since that would lose what the server has not read.
func (p *pipe) deliverEnd(wasReset bool) {
	switch {
	case p.dir == ToServer:
		_ = p.dst.CloseWrite()
	case wasReset:
		p.link.end(resetting)
	default:
		p.link.end(closing)
	}
}

// drop does what happens instead of a reply.
func (p *pipe) drop() {
	p.link.proxy.log.add(Event{Fault: ReplyDropped, Conn: p.link.id, Direction: p.dir})
	p.link.mu.Lock()
	then := p.link.then
	p.link.mu.Unlock()
	if then == ThenReset {
		p.link.end(resetting)
	}
}

// awaitTurn returns once no fault keeps the chunk any more: its own delay first, then what holds the
// command, then what holds the direction. It returns false if the link is over before.
func (p *pipe) awaitTurn(c chunk) bool {
	if wait := time.Until(c.due); !c.due.IsZero() && wait > 0 {
		p.note(Delayed, c)
		if !p.await(nil, c.due) {
			return false
		}
	}
	if c.held != nil {
		p.note(CommandHeld, c)
		if !p.await(c.held.released, c.heldFor) {
			return false
		}
	}
	return p.awaitGate(c)
}

// awaitGate waits until the direction is open.
func (p *pipe) awaitGate(c chunk) bool {
	noted := false
	for {
		closed, until, changed := p.link.proxy.gate(p.dir)
		if !closed {
			return true
		}
		if !noted {
			p.note(Held, c)
			noted = true
		}
		if !p.await(changed, until) {
			return false
		}
	}
}

// await returns true on a signal or at an instant, whichever comes first and is set, and false if
// the link is over before.
func (p *pipe) await(signal <-chan struct{}, until time.Time) bool {
	var timeout <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case <-signal:
	case <-timeout:
	case <-p.link.over:
		return false
	}
	return true
}

// note logs that a fault keeps the chunk.
func (p *pipe) note(f Fault, c chunk) {
	p.link.proxy.log.add(Event{Fault: f, Conn: p.link.id, Direction: p.dir, Command: c.command, Bytes: len(c.bytes)})
}
