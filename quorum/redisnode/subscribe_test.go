package redisnode_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/quorum/quorumtest/redisserver"
	"github.com/quorumlock/quorumlock/quorum/redisnode"
)

// Whatever happens to the connection or the server, it is listened to again soon, and said so.
func TestListeningAgain(t *testing.T) {
	for name, strike := range map[string]func(t *testing.T, server *redisserver.Server, plain *redis.Client){
		"the connection is killed": func(t *testing.T, _ *redisserver.Server, plain *redis.Client) {
			must(t, plain.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Err())
		},
		"the server restarts": func(t *testing.T, server *redisserver.Server, _ *redis.Client) {
			must(t, server.Kill())
			must(t, server.Restart(t.Context()))
		},
		"the server hangs": func(t *testing.T, server *redisserver.Server, _ *redis.Client) {
			must(t, server.Pause())
			hangs := time.NewTimer(2500 * time.Millisecond)
			<-hangs.C
			must(t, server.Resume())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := quorumtest.RedisServer(t)
			s := newScene(t, server.Addr())
			strike(t, server, s.plain)
			s.hears(quorum.Listening, "")
			answer := ask(t, s.node, patience, hold("holder"))
			wantVerdict(t, answer, quorum.Mine)
			s.queue("waiter")
			s.want(free("holder"), quorum.Mine)
			s.hears(quorum.Freed, "waiter")
		})
	}
}

// A user that may not subscribe hears nothing, and asks less and less often.
func TestWhoMayNotSubscribe(t *testing.T) {
	server := quorumtest.RedisServer(t)
	plain := plainClient(t, &redis.Options{Addr: server.Addr()})
	must(t, plain.Do(t.Context(), "ACL", "SETUSER", "locker", "on", ">s3cret", "~*", "resetchannels", "+@all").Err())
	node := open(t, &redis.Options{Addr: server.Addr(), Username: "locker", Password: "s3cret"})
	stop := node.Announcements(lock, func(a quorum.Announcement) { t.Errorf("heard %v", a) })
	defer stop()
	refused := func() int {
		text := plain.Info(t.Context(), "commandstats").Val()
		return number(t, text, `cmdstat_subscribe:calls=\d+,usec=\d+,usec_per_call=[\d.]+,rejected_calls=(\d+)`)
	}
	before := connections(t, plain)
	waitFor(t, func() bool { return refused() >= 5 }) // 50 + 100 + 200 + 400 ms
	if opened := connections(t, plain) - before; opened > 8 {
		t.Errorf("%d connections were opened", opened)
	}
	wantVerdict(t, ask(t, node, patience, as("w", 0, hold("holder"))), quorum.Mine)
	wantVerdict(t, ask(t, node, patience, as("w", 0, hold("other"))), quorum.Other)
	if answer := ask(t, node, patience, free("holder")); answer.Verdict != quorum.Mine || !answer.Waiting {
		t.Errorf("release = %+v, want mine, and that somebody waits", answer)
	}
}

// Close ends the listening, also while it is being set up again, and joins it.
func TestCloseEndsListening(t *testing.T) {
	server := quorumtest.RedisServer(t)
	quorumtest.NoLeaks(t)
	for _, test := range []struct {
		name   string
		strike func()
	}{
		{"listening", func() {}},
		{"server hangs", func() { must(t, server.Pause()) }},
		{"nobody is there", func() { must(t, server.Resume()); must(t, server.Kill()) }},
	} {
		node, err := redisnode.New(&redis.Options{Addr: server.Addr()}, clock.System())
		must(t, err)
		stop := node.Announcements(lock, func(quorum.Announcement) {})
		test.strike()
		start := time.Now()
		must(t, node.Close())
		if took := time.Since(start); took > patience/2 {
			t.Errorf("%s: Close took %v", test.name, took)
		}
		stop()
		node.Announcements(lock, func(quorum.Announcement) { t.Error("a closed node announces") })()
	}
}

// Any number of listeners share a connection, and leave nothing behind.
func TestAThousandListenersLeaveNothing(t *testing.T) {
	server := quorumtest.RedisServer(t)
	quorumtest.NoLeaks(t)
	plain := plainClient(t, &redis.Options{Addr: server.Addr()})
	node := open(t, &redis.Options{Addr: server.Addr()})
	wantVerdict(t, ask(t, node, patience, acquire("warm")), quorum.Mine)
	before, goroutines := connections(t, plain), runtime.NumGoroutine()
	var listening sync.WaitGroup
	var stops []func()
	for i := range 1000 {
		listening.Add(1)
		stops = append(stops, node.Announcements(fmt.Sprint("key ", i), func(quorum.Announcement) { listening.Done() }))
	}
	listening.Wait()
	if opened := connections(t, plain) - before; opened != 1 {
		t.Errorf("%d connections were opened", opened)
	}
	if more := runtime.NumGoroutine() - goroutines; more > 5 {
		t.Errorf("%d goroutines more", more)
	}
	channels := func() int { return len(plain.PubSubChannels(t.Context(), "*").Val()) }
	if n := channels(); n != 64 {
		t.Errorf("%d channels", n)
	}
	for _, stop := range stops {
		stop()
	}
	clients := func() int { return len(strings.Split(strings.TrimSpace(plain.ClientList(t.Context()).Val()), "\n")) }
	waitFor(t, func() bool { return channels() == 0 && clients() == 2 && runtime.NumGoroutine() <= goroutines })
}
