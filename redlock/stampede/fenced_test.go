package stampede_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/redlock/stampede"
)

// mustLock claims a key.
func mustLock(t *testing.T, c *stampede.Cache[string], key string) *stampede.Claim[string] {
	t.Helper()
	decision, claim, err := c.Lock(t.Context(), key, 0)
	if decision != stampede.ToLoad || err != nil {
		t.Fatalf("Lock(%q) = %v, %v; want LOAD", key, decision, err)
	}
	return claim
}

// What a late loader brings is refused, whatever happened since its claim: it overwrites nothing, and brings back
// nothing.
func TestLateLoaders(t *testing.T) {
	s := newStand(t)
	c, other, client := s.cache(), s.cache(), s.client()
	overwritten, resurrected, refused, kept := 0, 0, 0, 0
	tries := scaled(1000, 10000)
	for i := range tries {
		key := fmt.Sprint("k", i%50)
		must(t, client.Del(t.Context(), "rl:{"+key+"}:v").Err())
		late := mustLock(t, c, key)
		want := ""
		switch i % 4 {
		case 0:
			must(t, other.Invalidate(t.Context(), key))
		case 1:
			must(t, other.Put(t.Context(), key, "new", time.Minute))
			want = "new"
		case 2: // its claim ran out, or was evicted
			must(t, client.Del(t.Context(), "rl:{"+key+"}:l").Err())
		case 3: // it ran out, and somebody else claimed with a lease of a greater token
			must(t, client.Set(t.Context(), "rl:{"+key+"}:l", fmt.Sprintf("%d-other", late.Token()+1), time.Second).Err())
		}
		if err := late.Set(t.Context(), "old", time.Minute); errors.Is(err, stampede.ErrFenced) {
			refused++
		} else if err != nil {
			t.Fatal(err)
		}
		got, _, err := other.Get(t.Context(), key)
		must(t, err)
		switch {
		case got.Value == want:
			kept++
		case want != "":
			overwritten++
		default:
			resurrected++
		}
	}
	t.Logf("%d late loaders: %d refused, %d values overwritten, %d brought back", tries, refused, overwritten, resurrected)
	if refused != tries || overwritten+resurrected > 0 || kept != tries {
		t.Errorf("%d of %d refused, %d overwritten, %d brought back; want all, 0, 0", refused, tries, overwritten, resurrected)
	}
}

// The naive cache lets them all through, so the test above tests something.
func TestLateLoadersOvercomeTheNaiveCache(t *testing.T) {
	s := newStand(t)
	client := s.client()
	n := naive{client: client, lockTTL: time.Second, ttl: time.Minute}
	begun, goOn := make(chan struct{}), make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = n.get(t.Context(), "k", func(context.Context) (string, error) { close(begun); <-goOn; return "old", nil })
	}()
	<-begun
	must(t, client.Set(t.Context(), "k", "new", time.Minute).Err())
	close(goOn)
	<-done
	if got := client.Get(t.Context(), "k").Val(); got != "old" {
		t.Errorf("the naive cache kept %q: it passes, so the fence proves nothing", got)
	}
}

