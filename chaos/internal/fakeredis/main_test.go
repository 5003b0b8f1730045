package fakeredis_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorumlock/quorumlock/chaos/internal/fakeredis"
	"github.com/quorumlock/quorumlock/clock"
)

// proving reports whether the tests measure in full what is claimed.
func proving() bool { return os.Getenv("REDLOCK_PROVE") != "" }

// scripts returns the lock's scripts by name.
func scripts(t testing.TB) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "..", "quorum", "redisnode", "*.lua"))
	must(t, err)
	sources := make(map[string]string)
	for _, file := range files {
		text, err := os.ReadFile(file)
		must(t, err)
		sources[strings.TrimSuffix(filepath.Base(file), ".lua")] = string(text)
	}
	if len(sources) == 0 {
		t.Fatal("no scripts found")
	}
	return sources
}

// An operation is one of a batch.
type operation struct{ kind, key, value, ttl, limit string }

// batch returns the arguments of the script of that name that follow its source or digest.
func batch(ops ...operation) []string {
	args := []string{strconv.Itoa(len(ops))}
	plan := ""
	for i, o := range ops {
		args = append(args, o.key)
		plan += string(rune('0' + i))
	}
	args = append(args, plan)
	for _, o := range ops {
		args = append(args, o.value)
	}
	for _, o := range ops {
		args = append(args, o.kind, o.ttl, o.limit)
	}
	return args
}

// inBubble runs a test with a server of its own in a bubble.
func inBubble(t *testing.T, test func(t *testing.T, s *fakeredis.Server, l *fakeredis.Link), opts ...fakeredis.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server := fakeredis.New(0, clock.Process(), opts...)
		t.Cleanup(func() { must(t, server.Close()) })
		test(t, server, server.Link(0))
	})
}

// moment is longer than the best weather takes, also after a release.
const moment = time.Millisecond

// pass lets virtual time pass.
func pass(d time.Duration) { time.Sleep(d) }

// settle lets what the client library still does in the background come to its end.
func settle() { pass(5 * time.Second) }

// holds demands that the server holds that value under the key, and nothing for "".
func holds(t testing.TB, s *fakeredis.Server, key, want string) {
	t.Helper()
	got := ""
	for _, held := range s.Keys() {
		if held.Key == key {
			got = held.Value
		}
	}
	if got != want {
		t.Errorf("%s holds %q, want %q", key, got, want)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
