package redisnode

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// dialing returns an unopened connection whose node dials with dial.
func dialing(t *testing.T, dial dialFunc) (*dialer, net.Conn) {
	t.Helper()
	d := newDialer(&redis.Options{Dialer: dial, DialTimeout: 20 * ms})
	t.Cleanup(func() { d.stop(); d.join() })
	c := d.connect("tcp", "example.com:1")
	t.Cleanup(func() { _ = c.Close() })
	return d, c
}

// until is a dial that lasts as long as it is let.
func until(ctx context.Context, _, _ string) (net.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestFailedDial(t *testing.T) {
	broken := errors.New("broken")
	var dials atomic.Int32
	_, c := dialing(t, func(context.Context, string, string) (net.Conn, error) {
		dials.Add(1)
		return nil, broken
	})
	if _, err := c.(*conn).SyscallConn(); err != nil {
		t.Errorf("before the dial, a look at the socket says %v", err)
	}
	for range 2 {
		_, err := c.Write([]byte("x"))
		if stripped := errors.Unwrap(err); !errors.Is(stripped, broken) {
			t.Errorf("one layer below %v is %v, want what the dial said", err, stripped)
		}
	}
	if n := dials.Load(); n != 1 {
		t.Errorf("%d dials for one connection", n)
	}
	if _, err := c.(*conn).SyscallConn(); !errors.Is(err, broken) {
		t.Errorf("after the dial, a look at the socket says %v", err)
	}
}

func TestDialEnds(t *testing.T) {
	tests := map[string]struct {
		end  func(*dialer, net.Conn)
		want error
	}{
		"at the deadline for writing": {func(_ *dialer, c net.Conn) { _ = c.SetWriteDeadline(time.Now().Add(ms)) }, os.ErrDeadlineExceeded},
		"at a deadline in the past":   {func(_ *dialer, c net.Conn) { _ = c.SetDeadline(time.Now().Add(-ms)) }, os.ErrDeadlineExceeded},
		"at the dial timeout":         {func(*dialer, net.Conn) {}, os.ErrDeadlineExceeded},
		"with the connection":         {func(_ *dialer, c net.Conn) { _ = c.Close() }, net.ErrClosed},
		"with the node":               {func(d *dialer, _ net.Conn) { d.stop() }, net.ErrClosed},
		"after the node":              {func(d *dialer, _ net.Conn) { d.stop(); d.join() }, net.ErrClosed},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			d, c := dialing(t, until)
			tc.end(d, c)
			_, err := c.Write([]byte("x"))
			var network net.Error
			if !errors.Is(err, tc.want) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Write: %v, want %v", err, tc.want)
			}
			if timeout := errors.As(err, &network) && network.Timeout(); timeout != errors.Is(tc.want, os.ErrDeadlineExceeded) {
				t.Errorf("%v is a timeout: %v", err, timeout)
			}
		})
	}
}

// A dial that nobody waits for any more may still succeed.
func TestConnectionThatComesTooLateIsClosed(t *testing.T) {
	ours, theirs := net.Pipe()
	d, c := dialing(t, func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return ours, nil
	})
	if _, err := c.Write([]byte("x")); err == nil {
		t.Fatal("wrote to a connection that came too late")
	}
	d.dials.Wait()
	if _, err := theirs.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the other end of a late connection reads %v, want EOF", err)
	}
}

func TestDeadlinesReachTheConnection(t *testing.T) {
	ours, theirs := net.Pipe()
	defer func() { _ = theirs.Close() }()
	_, c := dialing(t, func(context.Context, string, string) (net.Conn, error) { return ours, nil })
	if got := c.RemoteAddr().String() + c.LocalAddr().Network(); got != "example.com:1tcp" {
		t.Errorf("addresses before the dial: %q", got)
	}
	_ = c.SetReadDeadline(time.Now().Add(-ms)) // before it is open
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read: %v, want a timeout", err)
	}
	if c.RemoteAddr() != ours.RemoteAddr() || c.LocalAddr() != ours.LocalAddr() {
		t.Errorf("addresses after the dial: %v, %v", c.RemoteAddr(), c.LocalAddr())
	}
	_ = c.SetWriteDeadline(time.Now().Add(-ms)) // while it is open
	if _, err := c.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Write: %v, want a timeout", err)
	}
}

func TestRefusal(t *testing.T) {
	tests := map[string]struct{ first, want string }{
		"too many clients": {"-ERR max number of clients reached\r\n", "ERR max number of clients reached"},
		"protected mode":   {"-DENIED Redis is running in protected mode\r\n", "DENIED Redis is running in protected mode"},
		"another error":    {"-NOAUTH HELLO must be called\r\n", io.EOF.Error()},
		"no error":         {"+OK\r\n", io.EOF.Error()},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			ours, theirs := net.Pipe()
			_, c := dialing(t, func(context.Context, string, string) (net.Conn, error) { return ours, nil })
			go func() {
				_, _ = io.WriteString(theirs, tc.first)
				_ = theirs.Close()
			}()
			buf := make([]byte, 100)
			if n, err := c.Read(buf); err != nil || string(buf[:n]) != tc.first {
				t.Fatalf("first Read: %q, %v", buf[:n], err)
			}
			if _, err := c.Read(buf); err == nil || err.Error() != tc.want {
				t.Errorf("second Read: %v, want %q", err, tc.want)
			}
		})
	}
}
