package peers

import (
	"fmt"
	"os"
	"testing"

	"github.com/quorumlock/quorumlock/benchmarks"
	"github.com/quorumlock/quorumlock/quorum/quorumtest"
)

// Whatever the tests of this package start, they end. Its own process may be an etcd member, or a worker of the
// hand-off.
func TestMain(m *testing.M) {
	if was, err := EtcdMember(); was {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if worked, err := benchmarks.Worker(Subjects()); worked {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(quorumtest.LeakFree(m))
}
