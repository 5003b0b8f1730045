package redlock_test

import (
	"sync/atomic"
	"testing"

	"github.com/quorumlock/quorumlock/redlock"
)

// share is part of all, in percent.
func share(part, all uint64) float64 { return 100 * float64(part) / float64(max(all, 1)) }

// Where nothing is contended, one round trip is enough for a lease with its token.
func TestProveATokenCostsNoRoundTrip(t *testing.T) {
	again(t)
	lab := newLab(t, 5)
	one, many := lab.direct(), make([]*redlock.Locker, 8)
	for i := range many {
		many[i] = lab.direct()
	}
	tests := map[string]struct {
		lockers []*redlock.Locker
		callers int
		name    func(round string) string
	}{
		"one caller, one name":         {[]*redlock.Locker{one}, 1, func(string) string { return "alone" }},
		"one caller, fresh names":      {[]*redlock.Locker{one}, 1, func(round string) string { return "single-" + round }},
		"64 callers, fresh names":      {[]*redlock.Locker{one}, 64, func(round string) string { return "fresh-" + round }},
		"64 callers of 8, fresh names": {many, 64, func(round string) string { return "spread-" + round }},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) { wantOneRoundTrip(t, tc.lockers, tc.callers, tc.name) })
	}
	t.Run("64 callers of 8, names that another client has used", func(t *testing.T) {
		wantOneRoundTrip(t, many, 64, func(round string) string { return "fresh-" + round })
	})
}

func wantOneRoundTrip(t *testing.T, lockers []*redlock.Locker, callers int, nameOf func(string) string) {
	t.Helper()
	counts := func() (acquired, levelled uint64) {
		for _, l := range lockers {
			s := l.Stats()
			acquired, levelled = acquired+s.Acquired, levelled+s.Levelled
		}
		return acquired, levelled
	}
	acquired, levelled := counts()
	var next atomic.Uint64
	rounds := scaled(200, 20_000)
	inParallel(rounds, callers, func(round string) {
		l := lockers[next.Add(1)%uint64(len(lockers))]
		lease, err := l.Acquire(t.Context(), nameOf(round))
		if err != nil {
			t.Errorf("Acquire: %v", err)
			return
		}
		if lease.Token() == 0 {
			t.Error("a lease has no token")
		}
		if err := lease.Release(t.Context()); err != nil {
			t.Errorf("Release: %v", err)
		}
	})
	won, twice := counts()
	won, twice = won-acquired, twice-levelled
	part := share(won-twice, won)
	t.Logf("%.2f %% of %d acquires took one round trip", part, won)
	if won != uint64(rounds) { //nolint:gosec // it is not negative
		t.Errorf("%d leases, want %d", won, rounds)
	}
	if proving() && part < 99 {
		t.Errorf("%.2f %% of acquires took one round trip, want 99 %%", part)
	}
}
