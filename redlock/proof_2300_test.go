package redlock_test

import (
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/redlock"
)

// farAhead is a clock by which it is the year 2300. In microseconds that is over 2^53.
type farAhead struct{ clock.Clock }

func (farAhead) Wall() time.Time { return time.Date(2300, time.January, 1, 0, 0, 0, 0, time.UTC) }

// A client whose clock is far ahead moves the tokens of its names by a second at most, and that passes.
func TestProveAClockInTheYear2300DoesNoLastingHarm(t *testing.T) {
	again(t)
	lab := newLab(t, 5)
	mad, ours := lab.direct(redlock.WithClock(farAhead{clock.System()})), lab.direct()
	const name = "shared"
	var last uint64
	var worst time.Duration
	leases := 0
	take := func(l *redlock.Locker) (ahead time.Duration) {
		t.Helper()
		lease := mustTry(t, l, name)
		ahead = time.Duration(int64(lease.Token())-time.Now().UnixMicro()) * time.Microsecond //nolint:gosec // it is below 2^53
		leases++
		switch {
		case lease.Token() <= last:
			t.Errorf("token %d after %d", lease.Token(), last)
		case lease.Token() >= quorum.MaxToken:
			t.Errorf("token %d is not below 2^53", lease.Token())
		case ahead > time.Second+time.Duration(leases)*time.Microsecond: // each later lease adds one at most
			t.Errorf("token %d is %v ahead of the time", lease.Token(), ahead)
		}
		last = lease.Token()
		mustRelease(t, lease)
		return ahead
	}
	first := take(ours)
	for range scaled(20, 1000) {
		worst = max(worst, take(mad), take(ours))
	}
	start := time.Now()
	passed := time.Duration(0)
	for ahead := worst; ahead > 0; passed = time.Since(start) {
		if time.Since(start) > patienceOf2300 {
			t.Fatalf("tokens are still %v ahead of the time after %v", ahead, time.Since(start))
		}
		ahead = take(ours)
	}
	t.Logf("before, a token was %v ahead of the time (negative: behind)", first)
	t.Logf("%d leases by turns with a client in the year 2300: at most %v ahead; %v after the last one of its, no longer; the last token is %d of %d",
		leases, worst, passed.Round(time.Millisecond), last, quorum.MaxToken-1)
	o, m := ours.Stats(), mad.Stats()
	t.Logf("acquires in one round trip: ours %.1f %% of %d, its %.1f %% of %d",
		share(o.Acquired-o.Levelled, o.Acquired), o.Acquired, share(m.Acquired-m.Levelled, m.Acquired), m.Acquired)
	if worst <= 0 {
		t.Error("no token was ahead of the time: nothing is shown")
	}
}

// patienceOf2300 is far more than the second that tokens may be ahead.
const patienceOf2300 = 30 * time.Second
