package redisnode

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// A dialer makes the connections of one node.
//
// It hands out connections that are not open yet, and each dials when it is first used. The client
// library dials in the background and prints every failure; after some failures it fails all calls
// until a loop of its own, which outlives the client, has got through. With a connection that always
// "opens", a failed dial is the error of the one command that needed it, within that command's
// deadline, and the next command dials again.
type dialer struct {
	dial    dialFunc
	timeout time.Duration
	base    context.Context // ends with the node
	stop    context.CancelFunc

	mu      sync.Mutex
	stopped bool           // no dial starts any more
	dials   sync.WaitGroup // grows under mu only
}

func newDialer(opts *redis.Options) *dialer {
	d := &dialer{dial: opts.Dialer, timeout: dialLimit(opts)}
	d.base, d.stop = context.WithCancel(context.Background())
	if d.dial == nil {
		d.dial = netDial(opts.TLSConfig)
	}
	return d
}

// netDial returns the dial for callers that brought none. Unlike the client library's, it honours its
// ctx during a TLS handshake.
func netDial(config *tls.Config) dialFunc {
	plain := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 30 * time.Second, Interval: 5 * time.Second, Count: 3,
	}}
	if config == nil {
		return plain.DialContext
	}
	return (&tls.Dialer{NetDialer: plain, Config: config}).DialContext
}

// connect returns a connection that is not open yet.
func (d *dialer) connect(network, addr string) *conn {
	c := &conn{dialer: d, network: network, addr: addr}
	c.ctx, c.cancel = context.WithCancel(d.base)
	return c
}

// join waits for all dials and lets none start. Call stop first.
func (d *dialer) join() {
	d.mu.Lock()
	d.stopped = true
	d.mu.Unlock()
	d.dials.Wait()
}

func (d *dialer) begin() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return false
	}
	d.dials.Add(1)
	return true
}

// A dialed is the outcome of a dial.
type dialed struct {
	conn net.Conn
	err  error
}

// open dials, until ctx ends, the deadline or the dial timeout passes. It returns then even if the
// dial does not, and a connection that comes late is closed.
func (d *dialer) open(ctx context.Context, network, addr string, deadline time.Time) (net.Conn, error) {
	if !d.begin() {
		return nil, net.ErrClosed
	}
	by := time.Now().Add(d.timeout)
	if !deadline.IsZero() && deadline.Before(by) {
		by = deadline
	}
	ctx, cancel := context.WithDeadline(ctx, by)
	defer cancel()
	done := make(chan dialed)
	go func() {
		defer d.dials.Done()
		c, err := d.dial(ctx, network, addr)
		select {
		case done <- dialed{c, err}:
		case <-ctx.Done():
			if c != nil {
				_ = c.Close()
			}
		}
	}()
	select {
	case r := <-done:
		return r.conn, r.err
	case <-ctx.Done():
		return nil, dialEnded(ctx, network)
	}
}

// dialEnded is the error of a dial that was given up.
func dialEnded(ctx context.Context, network string) error {
	cause := net.ErrClosed
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		cause = os.ErrDeadlineExceeded
	}
	return &net.OpError{Op: "dial", Net: network, Err: cause}
}

// A layerError stands in the place of an I/O error. The client library strips one layer off the errors
// that come up while a connection is made ready, and this is the one to strip.
type layerError struct{ err error }

func (e *layerError) Error() string { return e.err.Error() }
func (e *layerError) Unwrap() error { return e.err }

// A conn is a connection that dials when it is first read or written. As for any net.Conn, deadlines
// and Close may be called from anywhere; here, only one goroutine does I/O, as the client library
// uses it.
type conn struct {
	dialer        *dialer
	network, addr string
	ctx           context.Context // ends with Close
	cancel        context.CancelFunc

	mu      sync.Mutex
	real    net.Conn // nil until it is open
	failed  error    // of the dial
	closed  bool
	readBy  time.Time
	writeBy time.Time

	heard   bool  // something was read; of the goroutine that does I/O
	refusal error // what that was, if the server turned the connection away
}

func (c *conn) Write(b []byte) (int, error) {
	real, err := c.open()
	if err != nil {
		return 0, err
	}
	n, err := real.Write(b)
	return n, c.explain(err)
}

func (c *conn) Read(b []byte) (int, error) {
	real, err := c.open()
	if err != nil {
		return 0, err
	}
	n, err := real.Read(b)
	if !c.heard && n > 0 {
		c.heard, c.refusal = true, refusal(b[:n])
	}
	return n, c.explain(err)
}

