package fakeredis_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/chaos/internal/fakeredis"
	"github.com/quorumlock/quorumlock/quorum/quorumtest/faultproxy"
)

func TestKill(t *testing.T) {
	for name, keep := range map[string]bool{"with its memory": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *fakeredis.Server, l *fakeredis.Link) {
				c := dial(t, l)
				c.want(t, "+OK", "SET", "key", "value", "PX", "60000")
				c.want(t, "+OK", "SET", "short", "value", "PX", "500")
				sum := c.do(t, "SCRIPT", "LOAD", scripts(t)["batch"]).text
				s.Kill(keep)
				s.Kill(true)
				wantReset(t, c)
				if _, err := l.Dial(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
					t.Errorf("dial to a dead server: %v", err)
				}
				pass(time.Second)
				s.Restart()
				c = dial(t, l)
				holds(t, s, "key", map[bool]string{true: "value"}[keep])
				c.want(t, "_2", "GET", "short")
				c.want(t, "*[:0]", "SCRIPT", "EXISTS", sum)
				if got := l.Effects(); got.Killed != 1 || got.Refused != 1 {
					t.Errorf("effects = %+v, want a connection killed, a dial refused", got)
				}
			})
		})
	}
}

// What the dead process has sent arrives; what it has not looked at is never carried out.
func TestKillLosesRequestsAndNoReplies(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fakeredis.Server, l *fakeredis.Link) {
		l.SetWeather(faultproxy.ToClient, fakeredis.Weather{Delay: 100 * time.Millisecond})
		c, unread := dial(t, l), dial(t, l)
		c.send(t, []string{"PING"})
		pass(moment)
		s.Pause()
		unread.send(t, []string{"SET", "key", "value"})
		pass(moment)
		s.Kill(true)
		s.Restart()
		if v, err := c.read(); err != nil || v.text != "PONG" {
			t.Errorf("the reply on its way = %v, %v", v, err)
		}
		wantReset(t, c)
		wantReset(t, unread)
		pass(time.Second)
		holds(t, s, "key", "")
	})
}

func TestPauseMakesExecutionLate(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fakeredis.Server, l *fakeredis.Link) {
		gone, there := dial(t, l), dial(t, l)
		s.Pause()
		s.Pause()
		gone.send(t, []string{"SET", "gone", "value"})
		must(t, gone.Close())
		there.send(t, []string{"SET", "there", "value"})
		fresh := dial(t, s.Link(1)) // the kernel accepts
		fresh.send(t, []string{"PING"})
		pass(time.Minute)
		holds(t, s, "gone", "")
		began := time.Now()
		time.AfterFunc(time.Second, s.Resume)
		if v, err := there.read(); err != nil || v.text != "OK" || time.Since(began) < time.Second {
			t.Errorf("reply = %v, %v after %v", v, err, time.Since(began))
		}
		if v, err := fresh.read(); err != nil || v.text != "PONG" {
			t.Errorf("reply = %v, %v", v, err)
		}
		pass(moment)
		holds(t, s, "gone", "value")
		holds(t, s, "there", "value")
		if got := l.Effects().Late; got != 2 {
			t.Errorf("effects say that %d were late, want 2", got)
		}
	})
}

func TestClosePausedServer(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fakeredis.Server, l *fakeredis.Link) {
		c := dial(t, l)
		s.Pause()
		c.send(t, []string{"SET", "key", "value"})
		pass(moment)
		must(t, s.Close())
		wantReset(t, c)
		if _, err := l.Dial(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("dial to a closed server: %v", err)
		}
		holds(t, s, "key", "")
	})
}

// Close ends dials and reads that wait.
func TestCloseEndsWaiting(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fakeredis.Server, l *fakeredis.Link) {
		c := dial(t, l)
		l.Hold(faultproxy.Both)
		errs := make(chan error)
		go func() {
			_, err := l.Dial(context.Background())
			errs <- err
		}()
		go func() {
			_, err := c.Read(make([]byte, 1))
			errs <- err
		}()
		pass(time.Second)
		must(t, s.Close())
		for range 2 {
			if err := <-errs; !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("waiting ended with %v", err)
			}
		}
	})
}

// Expiry is an absolute time of the server's wall clock.
func TestClockSteps(t *testing.T) {
	tests := map[string]struct {
		step time.Duration
		left time.Duration // of a key with 10s that has lived for 4s
	}{
		"forward":           {2 * time.Second, 4 * time.Second},
		"forward, too far":  {7 * time.Second, 0},
		"back":              {-8 * time.Second, 14 * time.Second},
		"nowhere, to check": {0, 6 * time.Second},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *fakeredis.Server, _ *fakeredis.Link) {
				s.Put("key", "value", 10*time.Second)
				s.Put("over", "value", time.Second)
				pass(4 * time.Second)
				before := s.Time()
				s.StepClock(tc.step)
				if moved := s.Time() - before; moved != tc.step {
					t.Errorf("the clock moved by %v", moved)
				}
				wantKeys(t, s, tc.left)
			})
		})
	}
}

// wantKeys demands one key with that time left, to the millisecond, or none.
func wantKeys(t *testing.T, s *fakeredis.Server, left time.Duration) {
	t.Helper()
	keys := s.Keys()
	if left == 0 {
		if len(keys) > 0 {
			t.Errorf("the server has %v, want nothing", keys)
		}
		return
	}
	if len(keys) != 1 || keys[0].Remaining < left-time.Millisecond || keys[0].Remaining > left {
		t.Errorf("the server has %v, want one key for %v", keys, left)
	}
}

