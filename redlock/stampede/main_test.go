package stampede_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/memnode"
	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/quorum/quorumtest/redisserver"
	"github.com/quorumlock/quorumlock/redlock"
	"github.com/quorumlock/quorumlock/redlock/stampede"
)

// TestMain is two programs: the tests, which leave nothing behind, and one process of a herd.
func TestMain(m *testing.M) {
	redis.SetLogger(silent{})
	if spec := os.Getenv(herdVariable); spec != "" {
		os.Exit(runMember(spec))
	}
	if _, err := exec.LookPath("redis-server"); err != nil && os.Getenv("CI") != "true" {
		if err := flag.Set("test.skip", "^Example"); err != nil {
			panic(err)
		}
	}
	os.Exit(quorumtest.LeakFree(m))
}

// silent swallows what the client library says of servers that tests made fail.
type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// proving says whether figures are measured in full.
func proving() bool { return os.Getenv("REDLOCK_PROVE") != "" }

func scaled(usual, proof int) int {
	if proving() {
		return proof
	}
	return usual
}

// A stand is a data node, and lock nodes in memory that each process of a test sees as its own connections.
type stand struct {
	t     *testing.T
	data  *redisserver.Server
	clock clock.Clock
	nodes []*memnode.Node
}

// view is one client's connections to the shared nodes: closing it leaves them running.
type view struct{ *memnode.Node }

func (view) Close() error { return nil }

func newStand(t *testing.T) *stand {
	t.Helper()
	s := &stand{t: t, data: quorumtest.RedisServer(t), clock: clock.Process()}
	for i := range 5 {
		s.nodes = append(s.nodes, memnode.New(fmt.Sprintf("mem-%d", i+1), s.clock))
	}
	return s
}

func (s *stand) locker(opts ...redlock.Option) *redlock.Locker {
	s.t.Helper()
	nodes := make([]quorum.Node, len(s.nodes))
	for i, node := range s.nodes {
		nodes[i] = view{node}
	}
	l, err := redlock.NewWithNodes(nodes, append([]redlock.Option{redlock.WithClock(s.clock)}, opts...)...)
	must(s.t, err)
	s.t.Cleanup(func() { l.Close() })
	return l
}

func (s *stand) client() *redis.Client {
	s.t.Helper()
	c := redis.NewClient(&redis.Options{Addr: s.data.Addr()})
	s.t.Cleanup(func() { c.Close() })
	return c
}

// cache is a cache as another process would have it: with a client and a Locker of its own.
func (s *stand) cache(opts ...stampede.Option) *stampede.Cache[string] {
	s.t.Helper()
	return cacheOn(s.t, s.client(), s.locker(), opts...)
}

func cacheOn(t *testing.T, client redis.UniversalClient, l *redlock.Locker, opts ...stampede.Option) *stampede.Cache[string] {
	t.Helper()
	c, err := stampede.New[string](client, l, opts...)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// tidy fails the test if the data node has a key without end.
func (s *stand) tidy() {
	s.t.Helper()
	client := s.client()
	for _, key := range client.Keys(context.Background(), "*").Val() {
		if ttl := client.PTTL(context.Background(), key).Val(); ttl == -1 {
			s.t.Errorf("key %q has no TTL", key)
		}
	}
}

// A source counts who reads it, and how many at the same time.
type source struct {
	loads, now, most atomic.Int64
	slow             time.Duration
	answer           func(n int64) (string, error) // of the n-th load; nil for its number
}

func (s *source) load(ctx context.Context, _ *stampede.Load) (string, error) {
	n := s.loads.Add(1)
	if now := s.now.Add(1); now > s.most.Load() {
		s.most.Store(now)
	}
	defer s.now.Add(-1)
	if s.slow > 0 {
		select {
		case <-time.After(s.slow):
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
	if s.answer != nil {
		return s.answer(n)
	}
	return fmt.Sprintf("v%d", n), nil
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// herd lets n callers do the same at the same time.
func herd(n int, call func(i int)) {
	var group sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		group.Go(func() {
			<-start
			call(i)
		})
	}
	close(start)
	group.Wait()
}

// await waits until a condition holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	limit := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-look.C:
		case <-limit:
			t.Fatalf("%s: still not so", what)
		}
	}
}

func lockerOn(t *testing.T, nodes []*redis.Options) *redlock.Locker {
	t.Helper()
	l, err := redlock.New(nodes)
	must(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

// free reports whether no lock node has the key.
func free(t *testing.T, locks []*redisserver.Server, key string) bool {
	t.Helper()
	for _, lock := range locks {
		c := redis.NewClient(&redis.Options{Addr: lock.Addr()})
		n := c.Exists(t.Context(), key).Val()
		c.Close()
		if n > 0 {
			return false
		}
	}
	return true
}

// lockCommands counts the scripts that lock nodes have run.
func lockCommands(t *testing.T, locks []*redisserver.Server) (n int) {
	t.Helper()
	for _, lock := range locks {
		n += calls(t, lock, "evalsha", "eval")
	}
	return n
}

// counter counts the round trips of a client.
type counter struct{ n atomic.Int64 }

func (c *counter) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *counter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.n.Add(1)
		return next(ctx, cmd)
	}
}

func (c *counter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.n.Add(1)
		return next(ctx, cmds)
	}
}
