package stampede_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/redlock"
	"github.com/quorumlock/quorumlock/redlock/stampede"
)

func TestMissesLoadOnceAndHitsNotAtAll(t *testing.T) {
	s := newStand(t)
	a, b := s.cache(), s.cache()
	src := &source{slow: 20 * time.Millisecond}
	herd(40, func(i int) {
		c := a
		if i%2 == 1 {
			c = b
		}
		entry, err := c.GetOrLoad(t.Context(), "user:1", src.load)
		if err != nil || entry.Value != "v1" {
			t.Errorf("GetOrLoad = %+v, %v; want v1", entry, err)
		}
	})
	if n := src.loads.Load(); n != 1 {
		t.Errorf("%d loads, want 1", n)
	}
	entry, err := b.GetOrLoad(t.Context(), "user:1", src.load)
	if err != nil || entry.Source != stampede.Hit || entry.Value != "v1" || entry.Token == 0 {
		t.Errorf("second GetOrLoad = %+v, %v; want a hit with a token", entry, err)
	}
	got, ok, err := a.Get(t.Context(), "user:1")
	if !ok || err != nil || got.Value != "v1" {
		t.Errorf("Get = %+v, %v, %v; want v1", got, ok, err)
	}
	if _, ok, err := a.Get(t.Context(), "user:9999"); ok || err != nil {
		t.Errorf("Get of nothing = %v, %v; want none", ok, err)
	}
	s.tidy()
}

func TestPutInvalidateRefresh(t *testing.T) {
	s := newStand(t)
	a, b := s.cache(), s.cache()
	src := &source{}
	must(t, a.Put(t.Context(), "k", "put", time.Minute))
	want(t, b, src, "k", "put")
	must(t, b.Invalidate(t.Context(), "k"))
	want(t, a, src, "k", "v1")
	entry, err := b.Refresh(t.Context(), "k", src.load)
	if err != nil || entry.Value != "v2" || entry.Source != stampede.Loaded {
		t.Errorf("Refresh = %+v, %v; want v2", entry, err)
	}
	want(t, a, src, "k", "v2")
	s.tidy()
}

// want reads a key.
func want(t *testing.T, c *stampede.Cache[string], src *source, key, value string) {
	t.Helper()
	entry, err := c.GetOrLoad(t.Context(), key, src.load)
	if err != nil || entry.Value != value {
		t.Errorf("GetOrLoad(%q) = %q, %v; want %q", key, entry.Value, err, value)
	}
}

func TestWhoCalledSharesAFailureOnce(t *testing.T) {
	s := newStand(t)
	a, b := s.cache(), s.cache()
	broken := errors.New("database is down")
	begun, fail := make(chan struct{}), make(chan struct{})
	load := func(context.Context, *stampede.Load) (string, error) {
		close(begun)
		<-fail
		return "", broken
	}
	errs := make(chan error, 2)
	go func() { _, err := a.GetOrLoad(t.Context(), "k", load); errs <- err }()
	<-begun
	waiting := &source{}
	go func() { _, err := b.GetOrLoad(t.Context(), "k", waiting.load); errs <- err }()
	awaitListener(t, s, "rl:{k}:n")
	close(fail)
	for range 2 {
		err := <-errs
		loadErr, ok := errors.AsType[*stampede.LoadError](err)
		if !ok || !strings.Contains(err.Error(), broken.Error()) {
			t.Errorf("error = %v, want a *LoadError with its text", err)
		} else if !loadErr.Remote && !errors.Is(err, broken) {
			t.Errorf("error = %v, want the loader's own", err)
		}
	}
	if n := waiting.loads.Load(); n != 0 {
		t.Errorf("who waited loaded %d times, want 0", n)
	}
	want(t, b, waiting, "k", "v1")
	s.tidy()
}

// awaitListener waits until somebody listens for news of a key.
func awaitListener(t *testing.T, s *stand, channel string) {
	t.Helper()
	client := s.client()
	await(t, "a waiter listens", func() bool {
		return client.PubSubNumSub(t.Context(), channel).Val()[channel] > 0
	})
}

