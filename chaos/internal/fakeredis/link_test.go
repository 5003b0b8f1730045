package fakeredis_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorumlock/quorumlock/chaos/internal/fakeredis"
	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum/quorumtest/faultproxy"
)

func TestDelay(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *fakeredis.Server, l *fakeredis.Link) {
		l.SetWeather(faultproxy.ToServer, fakeredis.Weather{Delay: 100 * time.Millisecond, Jitter: 50 * time.Millisecond})
		l.SetWeather(faultproxy.ToClient, fakeredis.Weather{Delay: 200 * time.Millisecond})
		seen := make(map[time.Duration]bool)
		began := time.Now()
		c := dial(t, l)
		for range 10 {
			took := time.Since(began)
			if took < 300*time.Millisecond || took > 351*time.Millisecond {
				t.Errorf("a message each way took %v", took)
			}
			seen[took] = true
			began = time.Now()
			c.want(t, "+PONG", "PING")
		}
		if len(seen) < 10 {
			t.Errorf("10 delays with jitter were %d different ones", len(seen))
		}
	})
}

func TestRareDelays(t *testing.T) {
	for name, weather := range map[string]fakeredis.Weather{
		"tail": {TailShare: 0.1, Tail: time.Second},
		"loss": {LossShare: 0.1, Resend: 250 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, _ *fakeredis.Server, l *fakeredis.Link) {
				c := dial(t, l)
				l.SetWeather(faultproxy.ToServer, weather)
				slow, most := 0, time.Duration(0)
				for range 1000 {
					began := time.Now()
					c.want(t, "+PONG", "PING")
					if took := time.Since(began); took > moment {
						slow++
						most = max(most, took)
					}
				}
				if slow < 70 || slow > 130 || most < 500*time.Millisecond || most > time.Second+moment {
					t.Errorf("%d of 1000 were slow, and took up to %v; want about 100, up to a second", slow, most)
				}
				if got := l.Effects().Slow; got < slow || got > slow+5 {
					t.Errorf("effects say that %d were slow, not %d", got, slow)
				}
			})
		})
	}
}

func TestMessagesKeepTheirOrder(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *fakeredis.Server, l *fakeredis.Link) {
		c := dial(t, l)
		l.SetWeather(faultproxy.Both, fakeredis.Weather{Jitter: 10 * time.Millisecond})
		const count = 200
		for i := range count {
			c.send(t, []string{"PING", fmt.Sprint(i)})
			pass(100 * time.Microsecond)
		}
		for i := range count {
			if v, err := c.read(); err != nil || v.text != fmt.Sprint(i) {
				t.Fatalf("reply %d = %v, %v", i, v, err)
			}
		}
	})
}

// What was sent before the client closed is carried out when it gets through.
func TestHeldRequestsArriveAfterTheirClientIsGone(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fakeredis.Server, l *fakeredis.Link) {
		c := dial(t, l)
		l.Hold(faultproxy.ToServer)
		c.send(t, []string{"SET", "key", "early"})
		pass(time.Second)
		c.send(t, []string{"SET", "key", "late"})
		must(t, c.Close())
		pass(time.Minute)
		holds(t, s, "key", "")
		l.Release(faultproxy.ToServer)
		pass(moment)
		holds(t, s, "key", "late")
		if got := l.Effects().HeldAsks; got != 3 { // the end of the stream is one
			t.Errorf("effects say that %d requests were held, want 3", got)
		}
	})
}

func TestHeldRepliesArriveLater(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fakeredis.Server, l *fakeredis.Link) {
		c := dial(t, l)
		l.Hold(faultproxy.ToClient)
		l.Hold(faultproxy.ToClient)
		c.send(t, []string{"SET", "key", "value"})
		pass(moment)
		holds(t, s, "key", "value")
		began := time.Now()
		time.AfterFunc(5*time.Second, func() { l.Release(faultproxy.ToClient) })
		if v, err := c.read(); err != nil || v.text != "OK" {
			t.Errorf("reply = %v, %v", v, err)
		}
		if took := time.Since(began); took < 5*time.Second || took > 5*time.Second+moment {
			t.Errorf("the reply came after %v", took)
		}
		c.want(t, `$"value"`, "GET", "key")
		if got := l.Effects().HeldReplies; got != 1 {
			t.Errorf("effects say that %d replies were held, want 1", got)
		}
	})
}

func TestHoldIsOfOneLink(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fakeredis.Server, l *fakeredis.Link) {
		l.Hold(faultproxy.Both)
		dial(t, s.Link(1)).want(t, "+PONG", "PING")
		if again := s.Link(0); again != l || s.Link(1).Client() != 1 {
			t.Error("a link is not the one of its number")
		}
	})
}

func TestStall(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *fakeredis.Server, l *fakeredis.Link) {
		c := dial(t, l)
		began := time.Now()
		c.send(t, []string{"PING", "under way"})
		l.Stall(faultproxy.ToServer, 300*time.Millisecond)
		pass(100 * time.Millisecond)
		c.send(t, []string{"PING", "sent meanwhile"})
		for _, want := range []string{"under way", "sent meanwhile"} {
			v, err := c.read()
			took := time.Since(began)
			if err != nil || v.text != want || took < 300*time.Millisecond || took > 300*time.Millisecond+moment {
				t.Errorf("reply after %v = %v, %v; want %q after 300ms", took, v, err, want)
			}
		}
		if got := l.Effects().Stalled; got != 2 {
			t.Errorf("effects say that %d were stalled, want 2", got)
		}
	})
}

