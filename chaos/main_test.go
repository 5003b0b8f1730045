package chaos

import (
	"log"
	"os"
	"testing"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
)

// Whatever the tests of this package start, they end. The package's own test binary is the program of clients
// in processes of their own.
func TestMain(m *testing.M) {
	if ran, err := RunClient(processLoads()); err != nil {
		log.Fatal(err)
	} else if ran {
		return
	}
	if os.Getenv(parentVariable) != "" {
		beParent()
		return
	}
	os.Exit(quorumtest.LeakFree(m))
}