func TestErrorTTLKeepsOthersFromLoading(t *testing.T) {
	s := newStand(t)
	a, b := s.cache(stampede.WithErrorTTL(time.Minute)), s.cache(stampede.WithErrorTTL(time.Minute))
	src := &source{answer: func(int64) (string, error) { return "", errors.New("boom") }}
	for range 3 {
		for _, c := range []*stampede.Cache[string]{a, b} {
			if _, err := c.GetOrLoad(t.Context(), "k", src.load); err == nil || !strings.Contains(err.Error(), "boom") {
				t.Errorf("error = %v, want boom", err)
			}
		}
	}
	if n := src.loads.Load(); n != 1 {
		t.Errorf("%d loads, want 1", n)
	}
	s.tidy()
}

func TestNegativeEntries(t *testing.T) {
	s := newStand(t)
	c := s.cache(stampede.WithNegativeTTL(time.Minute))
	src := &source{answer: func(int64) (string, error) { return "", stampede.ErrNotFound }}
	for range 3 {
		if _, err := c.GetOrLoad(t.Context(), "k", src.load); !errors.Is(err, stampede.ErrNotFound) {
			t.Errorf("error = %v, want ErrNotFound", err)
		}
	}
	if _, ok, err := c.Get(t.Context(), "k"); ok || !errors.Is(err, stampede.ErrNotFound) {
		t.Errorf("Get = %v, %v; want ErrNotFound", ok, err)
	}
	if n := src.loads.Load(); n != 1 {
		t.Errorf("%d loads, want 1", n)
	}
	s.tidy()
}

func TestStaleWhileRevalidate(t *testing.T) {
	s := newStand(t)
	c := s.cache(stampede.WithTTL(20*time.Millisecond), stampede.WithStale(time.Minute), stampede.WithEarlyRefresh(0))
	src := &source{}
	want(t, c, src, "k", "v1")
	client := s.client()
	await(t, "it is stale", func() bool { return client.PTTL(t.Context(), "rl:{k}:v").Val() <= time.Minute-time.Millisecond })
	hold := make(chan struct{})
	slow := func(_ context.Context, l *stampede.Load) (string, error) {
		if !l.Stale {
			t.Error("the loader was not told that there is a stale value")
		}
		<-hold
		return "v2", nil
	}
	for range 3 { // at once, although the load is held up
		entry, err := c.GetOrLoad(t.Context(), "k", slow)
		if err != nil || entry.Value != "v1" || entry.Source != stampede.Stale {
			t.Errorf("GetOrLoad = %+v, %v; want v1, stale", entry, err)
		}
	}
	close(hold)
	await(t, "the new value is there", func() bool {
		entry, _, _ := c.Get(t.Context(), "k")
		return entry.Value == "v2"
	})
}

func TestStaleIfError(t *testing.T) {
	s := newStand(t)
	c := s.cache(stampede.WithTTL(5*time.Millisecond), stampede.WithStaleIfError(time.Minute))
	src := &source{}
	want(t, c, src, "k", "v1")
	client := s.client()
	await(t, "it is past its time", func() bool { return client.PTTL(t.Context(), "rl:{k}:v").Val() < time.Minute-time.Millisecond })
	fails := &source{answer: func(int64) (string, error) { return "", errors.New("boom") }}
	entry, err := c.GetOrLoad(t.Context(), "k", fails.load)
	if err != nil || entry.Value != "v1" || entry.Source != stampede.Stale {
		t.Errorf("GetOrLoad = %+v, %v; want v1, stale", entry, err)
	}
	if n := fails.loads.Load(); n != 1 {
		t.Errorf("%d loads, want 1: callers wait for it", n)
	}
	want(t, c, &source{answer: func(int64) (string, error) { return "v2", nil }}, "k", "v2")
}

