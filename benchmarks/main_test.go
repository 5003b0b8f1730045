package benchmarks

import (
	"fmt"
	"os"
	"testing"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
)

// The tests' own processes are workers of the hand-off.
func TestMain(m *testing.M) {
	if worked, err := Worker(subjects()); worked {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(quorumtest.LeakFree(m))
}

func subjects() []Subject { return []Subject{Redlock("redlock", "under test")} }

// needRedis skips where there are no servers to measure on, but not in CI.
func needRedis(t testing.TB) {
	t.Helper()
	quorumtest.RedisServer(t)
}
