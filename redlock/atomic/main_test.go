package atomic_test

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/redlock/atomic"
)

// TestMain lets the tests of this package leave nothing behind. Tests skip themselves where there is no
// redis-server, examples cannot: they are left out here.
func TestMain(m *testing.M) {
	if _, err := exec.LookPath("redis-server"); err != nil && os.Getenv("CI") != "true" {
		if err := flag.Set("test.skip", "^Example"); err != nil {
			panic(err)
		}
	}
	redis.SetLogger(silent{})
	os.Exit(quorumtest.LeakFree(m))
}

// silent swallows what the client library says of servers that tests made fail.
type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// onServer returns the recipes on a new server, and a client of their own that looks behind their back.
func onServer(t *testing.T) (*atomic.Recipes, *redis.Client) {
	t.Helper()
	addr := quorumtest.RedisServer(t).Addr()
	return recipes(t, client(t, &redis.Options{Addr: addr})), client(t, &redis.Options{Addr: addr})
}

func client(t *testing.T, opts *redis.Options) *redis.Client {
	t.Helper()
	c := redis.NewClient(opts)
	t.Cleanup(func() { c.Close() })
	return c
}

func recipes(t *testing.T, c redis.UniversalClient) *atomic.Recipes {
	t.Helper()
	r, err := atomic.New(c)
	must(t, err)
	return r
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// shoes is an order of the tests' shop.
func shoes(id string, quantity int64) atomic.Order {
	return atomic.Order{Stock: "{shoe}:stock", Log: "{shoe}:orders", ID: id, Quantity: quantity}
}

// scripts returns the sources of all scripts, by the names of their files.
func scripts(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.lua")
	must(t, err)
	if len(files) == 0 {
		t.Fatal("found no script, so this test tests nothing")
	}
	sources := make(map[string]string)
	for _, file := range files {
		text, err := os.ReadFile(file)
		must(t, err)
		sources[file] = string(text)
	}
	return sources
}
