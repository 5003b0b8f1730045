package faultproxy_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/quorum/quorumtest/faultproxy"
)

func TestWithoutFaultsCommandsAndRepliesPass(t *testing.T) {
	e, p := setup(t)
	a, b := dial(t, p), dial(t, p)
	a.send("1", "2")
	a.want("1", "2")
	b.send("3")
	b.want("3")
	wantCarriedOut(t, e, "1", "2", "3")
	if got := p.Events(); len(got) > 0 {
		t.Errorf("events = %v, want none", got)
	}
}

func TestBytesOfAnyKindPassUnchanged(t *testing.T) {
	noise := make([]byte, 3<<20)
	rng := rand.NewChaCha8([32]byte{1})
	_, _ = rng.Read(noise)
	large := fmt.Appendf(nil, "*2\r\n$3\r\nSET\r\n$%d\r\n%s\r\n", 1<<20, bytes.Repeat([]byte("\r\n"), 1<<19))
	small := bytes.Repeat([]byte("*1\r\n$4\r\nPING\r\n"), 20_000)
	streams := map[string][]byte{
		"noise": noise, "a large command": large, "many small ones": small,
		"commands, then noise": append(small[:len(small):len(small)], noise...), "half a command": small[:9],
	}
	for name, stream := range streams {
		t.Run(name, func(t *testing.T) {
			quorumtest.NoLeaks(t)
			c := dial(t, startProxy(t, mirror(t)))
			go func() {
				_, _ = c.Write(stream)
				_ = c.CloseWrite() // the replies still come
			}()
			if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, stream) {
				t.Errorf("%d bytes came back (%v), want the %d sent", len(got), err, len(stream))
			}
		})
	}
}

// mirror starts a server that sends back what one connection sends, and returns its address.
func mirror(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.Copy(conn, conn)
	}()
	return l.Addr().String()
}

func TestDelayIsTakenAndKeepsTheOrder(t *testing.T) {
	tests := map[string]struct {
		dir  faultproxy.Direction
		want time.Duration
	}{
		"of requests": {faultproxy.ToServer, 20 * time.Millisecond},
		"of replies":  {faultproxy.ToClient, 20 * time.Millisecond},
		"of both":     {faultproxy.Both, 40 * time.Millisecond},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			e, p := setup(t)
			c := dial(t, p)
			p.Delay(tc.dir, 20*time.Millisecond, 20*time.Millisecond)
			start := time.Now()
			c.send("1", "2", "3", "4", "5")
			c.want("1", "2", "3", "4", "5")
			if took := time.Since(start); took < tc.want {
				t.Errorf("the replies took %v, want at least %v", took, tc.want)
			}
			wantCarriedOut(t, e, "1", "2", "3", "4", "5")
			if p.Count(faultproxy.Delayed) == 0 {
				t.Error("no delay was logged")
			}
			p.Delay(tc.dir, 0, 0)
			c.send("6")
			c.want("6")
		})
	}
}

func TestHeldRequestsReachTheServerAfterTheirClientClosed(t *testing.T) {
	e, p := setup(t)
	c := dial(t, p)
	c.send("before")
	c.want("before")
	p.Hold(faultproxy.ToServer)
	c.send("1", "2")
	c.Close()
	wantFired(t, p, faultproxy.Held)
	wantCarriedOut(t, e, "before")
	p.Release(faultproxy.ToServer)
	wantCarriedOut(t, e, "before", "1", "2")
}

func TestHeldRepliesArriveLate(t *testing.T) {
	e, p := setup(t)
	c := dial(t, p)
	p.Hold(faultproxy.ToClient)
	c.send("1")
	wantCarriedOut(t, e, "1")
	wantFired(t, p, faultproxy.Held)
	c.wantSilence()
	p.Release(faultproxy.ToClient)
	c.want("1")
}

func TestHoldKeepsTheServersEndFromItsClient(t *testing.T) {
	e, p := setup(t)
	c := dial(t, p)
	c.send("1")
	c.want("1")
	p.Hold(faultproxy.Both)
	e.closeAll()
	wantFired(t, p, faultproxy.Held)
	c.wantSilence()
	p.Heal()
	if _, err := c.read(patience); !errors.Is(err, io.EOF) {
		t.Errorf("error = %v, want the end of the stream", err)
	}
}

func TestStallEndsByItself(t *testing.T) {
	_, p := setup(t)
	c := dial(t, p)
	start := time.Now()
	p.Stall(faultproxy.Both, 50*time.Millisecond)
	c.send("1")
	c.want("1")
	if took := time.Since(start); took < 50*time.Millisecond {
		t.Errorf("the reply took %v, want the stall's 50ms", took)
	}
	if p.Count(faultproxy.Held) == 0 {
		t.Error("no stall was logged")
	}
}

