//go:build unix

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"
)

// keys are the keys on all servers of the fleet.
func (f *fleet) keys(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, s := range f.servers {
		client := redis.NewClient(&redis.Options{Addr: s.Addr()})
		keys, err := client.Keys(t.Context(), "*").Result()
		client.Close()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, keys...)
	}
	return all
}

// put stores what the user of the nodes keeps there.
func (f *fleet) put(t *testing.T, key string) {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: f.servers[0].Addr()})
	defer client.Close()
	if err := client.Set(t.Context(), key, "kept", 0).Err(); err != nil {
		t.Fatal(err)
	}
}

// checkOnly sees that nothing but the user's key is there.
func (f *fleet) checkOnly(t *testing.T, key string) {
	t.Helper()
	keys := slices.DeleteFunc(f.keys(t), func(key string) bool { return strings.HasPrefix(key, "redlock:") })
	if len(keys) != 1 || keys[0] != key {
		t.Errorf("the nodes keep %q, want nothing but %q and the lock's own records, which run out", keys, key)
	}
}

func TestBenchMeasuresAndLeavesNothing(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.put(t, "mine")
	// The longest TTL gives nodes the most time to answer.
	stdout, stderr, code := f.start(t, "bench", "--json", "--for", "300ms", "--ttl", "20s", "--callers", "1,4", "--clients", "2").end()
	var p benchReport
	if err := json.Unmarshal([]byte(stdout), &p); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v\n%s%s", code, err, stdout, stderr)
	}
	if len(p.Nodes) != 3 || len(p.Loads) != 2 || p.Interrupted || p.failures() != 0 || p.HandOff == nil || p.HandOff.HandOvers == 0 {
		t.Errorf("measured %s", stdout)
	}
	for _, l := range p.Loads {
		// The last cycle of a caller counts only if it has ended.
		if l.Cycles == 0 || l.Acquire.Count < l.Cycles || l.Extend.Count < l.Cycles || l.Release.Count != l.Cycles {
			t.Errorf("%d callers: %+v", l.Callers, l)
		}
	}
	f.checkOnly(t, "mine")
}

func TestBenchEndsEarly(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.put(t, "mine")
	before := f.clients(t)
	p := f.start(t, "bench", "--for", "1m", "--ttl", "20s", "--callers", "8")
	f.awaitClient(t, before)
	p.signal(syscall.SIGINT)
	stdout, stderr, code := p.end()
	if code != 0 || !strings.Contains(stdout, "Ended early.") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	f.checkOnly(t, "mine")
}

// What the README says about bench works.
func TestBenchAsInTheReadme(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	f := newFleet(t)
	found := false
	for line := range strings.Lines(string(readme)) {
		args, ok := strings.CutPrefix(line, "go run ./cmd/redlock bench")
		if !ok {
			continue
		}
		found = true
		stdout, stderr, code := f.start(t, append([]string{"bench"}, strings.Fields(args)...)...).end()
		if code != 0 || !strings.Contains(stdout, "hand-over") {
			t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
		}
	}
	if !found {
		t.Error("the README does not show bench")
	}
}
