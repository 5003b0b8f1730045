package atomic_test

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/quorum/quorumtest/faultproxy"
	"github.com/quorumlock/quorumlock/redlock/atomic"
)

// behindProxy returns the recipes on a client of the library's defaults, which repeats what fails, with a proxy
// between it and the server, and a client that goes around the proxy.
func behindProxy(t *testing.T) (*atomic.Recipes, *faultproxy.Proxy, *redis.Client) {
	t.Helper()
	server := quorumtest.RedisServer(t)
	proxy, err := faultproxy.Start(server.Addr(), 1)
	must(t, err)
	t.Cleanup(func() { proxy.Close() })
	return recipes(t, client(t, &redis.Options{Addr: proxy.Addr()})), proxy, client(t, &redis.Options{Addr: server.Addr()})
}

// A call whose reply is lost ran once, and its caller learns that this is unknown. What the caller's repeat then
// does is what the documentation says.
func TestLostReplies(t *testing.T) {
	tests := map[string]struct {
		call   call
		once   map[string]string // what the server has after the lost call
		repeat any               // what the repeat returns
		twice  map[string]string // what the server has after that
	}{
		"a counter counts twice": {
			increment("c", 9),
			map[string]string{"{shoe}:stock": "5", "c": "1"},
			int64(2),
			map[string]string{"{shoe}:stock": "5", "c": "2"},
		},
		"an element is there once, and seems somebody else's": {
			push("l", "a"),
			map[string]string{"{shoe}:stock": "5", "l": "[a]"},
			false,
			map[string]string{"{shoe}:stock": "5", "l": "[a]"},
		},
		"a hit counts twice": {
			hit("h", 9, time.Hour),
			map[string]string{"{shoe}:stock": "5", "h": "1"},
			nil,
			map[string]string{"{shoe}:stock": "5", "h": "2"},
		},
		"an order is reserved once, and says so": {
			reserve(shoes("o1", 2)),
			map[string]string{"{shoe}:stock": "3", "{shoe}:orders": "[o1]", "{shoe}:stock:reserved": "map[o1:2]"},
			atomic.Reservation{Left: 3, Already: true},
			map[string]string{"{shoe}:stock": "3", "{shoe}:orders": "[o1]", "{shoe}:stock:reserved": "map[o1:2]"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r, proxy, plain := behindProxy(t)
			must(t, plain.Set(t.Context(), "{shoe}:stock", 5, 0).Err())
			proxy.DropReply(1, faultproxy.Named("eval"), faultproxy.ThenReset)
			if _, err := tc.call(t.Context(), r); !errors.Is(err, atomic.ErrUnknown) {
				t.Fatalf("call whose reply is lost: error %v, want ErrUnknown", err)
			}
			if got := contents(t, plain); !maps.Equal(got, tc.once) {
				t.Errorf("the server then has %q, want %q: the call ran once", got, tc.once)
			}
			got, err := tc.call(t.Context(), r)
			if err != nil || tc.repeat != nil && got != tc.repeat {
				t.Errorf("repeat = %+v, %v; want %+v", got, err, tc.repeat)
			}
			if got := contents(t, plain); !maps.Equal(got, tc.twice) {
				t.Errorf("after the repeat the server has %q, want %q", got, tc.twice)
			}
		})
	}
}

// every returns one call of each recipe.
func every() map[string]call {
	return map[string]call{
		"increment": increment("c", 3), "push unique": push("l", "a"), "hit": hit("h", 3, time.Second), "reserve": reserve(shoes("o1", 1)),
	}
}

func TestContextThatHasEnded(t *testing.T) {
	r, plain := onServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range every() {
		if _, err := call(ctx, r); !errors.Is(err, context.Canceled) || errors.Is(err, atomic.ErrUnknown) {
			t.Errorf("%s: error %v, want context.Canceled, and no doubt", name, err)
		}
	}
	if got := contents(t, plain); len(got) > 0 {
		t.Errorf("the server has %q", got)
	}
}