func TestOneCallersEndIsItsOwn(t *testing.T) {
	s := newStand(t)
	c := s.cache()
	begun, goOn := make(chan struct{}), make(chan struct{})
	load := func(ctx context.Context, _ *stampede.Load) (string, error) {
		close(begun)
		select {
		case <-goOn:
			return "v", nil
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
	first, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() { _, err := c.GetOrLoad(first, "k", load); gone <- err }()
	<-begun
	second := make(chan error, 1)
	go func() {
		entry, err := c.GetOrLoad(t.Context(), "k", load)
		if err == nil && entry.Value != "v" {
			t.Errorf("second got %+v", entry)
		}
		second <- err
	}()
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("first: %v, want context.Canceled", err)
	}
	close(goOn)
	must(t, <-second)
}

func TestPanicsWedgeNothing(t *testing.T) {
	s := newStand(t)
	a, b := s.cache(), s.cache()
	_, err := a.GetOrLoad(t.Context(), "k", func(context.Context, *stampede.Load) (string, error) { panic("ouch") })
	if p, ok := errors.AsType[*stampede.PanicError](err); !ok || p.Value != "ouch" || len(p.Stack) == 0 {
		t.Errorf("error = %v, want a *PanicError", err)
	}
	start := time.Now()
	want(t, b, &source{}, "k", "v1")
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("the next load began after %v: the key was wedged", took)
	}
}

func TestInvalidationVoidsALoadUnderWay(t *testing.T) {
	s := newStand(t)
	a, b := s.cache(), s.cache()
	begun, goOn := make(chan struct{}), make(chan struct{})
	deaf := func(context.Context, *stampede.Load) (string, error) { // to the end of its context
		close(begun)
		<-goOn
		return "old", nil
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = a.GetOrLoad(t.Context(), "k", deaf, stampede.WithOnFenced(stampede.ReturnUncached))
	}()
	<-begun
	must(t, b.Invalidate(t.Context(), "k"))
	// Who asks now, of either process, must not see what was read before.
	late := make(chan string, 2)
	src := &source{answer: func(int64) (string, error) { return "new", nil }}
	for _, c := range []*stampede.Cache[string]{a, b} {
		go func() { entry, _ := c.GetOrLoad(t.Context(), "k", src.load); late <- entry.Value }()
	}
	close(goOn)
	for range 2 {
		if got := <-late; got != "new" {
			t.Errorf("who asked after the invalidation got %q, want new", got)
		}
	}
	<-done
	want(t, b, src, "k", "new")
}

func TestInvalidationEndsTheLoadersContext(t *testing.T) {
	s := newStand(t)
	a, b := s.cache(), s.cache()
	begun, cause := make(chan struct{}), make(chan error, 1)
	var n atomic.Int64
	load := func(ctx context.Context, _ *stampede.Load) (string, error) {
		if n.Add(1) > 1 {
			return "second", nil
		}
		close(begun)
		<-ctx.Done()
		cause <- context.Cause(ctx)
		return "", ctx.Err()
	}
	got := make(chan string, 1)
	go func() { entry, _ := a.GetOrLoad(t.Context(), "k", load); got <- entry.Value }()
	<-begun
	must(t, b.Invalidate(t.Context(), "k"))
	if err := <-cause; !errors.Is(err, stampede.ErrFenced) {
		t.Errorf("cause = %v, want ErrFenced", err)
	}
	if v := <-got; v != "second" {
		t.Errorf("its caller got %q, want the value of a second load", v)
	}
}

func TestWithoutLockNodes(t *testing.T) {
	s := newStand(t)
	for _, node := range s.nodes[:3] {
		node.Cut()
	}
	t.Run("open: the data node alone decides", func(t *testing.T) {
		src := &source{slow: 30 * time.Millisecond}
		caches := []*stampede.Cache[string]{s.cache(), s.cache()}
		herd(20, func(i int) { want(t, caches[i%2], src, "open", "v1") })
		if n := src.loads.Load(); n != 1 {
			t.Errorf("%d loads, want 1", n)
		}
	})
	t.Run("closed: nobody loads", func(t *testing.T) {
		src := &source{}
		_, err := s.cache(stampede.WithUnavailable(stampede.FailClosed)).GetOrLoad(t.Context(), "closed", src.load)
		if !errors.Is(err, stampede.ErrUnavailable) || !errors.Is(err, redlock.ErrNoQuorum) {
			t.Errorf("error = %v, want ErrUnavailable for want of a quorum", err)
		}
		if n := src.loads.Load(); n != 0 {
			t.Errorf("%d loads, want 0", n)
		}
	})
}

