package redlock_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
)

// Some proofs run this program once more, as a process that takes locks or holds one. Whatever the tests of this
// package start, they end.
func TestMain(m *testing.M) {
	if played, code := playHolder(); played {
		os.Exit(code)
	}
	if worked, err := workAsMember(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	} else if worked {
		os.Exit(0)
	}
	os.Exit(quorumtest.LeakFree(m))
}
