package faultproxy_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/quorum/quorumtest/faultproxy"
)

// patience bounds what has to happen; glimpse is how long a test looks at what must not.
const (
	patience = 10 * time.Second
	glimpse  = 30 * time.Millisecond
)

// An echo is a server that answers a command with its last argument and remembers what it carried
// out, in order.
type echo struct {
	listener net.Listener
	work     sync.WaitGroup

	mu   sync.Mutex
	done []string
	open map[net.Conn]bool
}

func startEcho(t *testing.T) *echo {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{listener: l, open: make(map[net.Conn]bool)}
	e.work.Go(e.accept)
	t.Cleanup(func() {
		l.Close()
		e.closeAll()
		e.work.Wait()
	})
	return e
}

func (e *echo) accept() {
	for {
		conn, err := e.listener.Accept()
		if err != nil {
			return
		}
		e.mu.Lock()
		e.open[conn] = true
		e.mu.Unlock()
		e.work.Go(func() { e.serve(conn) })
	}
}

func (e *echo) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for {
		args, err := readArray(r)
		if err != nil {
			return
		}
		e.mu.Lock()
		e.done = append(e.done, args[len(args)-1])
		e.mu.Unlock()
		_, _ = fmt.Fprintf(conn, "+%s\r\n", args[len(args)-1])
	}
}

// closeAll ends all connections from the server's side.
func (e *echo) closeAll() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for conn := range e.open {
		conn.Close()
	}
}

// carriedOut returns what was carried out so far.
func (e *echo) carriedOut() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.done)
}

// readArray reads an array of bulk strings.
func readArray(r *bufio.Reader) ([]string, error) {
	n, err := readSize(r, '*')
	if err != nil {
		return nil, err
	}
	args := make([]string, n)
	for i := range args {
		size, err := readSize(r, '$')
		if err != nil {
			return nil, err
		}
		b := make([]byte, size+2)
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, err
		}
		args[i] = string(b[:size])
	}
	return args, nil
}

func readSize(r *bufio.Reader, kind byte) (int, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return 0, err
	}
	if line[0] != kind {
		return 0, fmt.Errorf("line %q, want %c", line, kind)
	}
	return strconv.Atoi(strings.TrimSpace(line[1:]))
}

// setup is an echo behind a proxy. Nothing of them is left when the test ends.
func setup(t *testing.T) (*echo, *faultproxy.Proxy) {
	t.Helper()
	quorumtest.NoLeaks(t)
	e := startEcho(t)
	return e, startProxy(t, e.listener.Addr().String())
}

func startProxy(t *testing.T, upstream string) *faultproxy.Proxy {
	t.Helper()
	p, err := faultproxy.Start(upstream, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return p
}

// A client is one raw connection.
type client struct {
	*testing.T
	*net.TCPConn
	replies *bufio.Reader
}

func dial(t *testing.T, p *faultproxy.Proxy) *client {
	t.Helper()
	conn, err := net.DialTimeout("tcp", p.Addr(), patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &client{T: t, TCPConn: conn.(*net.TCPConn), replies: bufio.NewReader(conn)}
}

// send writes one command per argument, all at once.
func (c *client) send(args ...string) {
	c.Helper()
	var b []byte
	for _, arg := range args {
		b = fmt.Appendf(b, "*2\r\n$4\r\nECHO\r\n$%d\r\n%s\r\n", len(arg), arg)
	}
	if _, err := c.Write(b); err != nil {
		c.Fatal(err)
	}
}

// want reads the replies to args.
func (c *client) want(args ...string) {
	c.Helper()
	for _, arg := range args {
		if got, err := c.read(patience); got != "+"+arg+"\r\n" {
			c.Fatalf("reply = %q, %v, want %q", got, err, arg)
		}
	}
}

// read returns one reply, or why there was none within d.
func (c *client) read(d time.Duration) (string, error) {
	if err := c.SetReadDeadline(time.Now().Add(d)); err != nil {
		return "", err
	}
	return c.replies.ReadString('\n')
}

// wantSilence demands that nothing arrives, not even an end.
func (c *client) wantSilence() {
	c.Helper()
	got, err := c.read(glimpse)
	if got != "" || !errors.Is(err, os.ErrDeadlineExceeded) {
		c.Fatalf("reply = %q, %v, want silence", got, err)
	}
}

// eventually waits until cond holds.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	timeout := time.After(patience)
	for !cond() {
		select {
		case <-time.After(time.Millisecond):
		case <-timeout:
			t.Fatalf("%s: not after %v", what, patience)
		}
	}
}

// wantCarriedOut waits until the server has carried out exactly args, in order.
func wantCarriedOut(t *testing.T, e *echo, args ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("carrying out %q", args), func() bool { return len(e.carriedOut()) >= len(args) })
	if got := e.carriedOut(); !slices.Equal(got, args) {
		t.Fatalf("carried out %q, want %q", got, args)
	}
}

// wantFired waits until a fault took effect.
func wantFired(t *testing.T, p *faultproxy.Proxy, f faultproxy.Fault) {
	t.Helper()
	eventually(t, fmt.Sprint("being ", f), func() bool { return p.Count(f) > 0 })
}
