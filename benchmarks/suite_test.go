package benchmarks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Everything can be measured, and what was measured is what the labels say.
func TestSuiteMeasuresEverything(t *testing.T) {
	needRedis(t)
	told := 0
	s := &Suite{Subjects: subjects(), Plan: TinyPlan(), Tell: func(string, ...any) { told++ }}
	r, err := s.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	checkLoad(t, "load", r.Load, s.Plan)
	checkLoad(t, "own", r.Own, s.Plan)
	for _, cell := range r.Load {
		for _, round := range cell.Rounds {
			// An acquire and a release on a majority at least. Concurrent ones may share a script call.
			if cell.Callers == 1 && (round.Scripts < 2*float64(cell.Nodes/2+1)-0.1 || round.Commands < round.Scripts) {
				t.Errorf("%d nodes, 1 caller: %+v", cell.Nodes, round)
			}
		}
	}
	checkSick(t, r.Sick, s.Plan)
	checkHandOff(t, r.HandOff, s.Plan)
	if len(r.Endure) != 1 || r.Endure[0].Operations != 50 || r.Endure[0].HeapAfter == 0 {
		t.Errorf("endure: %+v", r.Endure)
	}
	if len(r.Held) != 2 || r.Held[1].Leases != 10 || r.Held[1].KeysOnMedian == 0 {
		t.Errorf("held: %+v", r.Held)
	}
	if r.Machine.Redis == "unknown" || r.Machine.Go == "" || told == 0 {
		t.Errorf("machine: %+v, told %d times", r.Machine, told)
	}
	if testing.Verbose() {
		t.Logf("machine: %+v", r.Machine)
	}
}

func checkLoad(t *testing.T, what string, cells []LoadCell, plan Plan) {
	t.Helper()
	if want := len(plan.Load.Callers) * len(plan.Load.Nodes); len(cells) != want {
		t.Fatalf("%s: %d cells, want %d", what, len(cells), want)
	}
	for _, cell := range cells {
		ops := int64(0)
		for _, round := range cell.Rounds {
			ops += round.Operations
			if round.Failures != 0 || round.Operations == 0 || round.Allocs == 0 || round.PerSecond() <= 0 {
				t.Errorf("%s: %s, %d nodes, %d callers: %+v", what, cell.Subject, cell.Nodes, cell.Callers, round)
			}
		}
		if len(cell.Rounds) != plan.Rounds || cell.Both.Count != ops || cell.Acquire.Count != ops || cell.Release.Count != ops {
			t.Errorf("%s: %d nodes, %d callers: %d rounds and %d operations, of which %d were timed",
				what, cell.Nodes, cell.Callers, len(cell.Rounds), ops, cell.Both.Count)
		}
	}
}

func checkSick(t *testing.T, runs []SickRun, plan Plan) {
	t.Helper()
	if len(runs) != len(Faults) {
		t.Fatalf("%d runs with a sick node, want one for each of %q", len(runs), Faults)
	}
	for _, run := range runs {
		began := int64(0)
		for _, b := range run.Timeline {
			began += b.Count
		}
		if len(run.Rounds) != plan.Rounds || began == 0 {
			t.Errorf("%s: %d rounds, %d operations", run.Fault, len(run.Rounds), began)
		}
		for _, round := range run.Rounds {
			for _, operation := range Operations {
				if round.Healthy[operation].Count == 0 || round.Sick[operation].Count == 0 {
					t.Errorf("%s: %s was not measured: %+v", run.Fault, operation, round)
				}
			}
		}
	}
}

func checkHandOff(t *testing.T, runs []HandOffRun, plan Plan) {
	t.Helper()
	if len(runs) != len(plan.HandOff.Rivals) {
		t.Fatalf("hand-off: %+v", runs)
	}
	for i, rivals := range plan.HandOff.Rivals {
		run := runs[i]
		if len(run.Rounds) != plan.Rounds || !run.by(rivals) {
			t.Errorf("hand-off of %+v: %+v", rivals, run)
		}
		for _, round := range run.Rounds {
			holds := 0
			for _, n := range round.Holds {
				holds += n
			}
			// Each hold was voted for on a majority at least.
			if round.Overlaps != 0 || round.Failures != 0 || len(round.Holds) != rivals.all() || holds == 0 || round.Scripts < int64(holds) {
				t.Errorf("hand-off: %+v", round)
			}
			if round.HandOvers+round.Local >= holds || rivals.Callers == 1 && round.Local > 0 {
				t.Errorf("hand-off: %+v, more hand-overs than holds, or local ones of single callers", round)
			}
		}
	}
}

