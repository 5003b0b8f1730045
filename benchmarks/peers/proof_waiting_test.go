package peers

import (
	"os"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/benchmarks"
	"github.com/quorumlock/quorumlock/quorum/quorumtest"
)

// Processes that compete for one name hand it over far more often than with redsync, in the setting in which that
// does best: where whoever has given the lock back leaves it to others for a while.
func TestProveHandOversBesideRedsync(t *testing.T) {
	quorumtest.RedisServer(t) // or skip
	proving := os.Getenv("REDLOCK_PROVE") != ""
	plan := benchmarks.TinyPlan()
	plan.HandOff.Nodes, plan.HandOff.For = 5, 500*time.Millisecond
	plan.HandOff.Rivals = benchmarks.FullPlan().HandOff.Rivals[:1]
	if proving {
		plan.Rounds, plan.HandOff.For = 5, 10*time.Second
	}
	suite := benchmarks.Suite{Subjects: []benchmarks.Subject{Subjects()[0], Redsync(false)}, Plan: plan, Tell: t.Logf}
	runs, err := suite.HandOff(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(runs) == 0 {
		t.Skip("processes here have no clock in common")
	}
	for _, run := range runs {
		for _, r := range run.Rounds {
			if r.Overlaps > 0 {
				t.Errorf("%s: %+v", run.Subject, r)
			}
		}
	}
	ours, theirs := runs[0].Median(benchmarks.HandOffRound.PerSecond), runs[1].Median(benchmarks.HandOffRound.PerSecond)
	t.Logf("%.0f hand-overs/s beside %.0f of %s: %.2f times as many, want at least 2.5", ours, theirs, runs[1].Subject, ours/max(theirs, 1))
	if proving && ours < 2.5*theirs {
		t.Errorf("%.2f times the hand-overs of %s, want at least 2.5", ours/theirs, runs[1].Subject)
	}
}
