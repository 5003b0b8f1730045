package redisnode_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/quorum/quorumtest/faultproxy"
	"github.com/quorumlock/quorumlock/quorum/redisnode"
)

// A connection that was greeted more slowly than an operation may take is of use all the same once the network is
// fast again: nothing that the greeting has told of the server may keep operations from being sent.
func TestASlowGreetingLocksNobodyOut(t *testing.T) {
	p, err := faultproxy.Start(quorumtest.RedisServer(t).Addr(), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	n, err := redisnode.New(&redis.Options{Addr: p.Addr()}, clock.System())
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	ask := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		return n.Ask(ctx, []quorum.Op{{Kind: quorum.Inspect, Key: "k"}})[0].Err
	}
	p.Delay(faultproxy.ToClient, 60*time.Millisecond, 0)
	for p.Count(faultproxy.Delayed) == 0 { // until the greeting is under way
		if ask() == nil {
			t.Fatal("an answer within 50ms over a network that takes 60ms")
		}
	}
	p.Heal()
	healthy := time.Now()
	for ask() != nil {
		if time.Since(healthy) > 20*time.Second {
			t.Fatalf("no answer in the %v since the network is fast again", time.Since(healthy))
		}
	}
}