// A loader that is paused for longer than its lock lives, and is then late.
func TestALostLeaseEndsTheLoad(t *testing.T) {
	s := newStand(t)
	var fenced atomic.Int64
	hooks := stampede.Hooks{Fenced: func(stampede.FencedEvent) { fenced.Add(1) }}
	c := s.cache(stampede.WithLockTTL(300*time.Millisecond), stampede.WithHooks(hooks))
	begun, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		_, _ = c.GetOrLoad(t.Context(), "k", func(ctx context.Context, _ *stampede.Load) (string, error) {
			if isClosed(begun) {
				return "again", nil
			}
			close(begun)
			<-ctx.Done()
			ended <- context.Cause(ctx)
			return "late", nil
		})
	}()
	<-begun
	for _, node := range s.nodes {
		node.Pause()
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "lost") {
		t.Errorf("cause = %v, want that the lease was lost", err)
	}
	for _, node := range s.nodes {
		node.Resume()
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestTheGuidesScenario(t *testing.T) {
	s := newStand(t)
	one, two := s.cache(), s.cache()
	claim := mustLock(t, one, "user:1234")
	if d, _, err := two.Lock(t.Context(), "user:1234", 0); d != stampede.ToWait || err != nil {
		t.Errorf("second Lock = %v, %v; want WAIT", d, err)
	}
	blocked := make(chan stampede.Decision, 1)
	go func() {
		d, _, err := two.Lock(t.Context(), "user:1234", 10*time.Second)
		if err != nil {
			t.Errorf("blocking Lock: %v", err)
		}
		blocked <- d
	}()
	awaitListener(t, s, "rl:{user:1234}:n")
	must(t, claim.Set(t.Context(), "John Doe, age 30", time.Minute))
	if d := <-blocked; d != stampede.ToWait {
		t.Errorf("blocking Lock = %v, want WAIT once there is a value", d)
	}
	if got, ok, err := two.Get(t.Context(), "user:1234"); !ok || got.Value != "John Doe, age 30" {
		t.Errorf("Get = %+v, %v, %v", got, ok, err)
	}
	if err := claim.Set(t.Context(), "again", 0); !errors.Is(err, stampede.ErrFenced) {
		t.Errorf("second Set = %v, want ErrFenced", err)
	}
}

func TestLockWaitsNoLongerThanSaid(t *testing.T) {
	s := newStand(t)
	claim := mustLock(t, s.cache(), "k")
	other := s.cache()
	if d, _, err := other.Lock(t.Context(), "k", 30*time.Millisecond); d != stampede.ToWait || err != nil {
		t.Errorf("Lock = %v, %v; want WAIT", d, err)
	}
	errs := make(chan error, 1)
	go func() {
		_, _, err := other.Lock(t.Context(), "k", time.Minute)
		errs <- err
	}()
	awaitListener(t, s, "rl:{k}:n")
	must(t, claim.Fail(t.Context(), errors.New("boom")))
	if err := <-errs; err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("who waited got %v, want boom", err)
	}
	next := mustLock(t, other, "k")
	must(t, next.Fail(t.Context(), stampede.ErrNotFound))
	must(t, next.Fail(t.Context(), nil))
	s.tidy()
}

// A claim whose owner forgets it runs out with the load timeout.
func TestAForgottenClaimEnds(t *testing.T) {
	s := newStand(t)
	c := s.cache(stampede.WithLoadTimeout(50 * time.Millisecond))
	claim := mustLock(t, c, "k")
	<-claim.Context().Done()
	if err := context.Cause(claim.Context()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("cause = %v, want the timeout", err)
	}
	next, err := (*stampede.Claim[string])(nil), error(nil)
	await(t, "it is free", func() bool {
		var d stampede.Decision
		d, next, err = s.cache().Lock(t.Context(), "k", 0)
		return err == nil && d == stampede.ToLoad
	})
	must(t, next.Set(t.Context(), "v", 0))
}

func TestALoadThatTakesTooLong(t *testing.T) {
	s := newStand(t)
	c := s.cache(stampede.WithLoadTimeout(30 * time.Millisecond))
	goOn := make(chan struct{})
	defer close(goOn)
	_, err := c.GetOrLoad(t.Context(), "k", func(context.Context, *stampede.Load) (string, error) { <-goOn; return "late", nil })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error = %v, want DeadlineExceeded", err)
	}
	want(t, s.cache(), &source{}, "k", "v1")
}

// deaf subscribes at another server, where nothing is ever announced.
type deaf struct {
	*redis.Client
	elsewhere *redis.Client
}

func (d deaf) Subscribe(ctx context.Context, channels ...string) *redis.PubSub {
	return d.elsewhere.Subscribe(ctx, channels...)
}

