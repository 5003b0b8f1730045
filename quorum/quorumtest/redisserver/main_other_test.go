//go:build unix && !linux

package redisserver_test

import (
	"os"
	"testing"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
)

// Whatever the tests of this package start, they end. On Linux the test of orphans says so.
func TestMain(m *testing.M) { os.Exit(quorumtest.LeakFree(m)) }
