package redlock_test

import (
	"context"
	"crypto/sha1" //nolint:gosec // it names Redis scripts
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/quorum/quorumtest/faultproxy"
	"github.com/quorumlock/quorumlock/quorum/quorumtest/redisserver"
	"github.com/quorumlock/quorumlock/redlock"
	"github.com/redis/go-redis/v9"
)

// The proofs run the claims of the README on real redis-server processes, with faults made on the way.
// Under "make test" they run small and assert facts only; under "make prove" they run in full, assert
// the figures too, and print them.

// proving reports whether the proofs run in full.
func proving() bool { return os.Getenv("REDLOCK_PROVE") != "" }

// scaled is a number of rounds: few, or all of them when proving.
func scaled(few, all int) int {
	if proving() {
		return all
	}
	return few
}

// again logs the command that produces the figures of a proof once more.
func again(t *testing.T) {
	t.Helper()
	full := ""
	if proving() {
		full = "REDLOCK_PROVE=1 "
	}
	t.Logf("again: %sgo test -count=1 -v -timeout 60m -run '^%s$' ./redlock", full, t.Name())
}

// A lab is real servers, each behind a proxy that makes faults, and a way to look behind it.
type lab struct {
	t       *testing.T
	servers []*redisserver.Server
	proxies []*faultproxy.Proxy
	admin   []*redis.Client
}

func newLab(t *testing.T, n int, opts ...redisserver.Option) *lab {
	t.Helper()
	quorumtest.NoLeaks(t)
	l := &lab{t: t, servers: quorumtest.Fleet(t, n, opts...)}
	for i, server := range l.servers {
		proxy, err := faultproxy.Start(server.Addr(), uint64(i+1))
		if err != nil {
			t.Fatal(err)
		}
		admin := redis.NewClient(&redis.Options{Addr: server.Addr()})
		l.proxies, l.admin = append(l.proxies, proxy), append(l.admin, admin)
		t.Cleanup(func() { _ = proxy.Close() })
		t.Cleanup(func() { _ = admin.Close() })
	}
	return l
}

// locker returns a client whose connections go through the proxies.
func (l *lab) locker(opts ...redlock.Option) *redlock.Locker {
	l.t.Helper()
	addrs := make([]string, len(l.proxies))
	for i, proxy := range l.proxies {
		addrs[i] = proxy.Addr()
	}
	return l.open(addrs, opts)
}

// direct returns a client that no proxy disturbs.
func (l *lab) direct(opts ...redlock.Option) *redlock.Locker {
	l.t.Helper()
	addrs := make([]string, len(l.servers))
	for i, server := range l.servers {
		addrs[i] = server.Addr()
	}
	return l.open(addrs, opts)
}

func (l *lab) open(addrs []string, opts []redlock.Option) *redlock.Locker {
	l.t.Helper()
	urls := make([]string, len(addrs))
	for i, addr := range addrs {
		urls[i] = "redis://" + addr
	}
	locker, err := redlock.Open(l.t.Context(), urls, opts...)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = locker.Close() })
	return locker
}

// met counts how often a fault took effect, on all proxies.
func (l *lab) met(fault faultproxy.Fault) int {
	n := 0
	for _, proxy := range l.proxies {
		n += proxy.Count(fault)
	}
	return n
}

// holders returns what the nodes keep under key, node by node; "" for nothing.
func (l *lab) holders(key string) []string {
	l.t.Helper()
	values := make([]string, len(l.admin))
	for i, admin := range l.admin {
		value, err := admin.Get(context.Background(), key).Result()
		if err != nil && err != redis.Nil { //nolint:errorlint // go-redis returns it bare
			l.t.Fatalf("looking behind node %d: %v", i, err)
		}
		values[i] = value
	}
	return values
}

// awaitFree waits until no node has key, and returns how long that took. It gives up before keys run
// out by themselves, which would prove nothing.
func (l *lab) awaitFree(key string, limit time.Duration) time.Duration {
	l.t.Helper()
	start := time.Now()
	for {
		left := slices.DeleteFunc(l.holders(key), func(v string) bool { return v == "" })
		took := time.Since(start)
		if len(left) == 0 {
			return took
		}
		if took > limit {
			l.t.Errorf("%d nodes still have %q after %v", len(left), key, took)
			return took
		}
		<-time.After(time.Millisecond)
	}
}

// inParallel runs rounds, several at a time, each with a name of its own.
func inParallel(rounds, workers int, round func(name string)) {
	var group sync.WaitGroup
	next := make(chan int)
	for range workers {
		group.Go(func() {
			for i := range next {
				round(fmt.Sprintf("round-%d", i))
			}
		})
	}
	for i := range rounds {
		next <- i
	}
	close(next)
	group.Wait()
}

// script is a command by which a node carries out operations of that kind, perhaps among others.
func script(t *testing.T, kind string) faultproxy.Match {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("..", "quorum", "redisnode", "batch.lua"))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha1.Sum(source) //nolint:gosec // it names Redis scripts
	return both(faultproxy.Containing(hex.EncodeToString(sum[:])), faultproxy.Containing(kind))
}

func both(a, b faultproxy.Match) faultproxy.Match {
	return func(c faultproxy.Command) bool { return a(c) && b(c) }
}

// quantile returns the q-quantile of durations, by nearest rank.
func quantile(durations []time.Duration, q float64) time.Duration {
	if len(durations) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(durations))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
