package fakeredis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// A conn is one end of a connection, and a [net.Conn].
type conn struct {
	cable   *cable
	in, out *wire
	name    peer // of this end

	closed  bool  // guarded by the link's mu, as is the next
	writeBy int64 // deadline, or 0
}

// A peer names an end of a connection.
type peer string

// Network returns "fake".
func (peer) Network() string { return "fake" }

func (p peer) String() string { return string(p) }

func (c *conn) LocalAddr() net.Addr { return c.name }

func (c *conn) RemoteAddr() net.Addr { return c.other().name }

func (c *conn) other() *conn {
	if c == c.cable.near {
		return c.cable.far
	}
	return c.cable.near
}

// failure makes err what a network connection returns.
func (c *conn) failure(op string, err error) error {
	return &net.OpError{Op: op, Net: c.name.Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// Read returns bytes that have arrived, or waits for some. An end of the stream is a bare [io.EOF].
func (c *conn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	w := c.in
	w.turn <- struct{}{}
	defer func() { <-w.turn }()
	for {
		n, again, err := c.tryRead(b)
		if !again {
			return n, err
		}
		w.wait(nil)
	}
}

func (c *conn) tryRead(b []byte) (n int, again bool, err error) {
	mu := &c.cable.link.mu
	mu.Lock()
	defer mu.Unlock()
	s, err := c.in.front()
	if s != nil {
		n, err = c.in.take(s, b)
	}
	if err != nil && !isEOF(err) {
		err = c.failure("read", err)
	}
	return n, s == nil && err == nil, err
}

// wait returns when there may be something to do, or true when done is closed.
func (w *wire) wait(done <-chan struct{}) bool {
	select {
	case <-w.timer.C:
	case <-w.kick:
	case <-done:
		return true
	}
	return false
}

// await returns the next signal, until ctx ends.
func (c *conn) await(ctx context.Context) (signal, error) {
	for {
		s, err := c.trySignal()
		if s != bytesOnly || err != nil {
			return s, err
		}
		if c.in.wait(ctx.Done()) {
			return bytesOnly, ctx.Err()
		}
	}
}

func (c *conn) trySignal() (signal, error) {
	mu := &c.cable.link.mu
	mu.Lock()
	defer mu.Unlock()
	s, err := c.in.front()
	switch {
	case err != nil:
		return bytesOnly, err
	case s == nil:
		return bytesOnly, nil
	case s.signal == resetting:
		return bytesOnly, syscall.ECONNRESET
	}
	said := s.signal
	c.in.pop()
	return said, nil
}

// Write sends b as one message, and never waits.
func (c *conn) Write(b []byte) (int, error) {
	mu := &c.cable.link.mu
	mu.Lock()
	defer mu.Unlock()
	switch {
	case c.closed:
		return 0, c.failure("write", net.ErrClosed)
	case c.writeBy != 0 && c.writeBy <= now():
		return 0, c.failure("write", os.ErrDeadlineExceeded)
	case c.in.isReset():
		return 0, c.failure("write", syscall.ECONNRESET)
	case len(b) > 0:
		c.out.send(segment{data: bytes.Clone(b)})
	}
	return len(b), nil
}

// signal sends what is no bytes.
func (c *conn) signal(s signal) {
	mu := &c.cable.link.mu
	mu.Lock()
	defer mu.Unlock()
	if !c.closed {
		c.out.send(segment{signal: s})
	}
}

// Close ends this end. What it has written still arrives.
func (c *conn) Close() error {
	mu := &c.cable.link.mu
	mu.Lock()
	defer mu.Unlock()
	if c.closed {
		return c.failure("close", net.ErrClosed)
	}
	c.end(closing, net.ErrClosed)
	return nil
}

// end closes this end, tells the other by a last signal, and lets this one read err. The caller holds
// the link's mu.
func (c *conn) end(last signal, err error) {
	c.closed = true
	c.out.send(segment{signal: last})
	c.in.deafen(err)
	c.cable.ended()
}

// SetDeadline sets both deadlines.
func (c *conn) SetDeadline(t time.Time) error { return c.setDeadlines(t, true, true) }

// SetReadDeadline is for reads under way, too.
func (c *conn) SetReadDeadline(t time.Time) error { return c.setDeadlines(t, true, false) }

// SetWriteDeadline makes writes fail from then on; no write ever waits.
func (c *conn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, false, true) }

func (c *conn) setDeadlines(t time.Time, read, write bool) error {
	mu := &c.cable.link.mu
	mu.Lock()
	defer mu.Unlock()
	if c.closed {
		return c.failure("set", net.ErrClosed)
	}
	by := nanos(t)
	if write {
		c.writeBy = by
	}
	if read {
		c.in.readBy = by
		c.in.arm(now())
	}
	return nil
}

// nanos is a deadline in the network's time, and 0 for none, which those far away count as.
func nanos(t time.Time) int64 {
	const tooFar = 1 << 33 // seconds since 1970; they still fit into nanoseconds
	if t.IsZero() || t.Unix() > tooFar {
		return 0
	}
	return max(t.UnixNano(), 1)
}

// SyscallConn lets the client library see, before it uses a connection that was idle, that the other
// end is gone, or that there are bytes nobody asked for.
func (c *conn) SyscallConn() (syscall.RawConn, error) { return idle{c}, nil }

// An idle connection has no socket to look at, so it looks itself.
type idle struct{ c *conn }

func (idle) Control(func(uintptr)) error    { return errNoSocket }
func (idle) Write(func(uintptr) bool) error { return errNoSocket }

func (i idle) Read(func(uintptr) bool) error {
	mu := &i.c.cable.link.mu
	mu.Lock()
	defer mu.Unlock()
	s, err := i.c.in.front()
	if s != nil {
		err = fmt.Errorf("%d bytes and signal %d on an idle connection", len(s.data), s.signal)
	}
	return err
}

var errNoSocket = errors.New("fakeredis: a connection in memory has no socket")
