package benchmarks

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/redlock"
)

// What a fencing token costs: the same lock with and without one, in one run, on the same five servers, by
// turns. Of each round the two are compared with each other, and the median of these ratios is what counts.
func TestProveTheCostOfATokenIsSmall(t *testing.T) {
	needRedis(t)
	proving := os.Getenv("REDLOCK_PROVE") != ""
	plan, full := TinyPlan(), ""
	plan.Load = LoadPlan{Callers: []int{1, 64}, Nodes: []int{5}, For: 100 * time.Millisecond, WarmUp: 50 * time.Millisecond}
	if proving {
		plan.Rounds, plan.TTL, full = 21, 10*time.Second, "REDLOCK_PROVE=1 "
		plan.Load.For, plan.Load.WarmUp = time.Second, 500*time.Millisecond
	}
	t.Logf("again: %sgo test -count=1 -v -timeout 60m -run '^%s$' ./benchmarks", full, t.Name())
	t.Logf("load average at the start: %s", thisMachine(t.Context()).Load)
	s := Suite{Plan: plan, Subjects: []Subject{
		Redlock("redlock", "with a token"),
		Redlock("redlock without token", "without one", redlock.WithoutToken()),
	}}
	cells, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("load average at the end: %s; %d rounds of %v each", thisMachine(t.Context()).Load, plan.Rounds, plan.Load.For)
	for _, c := range cells {
		t.Logf("%2d callers, %-22s %v", c.Callers, c.Subject+":", costs(c))
		if ops := c.Both.Count; ops == 0 || failures(c) > 0 {
			t.Errorf("%s, %d callers: %d operations, %d failures", c.Subject, c.Callers, ops, failures(c))
		}
	}
	for i, limit := range []float64{1.25, 2} {
		with, without := cells[2*i], cells[2*i+1]
		ratio := ratioOf(with, without, func(r LoadRound) float64 { return float64(r.PerOp()) })
		t.Logf("%2d callers: acquire and release take %.2f x the time without token (limit %.2f); p50 of acquire %.2f x, server CPU %.2f x, time in scripts per operation %.2f x",
			with.Callers, ratio, limit, float64(with.Acquire.P50)/float64(without.Acquire.P50),
			ratioOf(with, without, func(r LoadRound) float64 { return float64(r.ServerCPU) }),
			ratioOf(with, without, scriptTime))
		if proving && ratio > limit {
			t.Errorf("%d callers: a token makes it take %.2f x the time, want %.2f x at most", with.Callers, ratio, limit)
		}
		commands := func(r LoadRound) float64 { return r.Commands }
		if more := ratioOf(with, without, commands); more <= 1 {
			t.Errorf("%d callers: servers run %.2f x the commands: nothing of a token is to be seen", with.Callers, more)
		}
	}
}

// scriptTime is what all servers' scripts together took for one operation, in microseconds. Where the machine is
// busy it counts the time that servers waited for a processor.
func scriptTime(r LoadRound) float64 { return float64(r.ScriptTime) * r.Scripts }

func costs(c LoadCell) string {
	return fmt.Sprintf("%6.0f op/s, acquire p50 %s p99 %s, %.1f scripts/op of %.1f us each (commandstats), %.1f commands/op, server CPU %s/op",
		c.Median(LoadRound.PerSecond), us(c.Acquire.P50), us(c.Acquire.P99),
		c.Median(func(r LoadRound) float64 { return r.Scripts }),
		c.Median(func(r LoadRound) float64 { return float64(r.ScriptTime) }),
		c.Median(func(r LoadRound) float64 { return r.Commands }),
		us(Micros(c.Median(func(r LoadRound) float64 { return float64(r.ServerCPU) }))))
}

// ratioOf is the median of the ratios of one round each.
func ratioOf(a, b LoadCell, of func(LoadRound) float64) float64 {
	ratios := make([]float64, len(a.Rounds))
	for i := range ratios {
		ratios[i] = of(a.Rounds[i]) / of(b.Rounds[i])
	}
	return MedianOf(ratios)
}