func TestResetEndsEveryConnection(t *testing.T) {
	_, p := setup(t)
	clients := []*client{dial(t, p), dial(t, p), dial(t, p)}
	for _, c := range clients {
		c.send("1")
		c.want("1")
	}
	if got := p.Reset(); got != len(clients) || p.Count(faultproxy.WasReset) != len(clients) {
		t.Errorf("Reset ended %d connections and logged %d, want %d", got, p.Count(faultproxy.WasReset), len(clients))
	}
	for _, c := range clients {
		c.wantReset()
	}
	again := dial(t, p)
	again.send("2")
	again.want("2")
}

// wantReset demands that the connection ends, and by a reset.
func (c *client) wantReset() {
	c.Helper()
	if got, err := c.read(patience); !errors.Is(err, syscall.ECONNRESET) {
		c.Fatalf("reply = %q, %v, want a reset", got, err)
	}
}

func TestRefuseTurnsAwayNewConnectionsOnly(t *testing.T) {
	_, p := setup(t)
	old := dial(t, p)
	old.send("1")
	old.want("1")
	p.Refuse(true)
	wantTurnedAway(t, p)
	old.send("2")
	old.want("2")
	if got := p.Count(faultproxy.Refused); got != 1 {
		t.Errorf("refused %d connections, want 1", got)
	}
	p.Refuse(false)
	again := dial(t, p)
	again.send("3")
	again.want("3")
}

// wantTurnedAway demands that a new connection is reset, be it so fast that connecting fails.
func wantTurnedAway(t *testing.T, p *faultproxy.Proxy) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", p.Addr(), patience)
	if err == nil {
		defer conn.Close()
		_, err = conn.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("error = %v, want a reset", err)
	}
}

func TestTheServersFateIsTheClients(t *testing.T) {
	t.Run("a server that closes ends the stream", func(t *testing.T) {
		e, p := setup(t)
		c := dial(t, p)
		c.send("1")
		c.want("1")
		e.closeAll()
		if _, err := c.read(patience); !errors.Is(err, io.EOF) {
			t.Errorf("error = %v, want the end of the stream", err)
		}
	})
	t.Run("a server that is not there resets", func(t *testing.T) {
		e, p := setup(t)
		e.listener.Close()
		wantTurnedAway(t, p)
		if got := p.Count(faultproxy.Unreachable); got != 1 {
			t.Errorf("counted %d connections that found no server, want 1", got)
		}
	})
}

func TestCloseEndsWhateverIsUnderWay(t *testing.T) {
	everything := faultproxy.Containing("")
	states := map[string]func(p *faultproxy.Proxy){
		"nothing":         func(*faultproxy.Proxy) {},
		"held bytes":      func(p *faultproxy.Proxy) { p.Hold(faultproxy.Both) },
		"delayed bytes":   func(p *faultproxy.Proxy) { p.Delay(faultproxy.ToServer, time.Hour, 0) },
		"a held command":  func(p *faultproxy.Proxy) { p.HoldCommand(1, everything, 0) },
		"a silent client": func(p *faultproxy.Proxy) { p.DropReply(1, everything, faultproxy.ThenSilence) },
	}
	for name, reach := range states {
		t.Run(name, func(t *testing.T) {
			_, p := setup(t)
			reach(p)
			c := dial(t, p)
			c.send("1")
			if name != "nothing" {
				eventually(t, "a fault", func() bool { return len(p.Events()) > 0 })
			}
			if err := errors.Join(p.Close(), p.Close()); err != nil {
				t.Error(err)
			}
			for {
				if _, err := c.read(patience); err != nil {
					break
				}
			}
		})
	}
}

func TestAHeldDirectionTakesABoundedAmount(t *testing.T) {
	quorumtest.NoLeaks(t)
	p := startProxy(t, mirror(t))
	c := dial(t, p)
	p.Hold(faultproxy.ToServer)
	block, taken := bytes.Repeat([]byte("x"), 1<<20), 0
	for taken < 128<<20 {
		_ = c.SetWriteDeadline(time.Now().Add(10 * glimpse))
		n, err := c.Write(block)
		taken += n
		if err != nil {
			break
		}
	}
	if taken > 64<<20 {
		t.Errorf("a held proxy took %d MiB", taken>>20)
	}
	p.Release(faultproxy.ToServer)
	_ = c.CloseWrite()
	if back, err := io.Copy(io.Discard, c); err != nil || int(back) != taken {
		t.Errorf("%d bytes came back (%v), want the %d taken", back, err, taken)
	}
}
