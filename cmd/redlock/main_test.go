package main

import (
	"context"
	"os"
	"testing"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
)

// asCommand makes the test binary the command itself: what the end-to-end tests start is this very
// build, race detector included.
const asCommand = "REDLOCK_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(quorumtest.LeakFree(m))
}
