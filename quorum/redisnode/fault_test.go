package redisnode_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/quorum/quorumtest/faultproxy"
	"github.com/quorumlock/quorumlock/quorum/quorumtest/redisserver"
	"github.com/quorumlock/quorumlock/quorum/redisnode"
)

const patience = 10 * time.Second

func acquire(key string) quorum.Op {
	return quorum.Op{Kind: quorum.Acquire, Key: key, Value: "value of " + key, TTL: time.Minute}
}

// ask asks for one operation, and fails the test if the answer took longer than the deadline by more
// than a busy machine explains.
func ask(t testing.TB, node *redisnode.Node, timeout time.Duration, op quorum.Op) quorum.Answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	start := time.Now()
	answer := node.Ask(ctx, []quorum.Op{op})[0]
	if took := time.Since(start); took > timeout+time.Second {
		t.Errorf("an ask with deadline %v took %v", timeout, took)
	}
	return answer
}

func wantVerdict(t testing.TB, answer quorum.Answer, want quorum.Verdict) {
	t.Helper()
	if answer.Verdict != want {
		t.Fatalf("verdict = %v (error %v), want %v", answer.Verdict, answer.Err, want)
	}
}

// wantError demands a failure with this code, permanence and words.
func wantError(t testing.TB, answer quorum.Answer, code string, permanent bool, words string) {
	t.Helper()
	wantVerdict(t, answer, quorum.Failed)
	var err *quorum.NodeError
	if !errors.As(answer.Err, &err) {
		t.Fatalf("error %v (%T) is no NodeError", answer.Err, answer.Err)
	}
	if err.Code != code || err.Permanent != permanent || !strings.Contains(err.Error(), words) {
		t.Fatalf("code %q, permanent %v, error %q; want %q, %v, and %q in it",
			err.Code, err.Permanent, err, code, permanent, words)
	}
}