func TestClockRate(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fakeredis.Server, _ *fakeredis.Link) {
		s.SetClockRate(1.5)
		s.Put("key", "value", 9*time.Second)
		pass(4 * time.Second)
		wantKeys(t, s, 3*time.Second)
		pass(2*time.Second + moment)
		wantKeys(t, s, 0)
	})
}

// The last millisecond of a key's life belongs to it.
func TestExpiryToTheMillisecond(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fakeredis.Server, _ *fakeredis.Link) {
		pass(time.Millisecond - s.Time()%time.Millisecond)
		s.Put("key", "value", 50*time.Millisecond)
		pass(51*time.Millisecond - 1)
		wantKeys(t, s, 1) // less than a millisecond
		pass(1)
		wantKeys(t, s, 0)
	})
}

func TestBehindTheClientsBacks(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fakeredis.Server, l *fakeredis.Link) {
		s.Put("b", "text", 0)
		s.Put("a", "short", time.Second)
		s.Spoil("c")
		c := dial(t, l)
		c.want(t, `$"text"`, "GET", "b")
		c.want(t, "-WRONGTYPE Operation against a key holding the wrong kind of value", "GET", "c")
		c.want(t, "+OK", "SELECT", "1")
		c.want(t, "+OK", "SET", "elsewhere", "text")
		want := []fakeredis.Held{{Key: "a", Value: "short"}, {Key: "b", Value: "text", Remaining: -1}, {Key: "c", Remaining: -1}}
		got := s.Keys()
		if len(got) == 3 && got[0].Remaining > 0 {
			got[0].Remaining = 0
		}
		if !slices.Equal(got, want) {
			t.Errorf("keys = %v, want %v", got, want)
		}
		s.Wipe()
		c.want(t, ":0", "EXISTS", "elsewhere")
		wantKeys(t, s, 0)
	})
}

// Keys that nobody asks for again do not pile up, and others are not lost by that.
func TestManyKeys(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fakeredis.Server, l *fakeredis.Link) {
		s.Put("lasting", "value", 0)
		c := dial(t, l)
		for i := range 1000 {
			c.want(t, "+OK", "SET", "key"+string(rune(0x4e00+i)), "value", "PX", "1")
			pass(moment)
		}
		wantKeysNamed(t, s, "lasting")
	})
}

func wantKeysNamed(t *testing.T, s *fakeredis.Server, names ...string) {
	t.Helper()
	pass(time.Second)
	var got []string
	for _, held := range s.Keys() {
		got = append(got, held.Key)
	}
	if !slices.Equal(got, names) {
		t.Errorf("keys = %v, want %v", got, names)
	}
}

// A client finds out that an idle connection has died before it uses it.
func TestClientSeesDeadIdleConnections(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fakeredis.Server, l *fakeredis.Link) {
		opts := l.Options()
		opts.MaxRetries = -1
		client := redis.NewClient(opts)
		defer settle()
		defer client.Close()
		for _, disturb := range []func(){
			func() { s.Kill(true); s.Restart() },
			func() { l.Reset() },
			func() { s.Pause(); s.Resume() },
		} {
			must(t, client.Set(t.Context(), "key", "value", 0).Err())
			disturb()
			pass(moment)
			must(t, client.Get(t.Context(), "key").Err())
		}
	})
}

// Clients of all kinds get through: defaults, old protocol, password, name, database.
func TestClients(t *testing.T) {
	for name, change := range map[string]func(*redis.Options){
		"RESP3":           func(*redis.Options) {},
		"RESP2":           func(o *redis.Options) { o.Protocol = 2 },
		"name, database":  func(o *redis.Options) { o.ClientName, o.DB = "me", 3 },
		"user, password":  func(o *redis.Options) { o.Username = "default" },
		"password, RESP2": func(o *redis.Options) { o.Username, o.Protocol = "default", 2 },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, _ *fakeredis.Server, l *fakeredis.Link) {
				opts := l.Options()
				change(opts)
				client := redis.NewClient(opts)
				defer settle()
				defer client.Close()
				must(t, client.Set(t.Context(), "key", "value", time.Second).Err())
				pipe := client.Pipeline()
				for range 500 {
					pipe.Get(t.Context(), "key")
				}
				cmds, err := pipe.Exec(t.Context())
				must(t, err)
				if v := cmds[499].(*redis.StringCmd).Val(); v != "value" {
					t.Errorf("the last of a pipeline = %q", v)
				}
				if got := client.ClientGetName(t.Context()).Val(); got != opts.ClientName {
					t.Errorf("client name = %q, want %q", got, opts.ClientName)
				}
				if client.ClientID(t.Context()).Val() == 0 {
					t.Error("no client id")
				}
			}, fakeredis.WithPassword("secret"))
		})
	}
}

func TestWrongPassword(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *fakeredis.Server, l *fakeredis.Link) {
		opts := l.Options()
		opts.Password = "wrong"
		client := redis.NewClient(opts)
		defer settle()
		defer client.Close()
		if err := client.Ping(t.Context()).Err(); !redis.HasErrorPrefix(err, "WRONGPASS") {
			t.Errorf("wrong password: %v", err)
		}
	}, fakeredis.WithPassword("secret"))
}
