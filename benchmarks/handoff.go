package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/quorumlock/quorumlock/clock"
)

// A HandOffRun is rivals that compete for one name.
type HandOffRun struct {
	Subject   string         `json:"subject"`
	Nodes     int            `json:"nodes"`
	Processes int            `json:"processes"`
	Callers   int            `json:"callers"` // of each process
	Hold      float64        `json:"hold_ms"`
	Think     float64        `json:"think_ms"`
	Rounds    []HandOffRound `json:"rounds"`
	Gap       Distribution   `json:"gap"` // over all rounds
}

// A HandOffRound is one round. A hand-over is a hold by another process than the last one; its gap is the time
// from just before the release to just after the acquisition, in which nobody held. Where another caller of the
// same process is next, that is a local one. The rest are holds of a caller that met nobody but itself.
type HandOffRound struct {
	Seconds   float64 `json:"seconds"`
	Holds     []int   `json:"holds"` // by caller, process by process
	HandOvers int     `json:"hand_overs"`
	Local     int     `json:"local_hand_overs"`
	Overlaps  int     `json:"overlaps"` // two held at once: never, if it is a lock
	GapP50    Micros  `json:"gap_p50_us"`
	GapP99    Micros  `json:"gap_p99_us"`
	HoldP50   Micros  `json:"hold_p50_us"`   // how long it was held in fact: machines sleep for longer than they are told
	WorstWait Micros  `json:"worst_wait_us"` // also one that the end of the round cut off
	FairShare Micros  `json:"fair_share_us"` // after which a caller's turn comes: all callers' times the planned hold and the median of all gaps
	Jain      float64 `json:"jain"`          // 1 if all held equally often, 1/callers if only one did
	Failures  int     `json:"failures"`
	Scripts   int64   `json:"scripts"`   // script calls, all nodes together, and 0 where nodes are no Redis servers
	Publishes int64   `json:"publishes"` // PUBLISH commands, those of scripts included
}

// PerSecond is the hand-overs between processes per second.
func (r HandOffRound) PerSecond() float64 { return float64(r.HandOvers) / r.Seconds }

// LocalPerSecond is the hand-overs inside of processes per second.
func (r HandOffRound) LocalPerSecond() float64 { return float64(r.Local) / r.Seconds }

// WaitShares is the worst wait as a multiple of the fair share.
func (r HandOffRound) WaitShares() float64 { return ratio(float64(r.WorstWait), float64(r.FairShare)) }

// ScriptsPerHandOver is what waiting and handing over costs: script calls on all nodes, for each hand-over between
// processes or inside of one.
func (r HandOffRound) ScriptsPerHandOver() float64 {
	return ratio(float64(r.Scripts), float64(r.HandOvers+r.Local))
}

// PublishesPerHandOver is the same for messages.
func (r HandOffRound) PublishesPerHandOver() float64 {
	return ratio(float64(r.Publishes), float64(r.HandOvers+r.Local))
}

// ratio is 0 if there is nothing to divide by.
func ratio(v, of float64) float64 {
	if of == 0 {
		return 0
	}
	return v / of
}

// Median is the median of a figure over the rounds.
func (r HandOffRun) Median(of func(HandOffRound) float64) float64 {
	return MedianOf(mapped(r.Rounds, of))
}

// Share is the hand-overs between processes per second as a share of the most that can be: one after the other
// without a gap.
func (r HandOffRun) Share() float64 { return r.Median(HandOffRound.PerSecond) * r.Hold / 1000 }

// by reports whether the run was that of rivals.
func (r HandOffRun) by(rivals Rivals) bool {
	return r.Processes == rivals.Processes && r.Callers == max(rivals.Callers, 1) && r.Think == milliseconds(rivals.Think)
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }

// HandOff measures every subject with processes of their own: the program starts itself, see [Worker]. It needs
// a clock that processes share, and measures nothing where there is none.
func (s *Suite) HandOff(ctx context.Context) ([]HandOffRun, error) {
	if runtime.GOOS != "linux" {
		return nil, nil
	}
	var runs []HandOffRun
	for _, rivals := range s.Plan.HandOff.Rivals {
		some, err := s.handOffBy(ctx, rivals)
		if err != nil {
			return nil, err
		}
		runs = append(runs, some...)
	}
	return runs, nil
}