func TestServerErrors(t *testing.T) {
	ctx := t.Context()
	type setup func(t *testing.T, plain *redis.Client, opts *redis.Options) // runs before the node exists
	do := func(args ...any) setup {
		return func(t *testing.T, plain *redis.Client, _ *redis.Options) { must(t, plain.Do(ctx, args...).Err()) }
	}
	tests := map[string]struct {
		prepare   setup
		code      string
		permanent bool
		words     string
	}{
		"password missing": {func(t *testing.T, plain *redis.Client, _ *redis.Options) {
			must(t, plain.Do(ctx, "CONFIG", "SET", "requirepass", "s3cret").Err())
		}, "NOAUTH", true, "wants a password"},
		"password wrong": {func(t *testing.T, plain *redis.Client, opts *redis.Options) {
			must(t, plain.Do(ctx, "CONFIG", "SET", "requirepass", "s3cret").Err())
			opts.Password = "hunter2"
		}, "WRONGPASS", true, "check user name and password"},
		"user unknown": {func(_ *testing.T, _ *redis.Client, opts *redis.Options) {
			opts.Username, opts.Password = "nobody", "hunter2"
		}, "WRONGPASS", true, "check user name and password"},
		"no right to run scripts": {user("+time", "+get"), "NOPERM", true, "+evalsha"},
		"no right to store keys":  {user("+time", "+eval", "+evalsha", "+get"), "NOPERM", true, "+pexpire"},
		"no right to ask for the time": {
			user("+eval", "+evalsha", "+get", "+set"),
			"NOPERM", true, "+time",
		},
		"no such database": {
			func(_ *testing.T, _ *redis.Client, opts *redis.Options) { opts.DB = 99 },
			"ERR", true, "raise the server's setting databases",
		},
		"key that is no lock":  {do("RPUSH", "key", "x"), "WRONGTYPE", true, "no lock"},
		"no memory left":       {do("CONFIG", "SET", "maxmemory", "1"), "OOM", false, "maxmemory"},
		"replica":              {do("REPLICAOF", "127.0.0.1", "1"), "READONLY", false, "replica"},
		"too few replicas":     {do("CONFIG", "SET", "min-replicas-to-write", "1"), "NOREPLICAS", false, "replicas"},
		"too many connections": {do("CONFIG", "SET", "maxclients", "1"), "ERR", false, "maxclients"},
		"replica without its master": {func(t *testing.T, plain *redis.Client, _ *redis.Options) {
			must(t, plain.Do(ctx, "CONFIG", "SET", "replica-serve-stale-data", "no").Err())
			must(t, plain.Do(ctx, "REPLICAOF", "127.0.0.1", "1").Err())
		}, "MASTERDOWN", false, "MASTERDOWN"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			server := quorumtest.RedisServer(t)
			quorumtest.NoLeaks(t)
			opts := &redis.Options{Addr: server.Addr()}
			tc.prepare(t, plainClient(t, opts), opts)
			node := open(t, opts)
			for _, op := range []quorum.Op{acquire("key"), limited(acquire("key"))} {
				answer := ask(t, node, patience, op)
				wantError(t, answer, tc.code, tc.permanent, tc.words)
				if strings.Contains(answer.Err.Error(), "hunter2") {
					t.Errorf("error holds the password: %v", answer.Err)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			for _, answer := range node.Ask(ctx, []quorum.Op{acquire("key"), acquire("key")}) {
				wantError(t, answer, tc.code, tc.permanent, tc.words)
			}
		})
	}
}

// limited returns op with a limit in the far future.
func limited(op quorum.Op) quorum.Op {
	op.NotAfter = clock.System().Now().Add(time.Minute)
	return op
}

// user makes the node ask as a user with these rights on all keys.
func user(rights ...any) func(*testing.T, *redis.Client, *redis.Options) {
	return func(t *testing.T, plain *redis.Client, opts *redis.Options) {
		t.Helper()
		command := append([]any{"ACL", "SETUSER", "locker", "on", ">s3cret", "~*"}, rights...)
		must(t, plain.Do(t.Context(), command...).Err())
		opts.Username, opts.Password = "locker", "s3cret"
	}
}

func TestBusyServer(t *testing.T) {
	server := quorumtest.RedisServer(t, redisserver.WithConfig("--lua-time-limit", "1"))
	plain := plainClient(t, &redis.Options{Addr: server.Addr(), ReadTimeout: -1})
	node := open(t, &redis.Options{Addr: server.Addr()})
	wantVerdict(t, ask(t, node, patience, acquire("key")), quorum.Mine)

	var script sync.WaitGroup
	script.Go(func() { _ = plain.Eval(t.Context(), "while true do end", nil).Err() })
	answer := ask(t, node, patience, acquire("key"))
	for giveUp := time.Now().Add(patience); answer.Answered() && time.Now().Before(giveUp); {
		answer = ask(t, node, patience, acquire("key"))
	}
	wantError(t, answer, "BUSY", false, "SCRIPT KILL")
	must(t, plain.ScriptKill(t.Context()).Err())
	script.Wait()
	wantVerdict(t, ask(t, node, patience, acquire("key")), quorum.Mine)
}

func TestPausedServer(t *testing.T) {
	server := quorumtest.RedisServer(t)
	quorumtest.NoLeaks(t)
	for name, warm := range map[string]bool{"on an open connection": true, "on a new connection": false} {
		t.Run(name, func(t *testing.T) {
			node := open(t, &redis.Options{Addr: server.Addr()})
			if warm {
				wantVerdict(t, ask(t, node, patience, acquire("key")), quorum.Mine)
			}
			must(t, server.Pause())
			for _, op := range []quorum.Op{acquire("key"), limited(acquire("key"))} {
				answer := ask(t, node, 50*time.Millisecond, op)
				wantError(t, answer, "", false, "deadline exceeded")
				if !errors.Is(answer.Err, context.DeadlineExceeded) {
					t.Errorf("error %v is not a DeadlineExceeded", answer.Err)
				}
			}
			must(t, server.Resume())
			wantVerdict(t, ask(t, node, patience, acquire("key")), quorum.Mine)
		})
	}
}

func TestKilledServerAnswersAgainOnTheNextAsk(t *testing.T) {
	server := quorumtest.RedisServer(t)
	quorumtest.NoLeaks(t)
	node := open(t, &redis.Options{Addr: server.Addr()})
	wantVerdict(t, ask(t, node, patience, acquire("key")), quorum.Mine)
	must(t, server.Kill())
	for range 200 { // more than the pool has places
		answer := ask(t, node, patience, acquire("key"))
		wantError(t, answer, "", false, "connection refused")
		if !errors.Is(answer.Err, syscall.ECONNREFUSED) {
			t.Fatalf("error %v is not ECONNREFUSED", answer.Err)
		}
	}
	must(t, server.Restart(t.Context()))
	wantVerdict(t, ask(t, node, patience, acquire("key")), quorum.Mine)
	must(t, server.Kill())
	must(t, server.Restart(t.Context()))
	wantVerdict(t, ask(t, node, patience, acquire("key")), quorum.Mine)
}

func TestManyAsksOfADeadServer(t *testing.T) {
	server := quorumtest.RedisServer(t)
	node := open(t, &redis.Options{Addr: server.Addr()})
	must(t, server.Kill())
	var asks sync.WaitGroup
	for i := range 200 {
		asks.Go(func() {
			answer := ask(t, node, patience, acquire(fmt.Sprint("key ", i)))
			if !errors.Is(answer.Err, syscall.ECONNREFUSED) {
				t.Errorf("error %v is not ECONNREFUSED", answer.Err)
			}
		})
	}
	asks.Wait()
	must(t, server.Restart(t.Context()))
	wantVerdict(t, ask(t, node, patience, acquire("key")), quorum.Mine)
}

func TestNoTimeLeft(t *testing.T) {
	var dials sync.Map
	node := open(t, &redis.Options{Addr: "127.0.0.1:1", Dialer: func(context.Context, string, string) (net.Conn, error) {
		dials.Store("dialed", true)
		return nil, errors.New("dialed")
	}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, answer := range node.Ask(ctx, []quorum.Op{acquire("a"), limited(acquire("b"))}) {
		wantVerdict(t, answer, quorum.Failed)
		if !errors.Is(answer.Err, context.Canceled) {
			t.Errorf("error %v is not Canceled", answer.Err)
		}
	}
	if _, dialed := dials.Load("dialed"); dialed {
		t.Error("dialed for a ctx that had ended")
	}
}

// A replica that takes over its master's data is loading. Every key is made to take a while.
func TestLoadingServer(t *testing.T) {
	fleet := quorumtest.Fleet(t, 2, redisserver.WithConfig("--repl-diskless-sync-delay", "0"))
	master, replica := fleet[0], fleet[1]
	filled := plainClient(t, &redis.Options{Addr: master.Addr()}).Pipeline()
	for i := range 5000 {
		filled.Set(t.Context(), fmt.Sprint("filler ", i), "a value with some length to it", 0)
	}
	_, err := filled.Exec(t.Context())
	must(t, err)
	node := open(t, &redis.Options{Addr: replica.Addr()})
	wantVerdict(t, ask(t, node, patience, acquire("key")), quorum.Mine)

	plain := plainClient(t, &redis.Options{Addr: replica.Addr()})
	must(t, plain.ConfigSet(t.Context(), "loading-process-events-interval-bytes", "1024").Err())
	must(t, plain.ConfigSet(t.Context(), "key-load-delay", "2000").Err())
	host, port, _ := net.SplitHostPort(master.Addr())
	must(t, plain.Do(t.Context(), "REPLICAOF", host, port).Err())
	var answer quorum.Answer
	waitFor(t, func() bool {
		answer = ask(t, node, patience, acquire("key"))
		var failed *quorum.NodeError
		return errors.As(answer.Err, &failed) && failed.Code != "READONLY"
	})
	wantError(t, answer, "LOADING", false, "loading")
}

// A server so far away that a connection takes longer to open than an operation may take is asked all the
// same, once the connection is there.
func TestFarServerIsReachedThoughAskingIsShorterThanConnecting(t *testing.T) {
	server := quorumtest.RedisServer(t)
	quorumtest.NoLeaks(t)
	proxy, err := faultproxy.Start(server.Addr(), 1)
	must(t, err)
	defer func() { _ = proxy.Close() }()
	proxy.Delay(faultproxy.Both, 40*time.Millisecond, 0)
	node := open(t, &redis.Options{Addr: proxy.Addr()})
	answer := ask(t, node, 120*time.Millisecond, acquire("key"))
	for giveUp := time.Now().Add(patience); !answer.Answered() && time.Now().Before(giveUp); {
		answer = ask(t, node, 120*time.Millisecond, acquire("key"))
	}
	wantVerdict(t, answer, quorum.Mine)
}
