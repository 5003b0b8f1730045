package fakeredis_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/chaos/internal/fakeredis"
	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/quorum/redisnode"
)

// The lock's own node cannot tell the fake from a server.
func TestConformance(t *testing.T) {
	versions := map[string]func(*redis.Options){
		"RESP3": func(*redis.Options) {},
		"RESP2": func(o *redis.Options) { o.Protocol = 2 },
	}
	for name, change := range versions {
		open := func(t *testing.T) quorumtest.Fixture { return fixture(t, change) }
		t.Run(name+" in real time", func(t *testing.T) { quorumtest.Conformance(t, open) })
		t.Run(name+" in bubbles", func(t *testing.T) {
			quorumtest.Conformance(t, open, quorumtest.InBubbles())
		})
	}
}

func fixture(t *testing.T, change func(*redis.Options)) quorumtest.Fixture {
	clk := clock.Process()
	server := fakeredis.New(0, clk, fakeredis.WithPassword("secret"))
	t.Cleanup(func() { must(t, server.Close()) })
	opts := server.Link(0).Options()
	change(opts)
	node, err := redisnode.New(opts, clk)
	must(t, err)
	t.Cleanup(func() { must(t, node.Close()) })
	return quorumtest.Fixture{
		Node: node, Clock: clk, Wipe: server.Wipe, Spoil: server.Spoil,
		Plant: func(key, value string) { server.Put(key, value, 0) },
	}
}
