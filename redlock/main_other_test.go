//go:build !linux

package redlock_test

import (
	"os"
	"testing"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
)

// Whatever the tests of this package start, they end.
func TestMain(m *testing.M) { os.Exit(quorumtest.LeakFree(m)) }
