package fence_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/quorum/quorumtest/redisserver"
	"github.com/quorumlock/quorumlock/redlock/fence"
	"github.com/quorumlock/quorumlock/redlock/fence/fencetest"
)

// connect returns a client of a server that lives as long as the test.
func connect(t *testing.T, server *redisserver.Server) *redis.Client {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	t.Cleanup(func() { client.Close() })
	return client
}

func newRedis(t *testing.T, client redis.UniversalClient, opts ...fence.RedisOption) *fence.Redis {
	t.Helper()
	guard, err := fence.NewRedis(client, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return guard
}

func TestRedisConforms(t *testing.T) {
	server := quorumtest.RedisServer(t)
	for name, opts := range map[string][]fence.RedisOption{"for ever": nil, "with a TTL": {fence.WithGuardTTL(time.Hour)}} {
		t.Run(name, func(t *testing.T) {
			fencetest.Conformance(t, func(t *testing.T) fencetest.Fixture {
				return fencetest.Fixture{Guard: newRedis(t, connect(t, server), opts...)}
			})
		})
	}
}

func TestRedisGuardsAKey(t *testing.T) {
	client := connect(t, quorumtest.RedisServer(t))
	guard := newRedis(t, client)
	ctx := t.Context()

	if _, err := guard.Get(ctx, "stock", 33); !errors.Is(err, redis.Nil) {
		t.Errorf("reading nothing: %v, want redis.Nil", err)
	}
	if err := guard.Set(ctx, "stock", 33, "7", 0); err != nil {
		t.Fatal(err)
	}
	if got, err := guard.Get(ctx, "stock", 34); got != "7" || err != nil {
		t.Errorf("the next holder reads %q, %v, want 7", got, err)
	}
	for name, err := range map[string]error{
		"a write": guard.Set(ctx, "stock", 33, "8", 0),
		"a read":  func() error { _, err := guard.Get(ctx, "stock", 33); return err }(),
	} {
		stale, ok := errors.AsType[*fence.StaleError](err)
		if want := (fence.StaleError{Resource: "stock", Token: 33, Newest: 34}); !ok || *stale != want {
			t.Errorf("%s with the old token: %v, want %+v", name, err, want)
		}
	}
	if got := client.Get(ctx, "stock").Val(); got != "7" {
		t.Errorf("the key is %q after a refused write, want 7", got)
	}
	if err := guard.Set(ctx, "stock", 34, "6", time.Hour); err != nil {
		t.Fatal(err)
	}
	if left := client.PTTL(ctx, "stock").Val(); left <= 0 {
		t.Errorf("the key lives for %v, want about an hour", left)
	}
	if err := guard.Set(ctx, "stock", 34, "6", time.Microsecond); err == nil {
		t.Error("a TTL of less than a millisecond was taken")
	}
}

// A script's body sees its own keys and arguments, and returns what it likes.
func TestRedisRunsScriptsUnderTheGuard(t *testing.T) {
	client := connect(t, quorumtest.RedisServer(t))
	guard := newRedis(t, client)
	script, err := fence.NewScript("local all = {#KEYS, #ARGV}\n" +
		"for _, k in ipairs(KEYS) do all[#all+1] = k end\n" +
		"for _, a in ipairs(ARGV) do all[#all+1] = a end\n" +
		"redis.call('INCR', 'runs')\nreturn all")
	if err != nil {
		t.Fatal(err)
	}
	keys, args := []string{"k1", "k2"}, append(make([]any, 0, 8), "a1", 2, "a3")
	got, err := guard.Run(t.Context(), script, "stock", 34, keys, args...).Slice()
	want := []any{int64(2), int64(3), "k1", "k2", "a1", "2", "a3"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("the body saw %v, %v, want %v", got, err, want)
	}
	if beyond := args[:4][3]; beyond != nil {
		t.Errorf("Run wrote %v behind the caller's arguments", beyond)
	}
	if got, err := guard.Run(t.Context(), script, "stock", 34, nil).Slice(); err != nil || !slices.Equal(got, []any{int64(0), int64(0)}) {
		t.Errorf("without keys, the body saw %v, %v", got, err)
	}
	if err := guard.Run(t.Context(), script, "stock", 33, keys, args...).Err(); !errors.Is(err, fence.ErrStale) {
		t.Errorf("an old token: %v, want ErrStale", err)
	}
	if err := guard.Run(t.Context(), script, "stock", 0, keys, args...).Err(); !errors.Is(err, fence.ErrBadToken) {
		t.Errorf("no token: %v, want ErrBadToken", err)
	}
	if runs := client.Get(t.Context(), "runs").Val(); runs != "2" {
		t.Errorf("the body ran %s times, want 2", runs)
	}

	failing, err := fence.NewScript("return redis.error_reply('BADSTOCK it is empty')")
	if err != nil {
		t.Fatal(err)
	}
	if err := guard.Run(t.Context(), failing, "stock", 34, nil).Err(); err == nil || err.Error() != "BADSTOCK it is empty" {
		t.Errorf("an error of the body's own: %v", err)
	}
}

func TestRedisSendsTheScriptAgainToAServerThatForgotIt(t *testing.T) {
	client := connect(t, quorumtest.RedisServer(t))
	guard := newRedis(t, client)
	for i := range uint64(3) {
		if err := guard.Register(t.Context(), "stock", 34+i); err != nil {
			t.Fatal(err)
		}
		if err := client.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// Scripts of the users' own: the text that Lua returns is all that they need.
func TestLuaStandsBeforeAnyScript(t *testing.T) {
	client := connect(t, quorumtest.RedisServer(t))
	guard := newRedis(t, client)
	key, err := guard.Key("stock")
	if err != nil {
		t.Fatal(err)
	}
	own := fence.Lua() + "\nlocal stale = fence(KEYS[2], ARGV[1])\nif stale then return stale end\nreturn redis.call('INCR', KEYS[1])"
	run := func(token any) error {
		return client.Eval(t.Context(), own, []string{"stock", key}, token).Err()
	}
	if err := run(fence.FormatToken(fence.MaxToken - 1)); err != nil {
		t.Fatal(err)
	}
	if got := client.Get(t.Context(), key).Val(); got != "9007199254740990" {
		t.Errorf("the guard key has %q", got)
	}
	if err := guard.Register(t.Context(), "stock", fence.MaxToken); err != nil {
		t.Fatal(err)
	}
	stale, ok := errors.AsType[*fence.StaleError](fence.FromRedis("stock", fence.MaxToken-1, run(fence.FormatToken(fence.MaxToken-1))))
	if !ok || stale.Newest != fence.MaxToken {
		t.Errorf("an old token: %v, want a *StaleError", stale)
	}
	for _, text := range []string{"", "0", "-1", "1e3", "0x10", "01", "nan", "9007199254740992", "90071992547409910"} {
		if err := fence.FromRedis("stock", 0, run(text)); !errors.Is(err, fence.ErrBadToken) {
			t.Errorf("token %q: %v, want ErrBadToken", text, err)
		}
	}
	if got := client.Get(t.Context(), "stock").Val(); got != "1" {
		t.Errorf("the script's body ran %s times, want once", got)
	}
}

// What is under the guard key may be spoilt. Then nobody is admitted.
func TestRedisRefusesAllIfItsKeyIsNoToken(t *testing.T) {
	client := connect(t, quorumtest.RedisServer(t))
	guard := newRedis(t, client)
	key, err := guard.Key("stock")
	if err != nil {
		t.Fatal(err)
	}
	for _, spoilt := range []string{"", "x", "0", "1e3", "34 "} {
		client.Set(t.Context(), key, spoilt, 0)
		if err := guard.Register(t.Context(), "stock", 34); !errors.Is(err, fence.ErrBadToken) {
			t.Errorf("guard key with %q: %v, want ErrBadToken", spoilt, err)
		}
	}
	client.Del(t.Context(), key)
	client.RPush(t.Context(), key, "34")
	if err := guard.Register(t.Context(), "stock", 34); err == nil {
		t.Error("a guard key that is a list was taken")
	}
}

func TestRedisGuardKeysLiveAsLongAsTold(t *testing.T) {
	client := connect(t, quorumtest.RedisServer(t))
	forEver, forAnHour := newRedis(t, client), newRedis(t, client, fence.WithGuardTTL(time.Hour))
	key, err := forEver.Key("stock")
	if err != nil {
		t.Fatal(err)
	}
	const never = -1
	for i, step := range []struct {
		guard *fence.Redis
		token uint64
		ends  bool
	}{
		{forEver, 34, false},
		{forEver, 34, false},
		{forAnHour, 34, true}, // the same token sets it anew
		{forAnHour, 35, true},
		{forEver, 35, false},
		{forAnHour, 34, false}, // a refused one does not
	} {
		err := step.guard.Register(t.Context(), "stock", step.token)
		if err != nil && !errors.Is(err, fence.ErrStale) {
			t.Fatal(err)
		}
		if left := client.PTTL(t.Context(), key).Val(); (left != never) != step.ends || left > time.Hour {
			t.Errorf("step %d: the guard key lives for %v", i, left)
		}
	}
	if err := forEver.Forget(t.Context(), "stock"); err != nil {
		t.Fatal(err)
	}
	if err := forEver.Register(t.Context(), "stock", 1); err != nil {
		t.Errorf("the first token after Forget: %v", err)
	}
}

func TestNewRedisNamesAllFaults(t *testing.T) {
	for _, ttl := range []time.Duration{0, -1, time.Microsecond} {
		_, err := fence.NewRedis(nil, fence.WithGuardTTL(ttl))
		if err == nil || !strings.Contains(err.Error(), "client is nil") || !strings.Contains(err.Error(), ttl.String()) {
			t.Errorf("NewRedis(nil, %v) = %v, want both faults", ttl, err)
		}
	}
	for _, body := range []string{"", " \n", "#!lua flags=no-writes\nreturn 1"} {
		if _, err := fence.NewScript(body); err == nil {
			t.Errorf("NewScript(%q) was taken", body)
		}
	}
}

// clusterOfOne returns a client of a cluster of one node that has all slots: it refuses, as any cluster,
// keys of different slots in one script.
func clusterOfOne(t *testing.T) *redis.ClusterClient {
	t.Helper()
	server := quorumtest.RedisServer(t, redisserver.WithConfig("--cluster-enabled", "yes"))
	node := connect(t, server)
	if err := node.ClusterAddSlotsRange(t.Context(), 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	cluster := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{server.Addr()}})
	t.Cleanup(func() { cluster.Close() })
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for !strings.Contains(node.ClusterInfo(t.Context()).Val(), "cluster_state:ok") {
		<-look.C // the state has no event to wait for
	}
	return cluster
}

func TestRedisOnACluster(t *testing.T) {
	cluster := clusterOfOne(t)
	guard := newRedis(t, cluster)

	t.Run("conforms", func(t *testing.T) {
		fencetest.Conformance(t, func(*testing.T) fencetest.Fixture { return fencetest.Fixture{Guard: guard} })
	})
	names := []string{"stock", "{42}", "user:{42}:cart", "{}x{y}", "{{x}}", "a{b", "{", "a{}", "}{", "{42}}", "x}", "a{b}c{d}", "é{ü}"}
	dice := rand.New(rand.NewPCG(6, 6))
	for range 200 {
		var name strings.Builder
		for range 1 + dice.IntN(8) {
			name.WriteByte("{}ab:"[dice.IntN(5)])
		}
		names = append(names, name.String())
	}
	refused := 0
	owner := make(map[string]string) // of guard keys
	for _, name := range names {
		key, err := guard.Key(name)
		if err != nil {
			refused++
			continue
		}
		ours, theirs := cluster.ClusterKeySlot(t.Context(), key).Val(), cluster.ClusterKeySlot(t.Context(), name).Val()
		if ours != theirs {
			t.Errorf("%q is in slot %d, its guard key %q in slot %d", name, theirs, key, ours)
		}
		if other, taken := owner[key]; taken && other != name {
			t.Errorf("%q and %q share the guard key %q", name, other, key)
		}
		owner[key] = name
		if err := guard.Set(t.Context(), name, 34, "x", 0); err != nil {
			t.Errorf("Set(%q): %v", name, err)
		}
	}
	if refused == 0 || refused > 3*len(names)/4 {
		t.Errorf("%d of %d names were refused", refused, len(names))
	}
}

// Holders come and go, each reads, adds one and writes, in one connection each and at once. Some are old.
func TestRedisLosesNoUpdate(t *testing.T) {
	server := quorumtest.RedisServer(t)
	client := connect(t, server)
	guard := newRedis(t, client)
	const holders, rounds = 8, 25
	added := make(chan int, holders)
	for h := range uint64(holders) {
		go func() { added <- addOnes(t.Context(), t, guard, h, holders, rounds) }()
	}
	want := 0
	for range holders {
		want += <-added
	}
	if got := client.Get(t.Context(), "sum").Val(); got != strconv.Itoa(want) || want == 0 {
		t.Errorf("the sum is %q, but %d additions were taken", got, want)
	}
}

// addOnes adds one as often as it is let: the tokens of the holders grow, each round, from holder to holder.
func addOnes(ctx context.Context, t *testing.T, guard *fence.Redis, holder, holders uint64, rounds int) (added int) {
	for round := range uint64(rounds) {
		token := 1 + round*holders + holder
		text, err := guard.Get(ctx, "sum", token)
		if err == nil || errors.Is(err, redis.Nil) {
			sum, _ := strconv.Atoi(text)
			err = guard.Set(ctx, "sum", token, fmt.Sprint(sum+1), 0)
			if err == nil {
				added++
			}
		}
		if err != nil && !errors.Is(err, fence.ErrStale) {
			t.Errorf("token %d: %v", token, err)
		}
	}
	return added
}