func TestWaitersThatHearNothing(t *testing.T) {
	s := newStand(t)
	elsewhere := redis.NewClient(&redis.Options{Addr: quorumtest.RedisServer(t).Addr()})
	t.Cleanup(func() { elsewhere.Close() })
	waits := make(chan struct{}, 1)
	hooks := stampede.Hooks{Wait: func(stampede.WaitEvent) { waits <- struct{}{} }}
	waiter := cacheOn(t, deaf{s.client(), elsewhere}, s.locker(), stampede.WithHooks(hooks))
	src := &source{}
	for _, end := range []string{"stored", "failed"} {
		claim := mustLock(t, s.cache(), end)
		served := make(chan string, 1)
		go func() {
			entry, err := waiter.GetOrLoad(t.Context(), end, src.load)
			if err != nil {
				t.Errorf("%s: %v", end, err)
			}
			served <- entry.Value
		}()
		<-waits
		began := time.Now()
		if end == "stored" {
			must(t, claim.Set(t.Context(), "v", 0))
		} else {
			must(t, claim.Fail(t.Context(), errors.New("boom")))
		}
		got := <-served
		t.Logf("%s: served %v after the end", end, time.Since(began))
		if want := map[string]string{"stored": "v", "failed": "v1"}[end]; got != want {
			t.Errorf("%s: got %q, want %q", end, got, want)
		}
	}
}

// A server whose user may not publish stores all the same.
func TestWithoutTheRightToPublish(t *testing.T) {
	s := newStand(t)
	admin := s.client()
	must(t, admin.Do(t.Context(), "ACL", "SETUSER", "mute", "on", "nopass", "~*", "+@all", "resetchannels").Err())
	mute := redis.NewClient(&redis.Options{Addr: s.data.Addr(), Username: "mute", Password: "x"})
	t.Cleanup(func() { mute.Close() })
	c := cacheOn(t, mute, s.locker())
	src := &source{}
	want(t, c, src, "k", "v1")
	want(t, s.cache(), src, "k", "v1")
	must(t, c.Invalidate(t.Context(), "k"))
	want(t, c, src, "k", "v2")
}

// A hit costs two commands in one round trip, and no lock node hears of it.
func TestWhatAHitCosts(t *testing.T) {
	servers := quorumtest.Fleet(t, 6)
	data, locks := servers[0], servers[1:]
	nodes := make([]*redis.Options, len(locks))
	for i, lock := range locks {
		nodes[i] = &redis.Options{Addr: lock.Addr()}
	}
	locker := lockerOn(t, nodes)
	client := redis.NewClient(&redis.Options{Addr: data.Addr()})
	t.Cleanup(func() { client.Close() })
	trips := &counter{}
	client.AddHook(trips)
	c := cacheOn(t, client, locker)
	src := &source{}
	want(t, c, src, "k", "v1")
	await(t, "the lock is released", func() bool { return free(t, locks, "rl:{k}") })
	const hits = 100
	gets, ttls, scripts := calls(t, data, "get"), calls(t, data, "pttl"), calls(t, data, "evalsha", "eval")
	locksBefore, tripsBefore := lockCommands(t, locks), trips.n.Load()
	for range hits {
		want(t, c, src, "k", "v1")
	}
	if n := trips.n.Load() - tripsBefore; n != hits {
		t.Errorf("%d round trips for %d hits", n, hits)
	}
	if n := lockCommands(t, locks) - locksBefore; n != 0 {
		t.Errorf("%d commands on lock nodes for %d hits, want 0", n, hits)
	}
	got := []int{calls(t, data, "get") - gets, calls(t, data, "pttl") - ttls, calls(t, data, "evalsha", "eval") - scripts}
	if !slices.Equal(got, []int{hits, hits, 0}) {
		t.Errorf("GET, PTTL and scripts for %d hits: %d; want %d, %d, 0", hits, got, hits, hits)
	}
}

