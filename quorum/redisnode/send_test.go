package redisnode

import (
	"testing"
	"time"
)

// A shared limit is never later than an operation's own, and earlier by little.
func TestCoarseLimits(t *testing.T) {
	const now = int64(1_700_000_000_000_000)
	for _, left := range []time.Duration{-time.Second, 0, 1, 3 * ms, 50 * ms, 499 * ms, time.Second, time.Hour} {
		at := now + left.Microseconds()
		got := coarse(at, left)
		if got > at || got < at-max(left, 0).Microseconds()/25 {
			t.Errorf("coarse(now+%v) = now%+dus", left, got-now)
		}
	}
	if a, b := coarse(now+500_000, 500*ms), coarse(now+500_900, 500*ms); a != b {
		t.Errorf("limits 0.9 ms apart became %d us apart, want one", b-a)
	}
	if got := coarse(-5, -time.Hour); got != 1 {
		t.Errorf("a limit before the epoch = %d, want 1: 0 is none", got)
	}
}