// A context that ends between the two calls of a script that the server does not know ends the matter.
func TestContextThatEndsBeforeTheScriptIsSent(t *testing.T) {
	for name, call := range every() {
		c := client(t, &redis.Options{Addr: quorumtest.RedisServer(t).Addr()})
		ctx, cancel := context.WithCancel(t.Context())
		c.AddHook(after{"evalsha", cancel})
		if _, err := call(ctx, recipes(t, c)); !errors.Is(err, context.Canceled) || errors.Is(err, atomic.ErrUnknown) {
			t.Errorf("%s: error %v, want context.Canceled, and no doubt", name, err)
		}
		if got := contents(t, c); len(got) > 0 {
			t.Errorf("%s: the server has %q", name, got)
		}
	}
}

// An after is a hook that does something after each command of one name.
type after struct {
	name string
	do   func()
}

func (after) DialHook(next redis.DialHook) redis.DialHook { return next }

func (after) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (h after) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if cmd.Name() == h.name {
			h.do()
		}
		return err
	}
}

// A client that keeps deadlines returns at them; whether the call is carried out is then unknown, and here it is.
func TestDeadlineDuringACall(t *testing.T) {
	for name, call := range every() {
		server := quorumtest.RedisServer(t)
		plain := client(t, &redis.Options{Addr: server.Addr()})
		must(t, plain.Set(t.Context(), "{shoe}:stock", 5, 0).Err())
		c := client(t, &redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: true})
		must(t, c.Ping(t.Context()).Err()) // a new connection would wait for its greeting
		must(t, server.Pause())
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := call(ctx, recipes(t, c))
		cancel()
		if !errors.Is(err, atomic.ErrUnknown) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: error %v, want ErrUnknown and context.DeadlineExceeded", name, err)
		}
		must(t, server.Resume())
		if _, err := call(t.Context(), recipes(t, c)); err != nil {
			t.Errorf("%s, once the server runs: %v", name, err)
		}
	}
}

// Of these failures it is known that nothing was carried out.
func TestFailuresWithoutDoubt(t *testing.T) {
	server := quorumtest.RedisServer(t)
	closed := redis.NewClient(&redis.Options{Addr: server.Addr()})
	must(t, closed.Close())
	replica := quorumtest.RedisServer(t)
	must(t, client(t, &redis.Options{Addr: replica.Addr()}).Do(t.Context(), "REPLICAOF", "127.0.0.1", "1").Err())
	full := quorumtest.RedisServer(t)
	must(t, client(t, &redis.Options{Addr: full.Addr()}).ConfigSet(t.Context(), "maxmemory", "1").Err())
	tests := map[string]*redis.Client{
		"nobody listens":      client(t, &redis.Options{Addr: "127.0.0.1:1", DialerRetries: 1}),
		"the client's closed": closed,
		"a wrong password":    client(t, &redis.Options{Addr: server.Addr(), Username: "nobody", Password: "x"}),
		"a replica":           client(t, &redis.Options{Addr: replica.Addr()}),
		"out of memory":       client(t, &redis.Options{Addr: full.Addr()}),
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			for recipe, call := range every() {
				if name == "out of memory" && recipe == "reserve" {
					continue // there is no stock to take from
				}
				if _, err := call(t.Context(), recipes(t, c)); err == nil || errors.Is(err, atomic.ErrUnknown) {
					t.Errorf("%s: error %v, want one without doubt", recipe, err)
				}
			}
		})
	}
}

// A foreign is a hook that answers every command itself, with what no script replies.
type foreign struct{ reply any }

func (foreign) DialHook(next redis.DialHook) redis.DialHook { return next }

func (foreign) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (f foreign) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(_ context.Context, cmd redis.Cmder) error {
		cmd.(interface{ SetVal(any) }).SetVal(f.reply)
		return nil
	}
}

// A reply that cannot be read says nothing about what was carried out.
func TestForeignReplies(t *testing.T) {
	for _, reply := range []any{nil, "OK", []any{}, []any{int64(99)}, []any{int64(-1), int64(9), "list"}} {
		c := client(t, &redis.Options{Addr: "127.0.0.1:1"})
		c.AddHook(foreign{reply})
		for name, call := range every() {
			if _, err := call(t.Context(), recipes(t, c)); !errors.Is(err, atomic.ErrUnknown) {
				t.Errorf("%s, answered with %v: error %v, want ErrUnknown", name, reply, err)
			}
		}
	}
}