func TestWithoutDataNode(t *testing.T) {
	s := newStand(t)
	open, closed := s.cache(), s.cache(stampede.WithUnavailable(stampede.FailClosed))
	must(t, s.data.Kill())
	src := &source{slow: 30 * time.Millisecond}
	herd(10, func(int) {
		if _, err := open.GetOrLoad(t.Context(), "k", src.load); err != nil {
			t.Errorf("GetOrLoad: %v, want a value without cache", err)
		}
	})
	if most := src.most.Load(); most != 1 {
		t.Errorf("%d loads at the same time, want 1", most)
	}
	if _, err := closed.GetOrLoad(t.Context(), "k", src.load); !errors.Is(err, stampede.ErrUnavailable) {
		t.Errorf("error = %v, want ErrUnavailable", err)
	}
}

func TestTheLoaderDecides(t *testing.T) {
	s := newStand(t)
	c, client := s.cache(stampede.WithJitter(0)), s.client()
	_, err := c.GetOrLoad(t.Context(), "ttl", func(_ context.Context, l *stampede.Load) (string, error) {
		if l.Key != "ttl" || l.Token == 0 || l.Stale {
			t.Errorf("load = %+v, want key and token", l)
		}
		l.SetTTL(time.Hour)
		l.SetStale(time.Hour)
		return "v", nil
	})
	must(t, err)
	if ttl := client.PTTL(t.Context(), "rl:{ttl}:v").Val(); ttl < 119*time.Minute || ttl > 2*time.Hour {
		t.Errorf("TTL = %v, want 2h", ttl)
	}
	_, err = c.GetOrLoad(t.Context(), "none", func(_ context.Context, l *stampede.Load) (string, error) {
		l.NoStore()
		return "v", nil
	})
	must(t, err)
	if n := client.Exists(t.Context(), "rl:{none}:v", "rl:{none}:l").Val(); n != 0 {
		t.Errorf("%d keys left of a value that is not to be stored", n)
	}
	_, err = c.GetOrLoad(t.Context(), "bad", func(_ context.Context, l *stampede.Load) (string, error) {
		l.SetTTL(-time.Second)
		return "v", nil
	})
	if _, ok := errors.AsType[*stampede.ConfigError](err); !ok || !strings.Contains(err.Error(), "TTL -1s is under 1ms") {
		t.Errorf("error = %v, want the broken rule", err)
	}
}

func TestMany(t *testing.T) {
	s := newStand(t)
	c, other := s.cache(), s.cache()
	src := &source{}
	want(t, c, src, "a", "v1")
	// Another process is loading one of them.
	decision, claim, err := other.Lock(t.Context(), "b", 0)
	if decision != stampede.ToLoad || err != nil {
		t.Fatalf("Lock = %v, %v", decision, err)
	}
	var batches atomic.Int64
	entries := make(chan map[string]stampede.Entry[string], 1)
	go func() {
		got, err := c.GetOrLoadMany(t.Context(), []string{"a", "b", "c", "d", "c", "none"},
			func(_ context.Context, loads []*stampede.Load) (map[string]string, error) {
				batches.Add(1)
				values := make(map[string]string)
				for _, l := range loads {
					if l.Key == "a" || l.Key == "b" {
						t.Errorf("%q was loaded", l.Key)
					}
					if l.Key != "none" {
						values[l.Key] = "batch " + l.Key
					}
				}
				return values, nil
			})
		if err != nil {
			t.Errorf("GetOrLoadMany: %v", err)
		}
		entries <- got
	}()
	awaitListener(t, s, "rl:{b}:n")
	must(t, claim.Set(t.Context(), "elsewhere", 0))
	got := <-entries
	for key, value := range map[string]string{"a": "v1", "b": "elsewhere", "c": "batch c", "d": "batch d"} {
		if got[key].Value != value {
			t.Errorf("%q = %+v, want %q", key, got[key], value)
		}
	}
	if _, there := got["none"]; there || len(got) != 4 {
		t.Errorf("%d entries, want 4, without none", len(got))
	}
	if n := batches.Load(); n != 1 {
		t.Errorf("%d batches, want 1", n)
	}
}

