package fakeredis_test

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/chaos/internal/fakeredis"
	"github.com/quorumlock/quorumlock/quorum/quorumtest/faultproxy"
)

func TestReadDeadline(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *fakeredis.Server, l *fakeredis.Link) {
		c := dial(t, l)
		for name, set := range map[string]func(time.Time) error{"read": c.SetReadDeadline, "both": c.SetDeadline} {
			must(t, set(time.Now().Add(3*time.Second)))
			began := time.Now()
			wantTimeout(t, c)
			if took := time.Since(began); took != 3*time.Second {
				t.Errorf("%s: the read ended after %v", name, took)
			}
			wantTimeout(t, c) // it stays so
		}
		must(t, c.SetDeadline(time.Time{}))
		c.want(t, "+PONG", "PING")
	})
}

func wantTimeout(t testing.TB, c net.Conn) {
	t.Helper()
	_, err := c.Read(make([]byte, 1))
	var timeout net.Error
	if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("reading past the deadline: %v", err)
	}
}

// A deadline is also for the read that waits.
func TestDeadlineReachesAWaitingRead(t *testing.T) {
	for name, change := range map[string]func(c net.Conn) error{
		"the past":   func(c net.Conn) error { return c.SetReadDeadline(time.Unix(1, 0)) },
		"now":        func(c net.Conn) error { return c.SetReadDeadline(time.Now()) },
		"the future": func(c net.Conn) error { return c.SetReadDeadline(time.Now().Add(time.Second)) },
		"too far": func(c net.Conn) error {
			must(t, c.SetReadDeadline(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)))
			time.AfterFunc(time.Hour, func() { _ = c.SetReadDeadline(time.Now()) })
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, _ *fakeredis.Server, l *fakeredis.Link) {
				c := dial(t, l)
				done := make(chan struct{})
				go func() {
					defer close(done)
					wantTimeout(t, c)
				}()
				pass(moment)
				must(t, change(c))
				<-done
			})
		})
	}
}

// Bytes that have arrived are not read past the deadline, and not lost.
func TestDeadlineBeforeBytes(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *fakeredis.Server, l *fakeredis.Link) {
		c := dial(t, l)
		c.send(t, []string{"PING"})
		pass(moment)
		must(t, c.SetReadDeadline(time.Now()))
		wantTimeout(t, c)
		if v, err := c.read(); err != nil || v.text != "PONG" {
			t.Errorf("reply = %v, %v", v, err)
		}
	})
}

func TestWriteDeadline(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fakeredis.Server, l *fakeredis.Link) {
		c := dial(t, l)
		must(t, c.SetWriteDeadline(time.Now().Add(time.Second)))
		c.want(t, "+PONG", "PING")
		pass(time.Second)
		if _, err := c.Write(request("SET", "key", "value")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("writing past the deadline: %v", err)
		}
		must(t, c.SetWriteDeadline(time.Time{}))
		c.want(t, ":0", "EXISTS", "key")
		holds(t, s, "key", "")
	})
}

func TestClosedConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *fakeredis.Server, l *fakeredis.Link) {
		c := dial(t, l)
		waiting := make(chan error)
		for range 2 {
			go func() {
				_, err := c.Read(make([]byte, 1))
				waiting <- err
			}()
		}
		pass(moment)
		must(t, c.Close())
		_, errWrite := c.Write([]byte("x"))
		_, errRead := c.Read(make([]byte, 1))
		for name, err := range map[string]error{
			"a read that waited": <-waiting, "another": <-waiting, "read": errRead, "write": errWrite,
			"close": c.Close(), "deadline": c.SetDeadline(time.Now()),
		} {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s on a closed connection: %v", name, err)
			}
		}
	})
}

// A reader gets what it has room for, and the rest later.
func TestSmallReads(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *fakeredis.Server, l *fakeredis.Link) {
		c := dial(t, l)
		c.send(t, []string{"PING", "abcdefgh"}, []string{"QUIT"})
		if n, err := c.Read(nil); n != 0 || err != nil {
			t.Errorf("reading nothing = %d, %v", n, err)
		}
		var got []byte
		b := make([]byte, 3)
		for {
			n, err := c.Read(b)
			got = append(got, b[:n]...)
			if err != nil {
				if !errors.Is(err, io.EOF) {
					t.Errorf("the end: %v", err)
				}
				break
			}
		}
		if want := "$8\r\nabcdefgh\r\n+OK\r\n"; string(got) != want {
			t.Errorf("read %q, want %q", got, want)
		}
	})
}

// Requests may come in pieces of any size.
func TestRequestsInPieces(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *fakeredis.Server, l *fakeredis.Link) {
		c := dial(t, l)
		big := string(make([]byte, 100_000))
		for _, b := range append(request("SET", "key", "value"), request("GET", "key")...) {
			_, err := c.Write([]byte{b})
			must(t, err)
			pass(moment)
		}
		for _, want := range []string{"+OK", `$"value"`} {
			if v, err := c.read(); err != nil || v.String() != want {
				t.Errorf("reply = %v, %v; want %s", v, err, want)
			}
		}
		if got := c.do(t, "PING", big).text; got != big {
			t.Errorf("a big answer has %d bytes, want %d", len(got), len(big))
		}
	})
}

// Closing does not wait for what is under way, nor lose it.
func TestCloseDelivers(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fakeredis.Server, l *fakeredis.Link) {
		c := dial(t, l)
		l.SetWeather(faultproxy.Both, fakeredis.Weather{Delay: time.Second})
		c.send(t, []string{"SET", "key", "value"})
		must(t, c.Close())
		holds(t, s, "key", "")
		pass(time.Second + moment)
		holds(t, s, "key", "value")
	})
}

func TestAddresses(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fakeredis.Server, l *fakeredis.Link) {
		c := dial(t, l)
		if c.RemoteAddr().String() != s.Name() || c.LocalAddr().String() == s.Name() || c.LocalAddr().Network() == "" {
			t.Errorf("addresses = %v, %v (%v)", c.LocalAddr(), c.RemoteAddr(), c.LocalAddr().Network())
		}
	})
}
