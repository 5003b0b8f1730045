package faultproxy_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/quorum/quorumtest/faultproxy"
)

// realServer is a Redis server behind a proxy, and a client on either side of it.
func realServer(t *testing.T) (p *faultproxy.Proxy, through, direct *redis.Client) {
	t.Helper()
	quorumtest.NoLeaks(t)
	addr := quorumtest.RedisServer(t).Addr()
	p = startProxy(t, addr)
	return p, connect(t, p.Addr()), connect(t, addr)
}

func connect(t *testing.T, addr string) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true, MaxRetries: -1})
	t.Cleanup(func() { c.Close() })
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAnAcquireRunsAfterItsConnectionWasClosed(t *testing.T) {
	p, through, direct := realServer(t)
	held := p.HoldCommand(1, faultproxy.Containing("lock:a"), 0)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := through.SetNX(ctx, "lock:a", "first", time.Minute).Err(); err == nil {
		t.Fatal("a held command was answered")
	}
	<-held.Caught()
	// The client gives up and undoes, on another connection, what has not even happened.
	if n, err := through.Del(t.Context(), "lock:a").Result(); err != nil || n != 0 {
		t.Fatalf("DEL = %d, %v", n, err)
	}
	held.Release()
	eventually(t, "the orphan", func() bool { return direct.Get(t.Context(), "lock:a").Val() == "first" })
}

func TestAnAcquireWhoseReplyIsLostHasHappened(t *testing.T) {
	p, through, direct := realServer(t)
	p.DropReply(1, faultproxy.Named("set"), faultproxy.ThenReset)
	if err := through.SetNX(t.Context(), "lock:a", "first", time.Minute).Err(); err == nil {
		t.Error("the reply was not lost")
	}
	if got := direct.Get(t.Context(), "lock:a").Val(); got != "first" {
		t.Errorf("value = %q, want first", got)
	}
	if got := p.Count(faultproxy.ReplyDropped); got != 1 {
		t.Errorf("dropped %d replies, want 1", got)
	}
}

func TestPipelinesOfARealClientPass(t *testing.T) {
	p, through, direct := realServer(t)
	p.Delay(faultproxy.Both, time.Millisecond, time.Millisecond)
	pipe := through.Pipeline()
	for range 500 {
		pipe.Incr(t.Context(), "n")
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := direct.Get(t.Context(), "n").Int(); got != 500 || err != nil {
		t.Errorf("n = %d, %v, want 500", got, err)
	}
}

func TestAPartitionedClientFailsInTimeAndRecovers(t *testing.T) {
	p, through, _ := realServer(t)
	p.Hold(faultproxy.Both)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := through.Incr(ctx, "n").Err(); err == nil {
		t.Error("a partitioned server answered")
	}
	p.Heal()
	// The held INCR reaches the server on its own connection, before or after this one.
	eventually(t, "the increment", func() bool {
		n, err := through.IncrBy(t.Context(), "n", 0).Result()
		return err == nil && n == 1
	})
}

// What is published passes unharmed and in order, also what was held.
func TestSubscriptionsPass(t *testing.T) {
	for _, protocol := range []int{2, 3} {
		p, _, direct := realServer(t)
		through := redis.NewClient(&redis.Options{Addr: p.Addr(), Protocol: protocol, MaxRetries: -1})
		t.Cleanup(func() { through.Close() })
		listener := through.Subscribe(t.Context(), "a", "b")
		t.Cleanup(func() { listener.Close() })
		next := func(want string) {
			t.Helper()
			got, err := listener.ReceiveTimeout(t.Context(), 10*time.Second)
			if err != nil || fmt.Sprint(got) != want {
				t.Fatalf("RESP%d: received %v (%v), want %s", protocol, got, err, want)
			}
		}
		next("subscribe: a")
		next("subscribe: b")
		payload := "with\r\nlines\x00 " + strings.Repeat("long", 100)
		p.Hold(faultproxy.ToClient)
		for range 100 {
			if n, err := direct.Publish(t.Context(), "a", payload).Result(); err != nil || n != 1 {
				t.Fatalf("published to %d, %v", n, err)
			}
		}
		if err := listener.Ping(t.Context(), "hello"); err != nil {
			t.Fatal(err)
		}
		p.Release(faultproxy.ToClient)
		for range 100 {
			next("Message<a: " + payload + ">")
		}
		next("Pong<hello>")
		if err := listener.Unsubscribe(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		next("unsubscribe: b")
	}
}