func TestBadInput(t *testing.T) {
	s := newStand(t)
	c := s.cache()
	src := &source{}
	long := strings.Repeat("x", stampede.MaxKeyBytes+1)
	tests := map[string]struct {
		call func() error
		want string
	}{
		"no key":         {func() error { _, err := c.GetOrLoad(t.Context(), "", src.load); return err }, "the key is empty"},
		"a long key":     {func() error { _, _, err := c.Get(t.Context(), long); return err }, "of 449 bytes is over 448"},
		"a brace":        {func() error { return c.Invalidate(t.Context(), "}k") }, `"}k" begins with a brace`},
		"no loader":      {func() error { _, err := c.Refresh(t.Context(), "k", nil); return err }, "the loader is nil"},
		"no context":     {func() error { return c.Put(nil, "k", "v", 0) }, "ctx is nil"}, //nolint:staticcheck // that is the point
		"a negative TTL": {func() error { return c.Put(t.Context(), "k", "v", -time.Second) }, "TTL -1s is under 1ms"},
		"a short lock": {func() error {
			_, err := c.GetOrLoad(t.Context(), "k", src.load, stampede.WithLockTTL(time.Millisecond))
			return err
		}, "lock TTL 1ms is under 100ms"},
		"a negative wait": {func() error { _, _, err := c.Lock(t.Context(), "k", -1); return err }, "wait -1ns is negative"},
		"a wide prefix and a wild jitter": {func() error {
			_, err := stampede.New[string](s.client(), s.locker(), stampede.WithPrefix("{a}"), stampede.WithJitter(2))
			return err
		}, `prefix "{a}" has a brace, which would move the hash tag; jitter 2 is not in [0, 0.9]`},
		"a codec of another type": {func() error {
			_, err := stampede.New[int](s.client(), s.locker(), stampede.WithCodec(stampede.Raw[string]()))
			return err
		}, "is not for values of type int"},
		"nothing at all": {func() error { _, err := stampede.New[int](nil, nil); return err }, "the client is nil; the Locker is nil"},
		"a Ring": {func() error {
			ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": s.data.Addr()}})
			defer ring.Close()
			_, err := stampede.New[int](ring, s.locker())
			return err
		}, "a Ring has no one place"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			err := tc.call()
			if _, ok := errors.AsType[*stampede.ConfigError](err); !ok || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error = %v, want a *ConfigError with %q", err, tc.want)
			}
		})
	}
	if n := src.loads.Load(); n != 0 {
		t.Errorf("%d loads, want 0", n)
	}
}

func TestClosed(t *testing.T) {
	s := newStand(t)
	c := s.cache()
	begun := make(chan struct{})
	errs := make(chan error, 1)
	go func() {
		_, err := c.GetOrLoad(t.Context(), "k", func(ctx context.Context, _ *stampede.Load) (string, error) {
			close(begun)
			<-ctx.Done()
			return "", context.Cause(ctx)
		})
		errs <- err
	}()
	<-begun
	must(t, c.Close())
	if err := <-errs; !errors.Is(err, stampede.ErrClosed) {
		t.Errorf("its caller got %v, want ErrClosed", err)
	}
	src := &source{}
	if _, err := c.GetOrLoad(t.Context(), "k", src.load); !errors.Is(err, stampede.ErrClosed) {
		t.Errorf("GetOrLoad after Close = %v, want ErrClosed", err)
	}
	want(t, s.cache(), src, "k", "v1")
}