func TestReset(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fakeredis.Server, l *fakeredis.Link) {
		c, idle := dial(t, l), dial(t, l)
		l.SetWeather(faultproxy.Both, fakeredis.Weather{Delay: 10 * time.Millisecond})
		c.send(t, []string{"SET", "key", "under way"})
		if n := l.Reset(); n != 2 {
			t.Errorf("%d connections were reset, want 2", n)
		}
		wantReset(t, c)
		pass(time.Second)
		holds(t, s, "key", "")
		if _, err := idle.Write(request("PING")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("writing to a connection that was reset: %v", err)
		}
		dial(t, l).want(t, "+PONG", "PING")
		if got := l.Effects().Reset; got != 2 {
			t.Errorf("effects say that %d were reset, want 2", got)
		}
	})
}

// Bytes that a stopped process has in its socket are there when it runs on, also after a reset.
func TestResetLosesNothingThatHasArrived(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fakeredis.Server, l *fakeredis.Link) {
		c := dial(t, l)
		s.Pause()
		c.send(t, []string{"SET", "first", "arrived"})
		pass(moment)
		c.send(t, []string{"SET", "second", "arrived"})
		pass(moment)
		l.Reset()
		pass(moment)
		s.Resume()
		pass(moment)
		holds(t, s, "first", "arrived")
		holds(t, s, "second", "arrived")
	})
}

func TestResetOfAHeldLink(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *fakeredis.Server, l *fakeredis.Link) {
		c := dial(t, l)
		l.Hold(faultproxy.Both)
		c.send(t, []string{"PING"})
		l.Reset()
		wantReset(t, c)
	})
}

func wantReset(t testing.TB, c *speaker) {
	t.Helper()
	if v, err := c.read(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reading gave %v, %v; want a reset", v, err)
	}
}

func TestDroppedReplies(t *testing.T) {
	for name, tc := range map[string]struct {
		then faultproxy.AfterDrop
		want error
	}{
		"then reset":   {faultproxy.ThenReset, syscall.ECONNRESET},
		"then silence": {faultproxy.ThenSilence, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *fakeredis.Server, l *fakeredis.Link) {
				c := dial(t, l)
				l.DropReplies(1, faultproxy.Named("SET"), tc.then)
				c.send(t, []string{"PING"}, []string{"SET", "key", "value"}, []string{"PING", "more"})
				if v, err := c.read(); err != nil || v.text != "PONG" {
					t.Errorf("the reply before = %v, %v", v, err)
				}
				if v, err := c.read(); err == nil || tc.then == faultproxy.ThenReset && !errors.Is(err, tc.want) {
					t.Errorf("the dropped reply = %v, %v", v, err)
				}
				holds(t, s, "key", "value")
				dial(t, l).want(t, "+OK", "SET", "key", "again")
				if got := l.Effects().Dropped; got != 1 {
					t.Errorf("effects say that %d were dropped, want 1", got)
				}
			})
		})
	}
}

func TestEveryReplyDropped(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *fakeredis.Server, l *fakeredis.Link) {
		l.DropReplies(-1, nil, faultproxy.ThenReset)
		for range 5 {
			c := dial(t, l)
			c.send(t, []string{"PING"})
			wantReset(t, c)
		}
		l.Heal()
		dial(t, l).want(t, "+PONG", "PING")
	})
}

// A dial over a held link is answered on release, or ends with its context.
func TestDialOverAHeldLink(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *fakeredis.Server, l *fakeredis.Link) {
		l.Hold(faultproxy.ToServer)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.Dial(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dial over a held link: %v", err)
		}
		if _, err := l.Dial(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dial with a context that has ended: %v", err)
		}
		time.AfterFunc(time.Second/2, l.Heal)
		dial(t, l).want(t, "+PONG", "PING")
	})
}

// No two messages of different connections arrive at the same instant.
func TestInstantsAreUnique(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := make(map[time.Time]string)
		for number := range 4 {
			server := fakeredis.New(number, clock.Process())
			t.Cleanup(func() { must(t, server.Close()) })
			for client := range 8 {
				c := dial(t, server.Link(client))
				for range 50 {
					c.want(t, "+PONG", "PING")
					now, who := time.Now(), fmt.Sprint(number, client)
					if other, taken := seen[now]; taken && other != who {
						t.Fatalf("replies to %s and %s at %v", other, who, now)
					}
					seen[now] = who
				}
			}
		}
	})
}

func TestQuitEndsTheStream(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *fakeredis.Server, l *fakeredis.Link) {
		c := dial(t, l)
		c.want(t, "+OK", "QUIT")
		if _, err := c.Read(make([]byte, 1)); err != io.EOF { //nolint:errorlint // readers compare
			t.Errorf("after QUIT: %v, want a bare EOF", err)
		}
	})
}
