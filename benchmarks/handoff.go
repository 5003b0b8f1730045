package benchmarks

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"time"

	"github.com/quorumlock/quorumlock/clock"
)

// A HandOffRun is processes that compete for one name.
type HandOffRun struct {
	Subject   string         `json:"subject"`
	Nodes     int            `json:"nodes"`
	Processes int            `json:"processes"`
	Hold      float64        `json:"hold_ms"`
	Think     float64        `json:"think_ms"`
	Rounds    []HandOffRound `json:"rounds"`
	Gap       Distribution   `json:"gap"` // over all rounds
}

// A HandOffRound is one round. A hand-over is a hold by another process than the last one; its gap is the time
// from just before the release to just after the acquisition, in which nobody held.
type HandOffRound struct {
	Seconds   float64 `json:"seconds"`
	Holds     []int   `json:"holds"` // by process
	HandOvers int     `json:"hand_overs"`
	Overlaps  int     `json:"overlaps"` // two processes held at once: never, if it is a lock
	GapP50    Micros  `json:"gap_p50_us"`
	GapP99    Micros  `json:"gap_p99_us"`
	WorstWait Micros  `json:"worst_wait_us"` // also one that the end of the round cut off
	Jain      float64 `json:"jain"`          // 1 if all held equally often, 1/processes if only one did
	Failures  int     `json:"failures"`
}

// PerSecond is the hand-overs per second.
func (r HandOffRound) PerSecond() float64 { return float64(r.HandOvers) / r.Seconds }

// Median is the median of a figure over the rounds.
func (r HandOffRun) Median(of func(HandOffRound) float64) float64 {
	return MedianOf(mapped(r.Rounds, of))
}

// HandOff measures every subject with processes of their own: the program starts itself, see [Worker]. It needs
// a clock that processes share, and measures nothing where there is none.
func (s *Suite) HandOff(ctx context.Context) ([]HandOffRun, error) {
	if runtime.GOOS != "linux" {
		return nil, nil
	}
	plan := s.Plan.HandOff
	subjects := s.contenders(plan.Nodes)
	runs, gaps := make([]HandOffRun, len(subjects)), make([][]time.Duration, len(subjects))
	err := interleave(s.Plan.Rounds, len(subjects), func(_, i int) error {
		reports, err := s.handOffRound(ctx, subjects[i])
		if err != nil {
			return fmt.Errorf("%s handed over: %w", subjects[i].Name(), err)
		}
		round, between := judge(reports, plan.For)
		runs[i].Rounds = append(runs[i].Rounds, round)
		gaps[i] = append(gaps[i], between...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i, subject := range subjects {
		r := &runs[i]
		r.Subject, r.Nodes, r.Processes = subject.Name(), nodesOf(subject, plan.Nodes), plan.Processes
		r.Hold, r.Think = plan.Hold.Seconds()*1000, plan.Think.Seconds()*1000
		h := newHistogram()
		for _, gap := range gaps[i] {
			note(h, gap)
		}
		r.Gap = distribution(h)
		s.tell("%s, %d processes on one name: %.0f hand-overs/s, gap p50 %.2f ms", r.Subject, r.Processes,
			r.Median(HandOffRound.PerSecond), float64(r.Gap.P50)/1000)
	}
	return runs, nil
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

func (s *Suite) handOffRound(ctx context.Context, subject Subject) (reports []workerReport, err error) {
	plan := s.Plan.HandOff
	g, err := newGround(ctx, nodesOf(subject, plan.Nodes), []Subject{subject})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, g.close()) }()
	job := workerJob{
		Subject: subject.Name(), Site: Site{Addrs: g.of(subject).Addrs(), TTL: s.Plan.TTL},
		Name: "benchmark:hand-off", Hold: plan.Hold, Think: plan.Think, For: plan.For,
	}
	workers := make([]*worker, 0, plan.Processes)
	defer func() {
		for _, w := range workers {
			w.kill()
		}
	}()
	for range plan.Processes {
		w, err := startWorker(ctx, job)
		if err != nil {
			return nil, err
		}
		workers = append(workers, w)
	}
	return race(workers)
}

// race starts all workers once all are ready, and collects what they saw.
func race(workers []*worker) ([]workerReport, error) {
	for _, w := range workers {
		if err := w.ready(); err != nil {
			return nil, err
		}
	}
	start := clock.System().Now().Add(20 * time.Millisecond)
	for _, w := range workers {
		if _, err := fmt.Fprintf(w.stdin, "%d\n", start); err != nil {
			return nil, err
		}
	}
	reports := make([]workerReport, len(workers))
	for i, w := range workers {
		if err := json.NewDecoder(w.stdout).Decode(&reports[i]); err != nil {
			return nil, fmt.Errorf("what worker %d saw: %w", i, err)
		}
	}
	return reports, nil
}

// A worker is a process of ours.
type worker struct {
	cmd    *exec.Cmd
	stdin  *os.File
	stdout *bufio.Reader
}

func startWorker(ctx context.Context, job workerJob) (*worker, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, err
	}
	spec, err := json.Marshal(job)
	if err != nil {
		return nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close() //nolint:errcheck // the child has it
	cmd := exec.CommandContext(ctx, binary)
	cmd.Env = append(os.Environ(), workerVariable+"="+string(spec), "GORACE=atexit_sleep_ms=0")
	cmd.Stdin, cmd.Stderr = read, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, write.Close())
	}
	return &worker{cmd: cmd, stdin: write, stdout: bufio.NewReader(out)}, nil
}

// ready waits until the worker has connected.
func (w *worker) ready() error {
	line, err := w.stdout.ReadString('\n')
	if err != nil || line != workerReady {
		return fmt.Errorf("worker %d is not ready: %q, %w", w.cmd.Process.Pid, line, err)
	}
	return nil
}

// kill ends the process, if it has not ended, and waits for it.
func (w *worker) kill() {
	_ = w.stdin.Close()
	_ = w.cmd.Process.Kill()
	_ = w.cmd.Wait()
}

// judge finds out what the workers together went through.
func judge(reports []workerReport, d time.Duration) (HandOffRound, []time.Duration) {
	type hold struct {
		process  int
		from, to clock.Instant
	}
	var holds []hold
	round := HandOffRound{Seconds: d.Seconds(), Holds: make([]int, len(reports))}
	for process, r := range reports {
		round.Failures += r.Failures
		round.WorstWait = max(round.WorstWait, micros(r.LongestWait))
		round.Holds[process] = len(r.Holds)
		for _, h := range r.Holds {
			holds = append(holds, hold{process, h[0], h[1]})
		}
	}
	slices.SortFunc(holds, func(a, b hold) int { return int(a.from.Sub(b.from)) })
	h, gaps := newHistogram(), []time.Duration(nil)
	for i := 1; i < len(holds); i++ {
		before, after := holds[i-1], holds[i]
		gap := after.from.Sub(before.to)
		if gap < 0 {
			round.Overlaps++
		}
		if after.process != before.process {
			round.HandOvers++
			gaps = append(gaps, gap)
			note(h, gap)
		}
	}
	between := distribution(h)
	round.GapP50, round.GapP99, round.Jain = between.P50, between.P99, jain(round.Holds)
	return round, gaps
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
