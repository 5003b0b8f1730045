//go:build !linux

package redlock_test

import (
	"os"
	"testing"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
)

// Whatever the tests of this package start, they end. Their own processes may have to play a holder.
func TestMain(m *testing.M) {
	if played, code := playHolder(); played {
		os.Exit(code)
	}
	os.Exit(quorumtest.LeakFree(m))
}
