package quorumtest

import (
	"errors"
	"os"
	"testing"

	"github.com/quorumlock/quorumlock/quorum/quorumtest/redisserver"
)

// RedisServer starts one server that lives as long as the test.
func RedisServer(t testing.TB, opts ...redisserver.Option) *redisserver.Server {
	t.Helper()
	return Fleet(t, 1, opts...)[0]
}

// Fleet starts n servers that live as long as the test.
func Fleet(t testing.TB, n int, opts ...redisserver.Option) []*redisserver.Server {
	t.Helper()
	fleet, err := redisserver.StartFleet(t.Context(), n, opts...)
	if err != nil {
		giveUp(t, err)
	}
	t.Cleanup(func() {
		for _, s := range fleet {
			if err := s.Close(); err != nil {
				t.Errorf("closing server %s: %v", s.Addr(), err)
			}
		}
	})
	return fleet
}

// giveUp skips the test where Redis is merely not installed.
func giveUp(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, redisserver.ErrNoBinary) && os.Getenv("CI") != "true" {
		t.Skipf("this test needs redis-server (apt install redis-server, brew install redis): %v", err)
	}
	t.Fatal(err)
}
