package benchmarks

import (
	"os"
	"slices"
	"testing"
	"time"
)

// proving reports whether figures are asserted, and measured in full: under "make prove". Otherwise these tests are
// small and assert facts only.
func proving() bool { return os.Getenv("REDLOCK_PROVE") != "" }

// contention is the hand-off of this project's lock alone.
func contention(rivals Rivals) *Suite {
	plan := TinyPlan()
	plan.HandOff.Nodes, plan.HandOff.Rivals = 5, []Rivals{rivals}
	plan.Rounds, plan.HandOff.For = 1, 2*time.Second // so long that also on a busy machine each has its turn
	if proving() {
		plan.Rounds, plan.HandOff.For = 5, 10*time.Second
	}
	return &Suite{Subjects: subjects(), Plan: plan}
}

// competed runs a hand-off, tells its figures, and fails the test if two held at once, somebody was refused, or
// somebody was served less than least times.
func competed(t *testing.T, s *Suite, least int) HandOffRun {
	t.Helper()
	needRedis(t)
	runs, err := s.HandOff(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(runs) == 0 {
		t.Skip("processes here have no clock in common")
	}
	run := runs[0]
	for i, r := range run.Rounds {
		fewest := slices.Min(r.Holds)
		t.Logf("round %d: %.0f hand-overs/s = %.3f of 1/hold (held for %v), local %.0f/s, gap p50 %v p99 %v, Jain %.3f, worst wait %v = %.1f fair shares, "+
			"served %d to %d times, %.1f script calls and %.2f PUBLISH per hand-over",
			i+1, r.PerSecond(), r.PerSecond()*run.Hold/1000, r.HoldP50.Duration(), r.LocalPerSecond(), r.GapP50.Duration(), r.GapP99.Duration(), r.Jain,
			r.WorstWait.Duration().Round(time.Microsecond), r.WaitShares(), fewest, slices.Max(r.Holds), r.ScriptsPerHandOver(), r.PublishesPerHandOver())
		if r.Overlaps > 0 || r.Failures > 0 {
			t.Errorf("round %d: %d overlaps, %d failures", i+1, r.Overlaps, r.Failures)
		}
		if fewest < least {
			t.Errorf("round %d: somebody was served %d times, want %d at least: %v", i+1, fewest, least, r.Holds)
		}
	}
	return run
}

// atMost and atLeast judge a figure, if figures are judged.
func atMost(t *testing.T, what string, got, limit float64) {
	t.Helper()
	t.Logf("%s: %.3f, want at most %.3f", what, got, limit)
	if proving() && got > limit {
		t.Errorf("%s: %.3f, want at most %.3f", what, got, limit)
	}
}

func atLeast(t *testing.T, what string, got, limit float64) {
	t.Helper()
	t.Logf("%s: %.3f, want at least %.3f", what, got, limit)
	if proving() && got < limit {
		t.Errorf("%s: %.3f, want at least %.3f", what, got, limit)
	}
}

// A lock that is freed is taken at once, by one of those that wait in other processes, in turn.
func TestProveEightProcessesTakeTurns(t *testing.T) {
	for name, think := range map[string]time.Duration{"again after 2ms": 2 * time.Millisecond, "again at once": 0} {
		t.Run(name, func(t *testing.T) {
			run := competed(t, contention(Rivals{Processes: 8, Callers: 1, Think: think}), 1)
			atLeast(t, "hand-overs between processes, of 1/hold (aim 0.8)", run.Share(), 0.65)
			atMost(t, "gap p50 in ms", run.Gap.P50.Duration().Seconds()*1000, 1)
			atLeast(t, "Jain's index", run.Median(func(r HandOffRound) float64 { return r.Jain }), 0.9)
			atMost(t, "worst wait, in fair shares", run.Median(HandOffRound.WaitShares), 5)
		})
	}
}

// Of a hundred waiters nobody starves, and they do not trample the nodes.
func TestProveAHundredWaiters(t *testing.T) {
	s := contention(Rivals{Processes: 10, Callers: 10, Think: 2 * time.Millisecond})
	s.Plan.HandOff.For = 4 * time.Second // a hundred turns take half a second, or far more on a busy machine
	least := 1
	if proving() {
		s.Plan.HandOff.For, least = 20*time.Second, 15 // an even share is about 70
	}
	run := competed(t, s, least)
	// Each process that waits asks again when it has heard nothing for min(TTL/2, 1 s), at the earliest after half
	// of that: one call to the key's home, or one to each node.
	nodes := float64(run.Nodes)
	polls := 2 * float64(run.Processes) * nodes / run.Median(func(r HandOffRound) float64 { return r.PerSecond() + r.LocalPerSecond() })
	t.Logf("polls are %.2f script calls per hand-over at most", polls)
	atMost(t, "script calls per hand-over (aim 2N)", run.Median(HandOffRound.ScriptsPerHandOver), 3*nodes+polls)
}