// explain returns the server's reason where a connection breaks that it turned away. The client
// library takes that reason for a reply to its HELLO, and goes on to a bare EOF.
func (c *conn) explain(err error) error {
	if err != nil && c.refusal != nil {
		return &layerError{c.refusal}
	}
	return err
}

// refusal returns the error that a server writes before it closes a connection it does not want, or
// nil if reply is another.
func refusal(reply []byte) error {
	line, _, _ := bytes.Cut(reply, []byte("\r\n"))
	for _, start := range []string{"-ERR max number of clients", "-DENIED "} {
		if bytes.HasPrefix(line, []byte(start)) {
			return serverError(line[1:])
		}
	}
	return nil
}

// open returns the real connection, which the first call dials.
func (c *conn) open() (net.Conn, error) {
	real, by, err := c.state()
	if real != nil || err != nil {
		return real, err
	}
	real, err = c.dialer.open(c.ctx, c.network, c.addr, by)
	if err != nil {
		err = &layerError{err}
	}
	return c.opened(real, err)
}

// state returns the real connection or why there will be none; if neither is known yet, a dial has
// until dialBy.
func (c *conn) state() (real net.Conn, dialBy time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, time.Time{}, net.ErrClosed
	}
	return c.real, c.writeBy, c.failed
}

// opened records the outcome of the dial. Close may have come in between.
func (c *conn) opened(real net.Conn, err error) (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil && c.closed {
		_ = real.Close()
		err = net.ErrClosed
	}
	if err != nil {
		c.failed = err
		return nil, err
	}
	_ = real.SetReadDeadline(c.readBy)
	_ = real.SetWriteDeadline(c.writeBy)
	c.real = real
	// The end of the node ends reads that nothing else would end before their deadline.
	context.AfterFunc(c.ctx, func() { _ = real.Close() })
	return real, nil
}

func (c *conn) Close() error {
	c.cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.real == nil {
		return nil
	}
	if err := c.real.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

func (c *conn) SetDeadline(t time.Time) error { return c.setDeadlines(&t, &t) }

func (c *conn) SetReadDeadline(t time.Time) error { return c.setDeadlines(&t, nil) }

func (c *conn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(nil, &t) }

// setDeadlines passes deadlines on, or keeps them for the connection to come.
func (c *conn) setDeadlines(read, write *time.Time) (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if read != nil {
		c.readBy = *read
		if c.real != nil {
			err = c.real.SetReadDeadline(*read)
		}
	}
	if write != nil && err == nil {
		c.writeBy = *write
		if c.real != nil {
			err = c.real.SetWriteDeadline(*write)
		}
	}
	return err
}

// roomy reports whether a small write to an idle connection does not block, as the kernel takes it in. Nothing
// is known about connections of a Dialer that are no sockets.
func (c *conn) roomy() bool {
	real, _, _ := c.state()
	switch real.(type) {
	case *net.TCPConn, *net.UnixConn, *tls.Conn:
		return true
	}
	return false
}

// ended reports whether the other side has ended the connection and that is all there is to read. It does
// not disturb a read under way.
func (c *conn) ended() bool {
	real, _, _ := c.state()
	if secure, ok := real.(*tls.Conn); ok {
		real = secure.NetConn()
	}
	socket, ok := real.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return true
	}
	over := false
	err = raw.Control(func(fd uintptr) { over = atEnd(fd) })
	return over && err == nil
}

func (c *conn) LocalAddr() net.Addr {
	if real, _, _ := c.state(); real != nil {
		return real.LocalAddr()
	}
	return address{c}
}

func (c *conn) RemoteAddr() net.Addr {
	if real, _, _ := c.state(); real != nil {
		return real.RemoteAddr()
	}
	return address{c}
}

// address stands in for the addresses of a connection that is not open.
type address struct{ c *conn }

func (a address) Network() string { return a.c.network }
func (a address) String() string  { return a.c.addr }

// SyscallConn lets the client library look for a connection that died while idle. Where there is no
// socket to look at, or only one below TLS, it sees nothing amiss.
func (c *conn) SyscallConn() (syscall.RawConn, error) {
	real, _, err := c.state()
	if err != nil {
		return nil, err
	}
	if socket, ok := real.(syscall.Conn); ok {
		return socket.SyscallConn()
	}
	return noSocket{}, nil
}

type noSocket struct{}

func (noSocket) Control(func(uintptr)) error    { return nil }
func (noSocket) Read(func(uintptr) bool) error  { return nil }
func (noSocket) Write(func(uintptr) bool) error { return nil }
