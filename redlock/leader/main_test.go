package leader_test

import (
	"log"
	"os"
	"testing"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
)

// Whatever the tests of this package start, they end. Some of them start this program again, as a candidate.
func TestMain(m *testing.M) {
	if ran, err := runCandidate(os.Stdin, os.Stdout); err != nil {
		log.Fatal(err)
	} else if ran {
		os.Exit(0)
	}
	os.Exit(quorumtest.LeakFree(m))
}
