package atomic_test

import (
	"fmt"
	"maps"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
)

// repeatable returns one call of each recipe that does its work however often it is made, and the commands of
// its script.
func repeatable() map[string]struct {
	call     call
	commands []string
} {
	return map[string]struct {
		call     call
		commands []string
	}{
		"increment":   {increment("c", 9), []string{"type", "get", "incr"}},
		"push unique": {push("l", "a"), []string{"type", "lpos"}},
		"hit":         {hit("h", 9, time.Hour), []string{"type", "get", "incr", "pttl"}},
		"reserve":     {reserve(shoes("o1", 1)), []string{"type", "get", "hget"}},
	}
}

// A server that has forgotten the scripts, as after a restart or a failover, is sent them again.
func TestScriptForgotten(t *testing.T) {
	r, plain := onServer(t)
	must(t, plain.Set(t.Context(), "{shoe}:stock", 5, 0).Err())
	for range 3 {
		must(t, plain.ScriptFlush(t.Context()).Err())
		for name, tc := range repeatable() {
			for range 2 {
				if _, err := tc.call(t.Context(), r); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	}
	want := map[string]string{
		"c": "6", "l": "[a]", "h": "6", "{shoe}:stock": "4", "{shoe}:orders": "[o1]", "{shoe}:stock:reserved": "map[o1:1]",
	}
	if got := contents(t, plain); !maps.Equal(got, want) {
		t.Errorf("the server has %q, want %q", got, want)
	}
}

var statCalls = regexp.MustCompile(`cmdstat_([^:]+):calls=(\d+)`)

// commandStats returns how often the server ran each command since its statistics were reset, those of scripts
// too, less those that ask for them.
func commandStats(t *testing.T, plain *redis.Client) map[string]string {
	t.Helper()
	info, err := plain.Info(t.Context(), "commandstats").Result()
	must(t, err)
	stats := make(map[string]string)
	for _, match := range statCalls.FindAllStringSubmatch(info, -1) {
		if name := match[1]; name != "info" && !strings.HasPrefix(name, "config|") {
			stats[name] = match[2]
		}
	}
	return stats
}

// Once the server knows a script, an operation is one call of it, and nothing else.
func TestOneCallAnOperation(t *testing.T) {
	r, plain := onServer(t)
	must(t, plain.Set(t.Context(), "{shoe}:stock", 5, 0).Err())
	for name, tc := range repeatable() {
		t.Run(name, func(t *testing.T) {
			_, err := tc.call(t.Context(), r)
			must(t, err)
			must(t, plain.ConfigResetStat(t.Context()).Err())
			_, err = tc.call(t.Context(), r)
			must(t, err)
			want := map[string]string{"evalsha": "1"}
			for _, name := range tc.commands {
				want[name] = "1"
			}
			if name == "reserve" {
				want["type"] = "3" // of three keys
			}
			if got := commandStats(t, plain); !maps.Equal(got, want) {
				t.Errorf("the server ran %v, want %v", got, want)
			}
		})
	}
}

// The rights that the package documentation names are all that is needed.
func TestUserNeedsOnlyTheDocumentedRights(t *testing.T) {
	addr := quorumtest.RedisServer(t).Addr()
	plain := client(t, &redis.Options{Addr: addr})
	must(t, plain.Set(t.Context(), "{shoe}:stock", 5, 0).Err())
	rights := map[string]string{
		"increment":   "+get +incr",
		"push unique": "+lpos +rpush",
		"hit":         "+get +incr +pttl +pexpire",
		"reserve":     "+get +hget +decrby +lpush +hset",
	}
	for name, call := range every() {
		t.Run(name, func(t *testing.T) {
			user := strings.ReplaceAll(name, " ", "-")
			line := fmt.Sprintf("ACL SETUSER %s on >secret ~* resetchannels -@all +eval +evalsha +type %s", user, rights[name])
			must(t, plain.Do(t.Context(), command(line)...).Err())
			c := client(t, &redis.Options{Addr: addr, Username: user, Password: "secret", DisableIdentity: true})
			if _, err := call(t.Context(), recipes(t, c)); err != nil {
				t.Error(err)
			}
		})
	}
}

// Beside the typed calls nobody needs to know that the recipes are scripts; those who run them by hand find in
// their heads what they take and reply.
func TestScriptsSayWhatTheyTake(t *testing.T) {
	for name, source := range scripts(t) {
		head, _, _ := strings.Cut(source, "\nlocal ")
		for _, part := range []string{"-- " + name + ": ", "KEYS[1]", "ARGV[1]", "Returns {1", "etry-safe"} {
			if !strings.Contains(head, part) {
				t.Errorf("the head of %s does not say %q", name, part)
			}
		}
	}
}