// A free is a lock that excludes nobody.
type free struct{}

func (free) Name() string                                  { return "free" }
func (free) About() string                                 { return "excludes nobody" }
func (free) Fits(int) bool                                 { return true }
func (free) Open(context.Context, Site) (Client, error)    { return free{}, nil }
func (free) Acquire(context.Context, string) (Hold, error) { return free{}, nil }
func (free) Extend(context.Context) error                  { return nil }
func (free) Release(context.Context) error                 { return nil }
func (free) Close() error                                  { return nil }

func TestCheckNoticesWhatDoesNotLock(t *testing.T) {
	needRedis(t)
	s := &Suite{Subjects: []Subject{free{}}, Plan: TinyPlan()}
	if _, err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "two clients hold one lock") {
		t.Errorf("a lock that excludes nobody is measured: %v", err)
	}
}

// What does not renew is not counted as holding.
func TestHeldIsForLocksThatRenew(t *testing.T) {
	needRedis(t)
	s := &Suite{Subjects: []Subject{free{}}, Plan: TinyPlan()}
	if runs, err := s.Held(t.Context()); err != nil || len(runs) != 0 {
		t.Errorf("Held of a lock that does not renew: %+v, %v", runs, err)
	}
}

// A fault that does not show is not measured.
func TestFaultsMustShow(t *testing.T) {
	needRedis(t)
	fleet, err := StartFleet(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	defer fleet.Close()
	for _, fault := range Faults {
		site := Site{Addrs: fleet.Addrs()}
		d, err := newDisease(fault, fleet, &site)
		if err != nil {
			t.Fatal(err)
		}
		nothing := func(context.Context) error { return nil }
		d.begin, d.end = nothing, nothing
		if err := d.course(t.Context(), SickPlan{Sick: 20 * time.Millisecond}); err == nil || !strings.Contains(err.Error(), "did not show") {
			t.Errorf("%s: a node that is well counts as sick: %v", fault, err)
		}
		if err := d.close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := newDisease("bored", fleet, &Site{}); err == nil {
		t.Error("there is a fault called bored")
	}
}

func TestInterleaveRotates(t *testing.T) {
	var got strings.Builder
	stop := errors.New("enough")
	err := interleave(4, 3, func(round, subject int) error {
		fmt.Fprintf(&got, "%d%d ", round, subject)
		if round == 3 {
			return stop
		}
		return nil
	})
	if want := "00 01 02 11 12 10 22 20 21 30 "; got.String() != want || !errors.Is(err, stop) {
		t.Errorf("measured %q, %v; want %q", got.String(), err, want)
	}
}

var benchmarkLine = regexp.MustCompile(`^Benchmark[A-Z]\w*(/\w+=[\w.-]+)+ [1-9]\d*( [\d.]+ [\w/-]+)+$`)

func TestFilesOfResults(t *testing.T) {
	folder := t.TempDir()
	r := example()
	if err := r.Write(folder); err != nil {
		t.Fatal(err)
	}
	again, err := ReadResults(filepath.Join(folder, JSONFile))
	if err != nil {
		t.Fatal(err)
	}
	second := t.TempDir()
	if err := again.Write(second); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{JSONFile, TextFile, PageFile} {
		first, err1 := os.ReadFile(filepath.Join(folder, name))
		other, err2 := os.ReadFile(filepath.Join(second, name))
		if err := errors.Join(err1, err2); err != nil || !bytes.Equal(first, other) || len(first) == 0 {
			t.Errorf("%s is not the same after reading and writing the results: %v", name, err)
		}
	}
	text, _ := os.ReadFile(filepath.Join(folder, TextFile))
	head, lines, _ := strings.Cut(string(text), "\n\n")
	if !strings.Contains(head, "goos: ") || !strings.Contains(head, "redis: 7") {
		t.Errorf("the text does not say where it comes from:\n%s", head)
	}
	count := 0
	for line := range strings.Lines(lines) {
		count++
		if !benchmarkLine.MatchString(strings.TrimSuffix(line, "\n")) {
			t.Errorf("benchstat cannot read %q", line)
		}
	}
	// Each round of two subjects: under load, on their own, sick by operation, handed over.
	if want := 3 * (2*2*2 + 2*2 + 2*3*3 + 2*2); count != want {
		t.Errorf("%d lines, want %d", count, want)
	}
}