func (s *Suite) handOffBy(ctx context.Context, rivals Rivals) ([]HandOffRun, error) {
	plan := s.Plan.HandOff
	subjects := s.contenders(plan.Nodes)
	runs, gaps := make([]HandOffRun, len(subjects)), make([][]time.Duration, len(subjects))
	err := interleave(s.Plan.Rounds, len(subjects), func(_, i int) error {
		reports, used, err := s.handOffRound(ctx, subjects[i], rivals)
		if err != nil {
			return fmt.Errorf("%s handed over: %w", subjects[i].Name(), err)
		}
		round, between := judge(reports, plan)
		round.Scripts, round.Publishes = used.scripts(), used.ByName["publish"]
		runs[i].Rounds = append(runs[i].Rounds, round)
		gaps[i] = append(gaps[i], between...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i, subject := range subjects {
		r := &runs[i]
		r.Subject, r.Nodes = subject.Name(), nodesOf(subject, plan.Nodes)
		r.Processes, r.Callers = rivals.Processes, max(rivals.Callers, 1)
		r.Hold, r.Think = milliseconds(plan.Hold), milliseconds(rivals.Think)
		r.Gap = distributionOf(gaps[i])
		s.tell("%s, %d processes with %d %s on one name, again after %v: %.0f hand-overs/s, %.2f of 1/hold, and %.0f local; gap p50 %.2f ms",
			r.Subject, r.Processes, r.Callers, plural("caller", r.Callers), rivals.Think,
			r.Median(HandOffRound.PerSecond), r.Share(), r.Median(HandOffRound.LocalPerSecond), float64(r.Gap.P50)/1000)
	}
	return runs, nil
}

func distributionOf(durations []time.Duration) Distribution {
	h := newHistogram()
	for _, d := range durations {
		note(h, d)
	}
	return distribution(h)
}

// contenders are the subjects that fit the nodes, and those that only ever have one.
func (s *Suite) contenders(nodes int) []Subject {
	return slices.DeleteFunc(slices.Clone(s.Subjects), func(subject Subject) bool {
		return loadOnly(subject) || !subject.Fits(nodes) && !subject.Fits(1)
	})
}

// An LoadOnly is a Subject that cannot wait for a lock that somebody else holds.
type LoadOnly interface{ LoadOnly() }

func loadOnly(s Subject) bool {
	_, only := s.(LoadOnly)
	return only
}

// nodesOf is how many nodes a subject gets where others get the given number.
func nodesOf(s Subject, nodes int) int {
	if s.Fits(nodes) {
		return nodes
	}
	return 1
}

// handOffRound returns what the workers saw, and what the servers did for it.
func (s *Suite) handOffRound(ctx context.Context, subject Subject, rivals Rivals) (reports []workerReport, used ServerUsage, err error) {
	plan := s.Plan.HandOff
	g, err := newGround(ctx, nodesOf(subject, plan.Nodes), []Subject{subject})
	if err != nil {
		return nil, used, err
	}
	defer func() { err = errors.Join(err, g.close()) }()
	job := workerJob{
		Subject: subject.Name(), Site: Site{Addrs: g.of(subject).Addrs(), TTL: s.Plan.TTL},
		Name: "benchmark:hand-off", Callers: rivals.Callers, Hold: plan.Hold, Think: rivals.Think, For: plan.For,
	}
	workers, err := startWorkers(ctx, rivals.Processes, job)
	defer func() {
		for _, w := range workers {
			w.kill()
		}
	}()
	if err != nil {
		return nil, used, err
	}
	before, err := g.of(subject).Usage(ctx)
	if err != nil {
		return nil, used, err
	}
	if reports, err = race(workers); err != nil {
		return nil, used, err
	}
	after, err := g.of(subject).Usage(ctx)
	return reports, after.Sub(before), err
}

// A hold is one of a caller's.
type hold struct {
	process, caller int
	from, to        clock.Instant
}

// gather collects the holds of all callers, in their order, and what else they tell.
func gather(reports []workerReport, round *HandOffRound) []hold {
	var holds []hold
	for process, report := range reports {
		for caller, r := range report {
			round.Failures += r.Failures
			round.WorstWait = max(round.WorstWait, micros(r.LongestWait))
			round.Holds = append(round.Holds, len(r.Holds))
			for _, h := range r.Holds {
				holds = append(holds, hold{process, caller, h[0], h[1]})
			}
		}
	}
	slices.SortFunc(holds, func(a, b hold) int { return int(a.from.Sub(b.from)) })
	return holds
}

// judge finds out what the workers together went through, and returns the gaps between processes.
func judge(reports []workerReport, plan HandOffPlan) (HandOffRound, []time.Duration) {
	round := HandOffRound{Seconds: plan.For.Seconds()}
	holds := gather(reports, &round)
	var between, all, held []time.Duration
	for i, after := range holds {
		held = append(held, after.to.Sub(after.from))
		if i == 0 {
			continue
		}
		before := holds[i-1]
		gap := after.from.Sub(before.to)
		all = append(all, gap)
		if gap < 0 {
			round.Overlaps++
		}
		switch {
		case after.process != before.process:
			round.HandOvers++
			between = append(between, gap)
		case after.caller != before.caller:
			round.Local++
		}
	}
	gaps := distributionOf(between)
	round.GapP50, round.GapP99, round.HoldP50 = gaps.P50, gaps.P99, distributionOf(held).P50
	round.FairShare = Micros(len(round.Holds)) * (micros(plan.Hold) + distributionOf(all).P50)
	round.Jain = jain(round.Holds)
	return round, between
}

// jain is Jain's index of fairness.
func jain(shares []int) float64 {
	sum, squares := 0.0, 0.0
	for _, share := range shares {
		sum += float64(share)
		squares += float64(share) * float64(share)
	}
	if squares == 0 {
		return 0
	}
	return sum * sum / (float64(len(shares)) * squares)
}