// The servers forget their scripts, and nobody notices.
func TestScriptsAreForgotten(t *testing.T) {
	s := newStand(t)
	c, client := s.cache(), s.client()
	src := &source{}
	forget := func() { must(t, client.ScriptFlush(t.Context()).Err()) }
	for i := range 3 {
		forget()
		claim := mustLock(t, c, "k")
		forget()
		must(t, claim.Set(t.Context(), fmt.Sprint(i), 0))
		want(t, c, src, "k", fmt.Sprint(i))
		forget()
		must(t, c.Put(t.Context(), "k", "put", 0))
		forget()
		must(t, c.Invalidate(t.Context(), "k"))
		claim = mustLock(t, c, "k")
		forget()
		must(t, claim.Fail(t.Context(), errors.New("boom")))
	}
}

// What others wrote under a key is replaced, or named.
func TestForeignValues(t *testing.T) {
	s := newStand(t)
	c, client := s.cache(), s.client()
	for i, text := range []string{"", "x", "shorter than a header", strings.Repeat("\x00", 64), "\x01\x00" + strings.Repeat("\x00", 32) + "{no json"} {
		key := fmt.Sprint("k", i)
		must(t, client.Set(t.Context(), "rl:{"+key+"}:v", text, time.Minute).Err())
		want(t, c, &source{}, key, "v1")
	}
	must(t, client.LPush(t.Context(), "rl:{list}:v", "a").Err())
	if _, _, err := c.Get(t.Context(), "list"); err == nil || !strings.Contains(err.Error(), "WRONGTYPE") || !strings.Contains(err.Error(), `"list"`) {
		t.Errorf("Get of a list = %v, want its key and WRONGTYPE", err)
	}
}

func TestHooks(t *testing.T) {
	s := newStand(t)
	told := make(chan string, 100)
	c := s.cache(stampede.WithHooks(stampede.Hooks{
		Hit:      func(e stampede.HitEvent) { told <- "hit " + e.Key },
		Wait:     func(e stampede.WaitEvent) { told <- "wait " + e.Key },
		Load:     func(e stampede.LoadEvent) { told <- fmt.Sprint("load ", e.Key, " ", e.Err) },
		Takeover: func(e stampede.TakeoverEvent) { told <- "takeover " + e.Key },
		Error:    func(e stampede.ErrorEvent) { told <- fmt.Sprint("error ", e.Key, " ", e.Op, " ", e.Err) },
		Fenced:   func(e stampede.FencedEvent) { told <- "fenced " + e.Key },
	}))
	heard := func(wants ...string) {
		t.Helper()
		for _, want := range wants {
			if got := <-told; got != want {
				t.Errorf("told %q, want %q", got, want)
			}
		}
	}
	src := &source{}
	want(t, c, src, "k", "v1")
	heard("load k <nil>")
	want(t, c, src, "k", "v1")
	heard("hit k")
	_, _ = c.GetOrLoad(t.Context(), "bad", func(context.Context, *stampede.Load) (string, error) { return "", errors.New("boom") })
	heard("load bad boom", "error bad load boom")
	claim := mustLock(t, s.cache(), "other")
	done := make(chan struct{})
	go func() { defer close(done); want(t, c, src, "other", "v2") }()
	heard("wait other")
	awaitListener(t, s, "rl:{other}:n")
	must(t, s.cache().Invalidate(t.Context(), "other"))
	<-claim.Context().Done()
	_ = claim.Fail(t.Context(), nil)
	<-done
	heard("takeover other", "load other <nil>")
	late := mustLock(t, c, "late")
	must(t, s.cache().Invalidate(t.Context(), "late"))
	if err := late.Set(t.Context(), "v", 0); !errors.Is(err, stampede.ErrFenced) {
		t.Errorf("Set = %v, want ErrFenced", err)
	}
	heard("fenced late")
}
