package redisnode_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/quorum/redisnode"
)

func TestConformance(t *testing.T) {
	server := quorumtest.RedisServer(t)
	tests := map[string]*redis.Options{
		"RESP3":            {Addr: server.Addr()},
		"RESP2":            {Addr: server.Addr(), Protocol: 2},
		"another database": {Addr: server.Addr(), DB: 3},
		"another client's": initialised(t, &redis.Options{Addr: server.Addr()}),
	}
	for name, opts := range tests {
		t.Run(name, func(t *testing.T) {
			quorumtest.Conformance(t, func(t *testing.T) quorumtest.Fixture { return fixture(t, opts) })
		})
	}
}

// fixture opens a node and the plain client that goes behind its back.
func fixture(t *testing.T, opts *redis.Options) quorumtest.Fixture {
	plain := plainClient(t, &redis.Options{Addr: opts.Addr, DB: opts.DB})
	clk := clock.System()
	return quorumtest.Fixture{
		Node:  open(t, opts),
		Clock: clk,
		Plant: func(key, value string) { must(t, plain.Set(t.Context(), key, value, 0).Err()) },
		Wipe:  func() { must(t, plain.FlushAll(t.Context()).Err()) },
		Spoil: func(key string) { must(t, plain.RPush(t.Context(), key, "no lock").Err()) },
	}
}

// open makes a node that is closed at the end of the test.
func open(t testing.TB, opts *redis.Options) *redisnode.Node {
	t.Helper()
	node, err := redisnode.New(opts, clock.System())
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(func() { must(t, node.Close()) })
	return node
}

// plainClient is a client as anybody would open it, to look behind a node's back.
func plainClient(t testing.TB, opts *redis.Options) *redis.Client {
	t.Helper()
	client := redis.NewClient(opts)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// initialised returns opts as an existing client has them.
func initialised(t testing.TB, opts *redis.Options) *redis.Options {
	client := redis.NewClient(opts)
	t.Cleanup(func() { _ = client.Close() })
	return client.Options()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
