package chaos_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/quorumlock/quorumlock/chaos"
)

// A simulator is one of the two clusters in virtual time.
type simulator struct {
	name   string
	make   func(seed uint64, network chaos.Network) chaos.Cluster
	cannot []chaos.FaultKind
	// One in so many seeds may lead to another history when it is played again.
	repeats int
}

var simulators = []simulator{
	{"memory", func(seed uint64, network chaos.Network) chaos.Cluster { return chaos.NewMemory(seed, network) }, nil, 12},
	{
		"redis", func(seed uint64, network chaos.Network) chaos.Cluster { return chaos.NewSimulatedRedis(seed, network) },
		[]chaos.FaultKind{chaos.Duplicate},
		6,
	},
}

// play plays a scenario in virtual time. The seed decides everything: also what the lock draws for itself, and,
// on one processor, which goroutine runs first.
func (s simulator) play(t *testing.T, seed uint64, scenario chaos.Scenario, network chaos.Network) (chaos.Report, chaos.History) {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	cryptotest.SetGlobalRandom(t, seed)
	var (
		report  chaos.Report
		history chaos.History
		err     error
	)
	synctest.Test(t, func(t *testing.T) {
		report, history, err = chaos.Run(t.Context(), scenario.Without(s.cannot...), s.make(seed, network), chaos.Settings{Seed: seed})
	})
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	return report, history
}

// seeds returns which seeds to play: those of REDLOCK_SEEDS, such as "42", "100-200" or "1,5-7", or the first few.
func seeds(t *testing.T, few int) []uint64 {
	t.Helper()
	text := os.Getenv("REDLOCK_SEEDS")
	if text == "" {
		text = fmt.Sprintf("1-%d", few)
	}
	var list []uint64
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		from, err := strconv.ParseUint(first, 10, 64)
		to := from
		if err == nil && isRange {
			to, err = strconv.ParseUint(last, 10, 64)
		}
		if err != nil || to < from {
			t.Fatalf("REDLOCK_SEEDS=%q: want a seed, a range such as 100-200, or several of them with commas", text)
		}
		for seed := from; seed <= to; seed++ {
			list = append(list, seed)
		}
	}
	return list
}

// A tally adds up what the runs of several seeds have shown.
type tally struct {
	seeds, acquired, contended, handed int
	faults                             map[chaos.FaultKind]int
	longest                            chaos.Wait
	lasted                             time.Duration
}

func (y *tally) add(r chaos.Report) {
	y.seeds++
	y.acquired += r.Covered.Acquired
	y.contended += r.Covered.Contended
	y.handed += r.Covered.HandedOver
	y.lasted += r.Lasted
	if y.faults == nil {
		y.faults = make(map[chaos.FaultKind]int)
	}
	for kind, n := range r.Covered.Faults {
		y.faults[kind] += n
	}
	if r.LongestWait.For > y.longest.For {
		y.longest = r.LongestWait
	}
}

func (y *tally) String() string {
	var faults []string
	for _, kind := range slices.Sorted(maps.Keys(y.faults)) {
		faults = append(faults, fmt.Sprintf("%s %d", kind, y.faults[kind]))
	}
	return fmt.Sprintf("%d seeds, %v of virtual time, %d acquired, %d contended, %d handed over, free for %v at most while asked for; %s",
		y.seeds, y.lasted.Round(time.Second), y.acquired, y.contended, y.handed, y.longest.For, strings.Join(faults, ", "))
}

// enough is how many seeds have to have shown every kind of fault.
const enough = 20

// demand fails the test if the runs show too little.
func (y *tally) demand(t *testing.T, profile string, cannot []chaos.FaultKind) {
	t.Helper()
	t.Log(y)
	if y.acquired < 10*y.seeds || y.contended < 5*y.seeds {
		t.Errorf("acquired %d, contended %d in %d seeds: too little to show anything", y.acquired, y.contended, y.seeds)
	}
	if y.seeds < enough {
		return
	}
	if y.handed < 5*y.seeds && handsOver(profile) {
		t.Errorf("%d hand-overs in %d seeds: too few to show anything", y.handed, y.seeds)
	}
	for _, kind := range drawn(profile) {
		if y.faults[kind] == 0 && !slices.Contains(cannot, kind) {
			t.Errorf("no fault of kind %q took effect in %d seeds", kind, y.seeds)
		}
	}
}

// handsOver reports whether clients of a profile make several calls at once.
func handsOver(profile string) bool {
	return profile == "random" || profile == "litter" || profile == "waiting"
}

// drawn lists the kinds of faults that a profile makes.
func drawn(profile string) []chaos.FaultKind {
	usual := []chaos.FaultKind{
		chaos.Kill, chaos.KillWiped, chaos.Pause, chaos.Delay, chaos.SlowReply, chaos.Stall, chaos.CutAsks,
		chaos.CutReply, chaos.Cut, chaos.Reset, chaos.DropReply, chaos.Duplicate, chaos.StopClient, chaos.SuspendClient,
		chaos.LoseAnnouncements, chaos.CutSubscriber,
	}
	switch profile {
	case "random":
		return append(usual, chaos.ClockRate, chaos.ClockStep, chaos.ClientRate)
	case "litter":
		return slices.DeleteFunc(usual, func(kind chaos.FaultKind) bool {
			return kind == chaos.KillWiped || kind == chaos.Duplicate
		})
	case "waiting":
		return []chaos.FaultKind{
			chaos.Kill, chaos.Pause, chaos.Delay, chaos.SlowReply, chaos.Cut, chaos.CutReply, chaos.StopClient,
			chaos.LoseAnnouncements, chaos.CutSubscriber,
		}
	case "edge":
		return []chaos.FaultKind{chaos.ClockRate, chaos.SlowReply}
	}
	return usual
}

// simulateAll plays seeds of every profile on every simulator.
func simulateAll(t *testing.T, few int) *tally {
	t.Helper()
	all := new(tally)
	for _, s := range simulators {
		t.Run(s.name, func(t *testing.T) {
			for _, p := range chaos.Profiles() {
				t.Run(p.Name, func(t *testing.T) {
					var y tally
					for _, seed := range seeds(t, few) {
						// A test of its own, so that a seed which hangs or panics says which it is.
						ok := t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
							r, h := s.play(t, seed, p.Scenario(seed), p.Network)
							y.add(r)
							all.add(r)
							if !r.OK() {
								s.explain(t, p, seed, r, h)
							}
						})
						if !ok {
							return
						}
					}
					y.demand(t, p.Name, s.cannot)
				})
			}
		})
	}
	return all
}

// explain says what went wrong with a seed: the report, the fewest faults with which it still goes wrong, and
// what happened just before. REDLOCK_SHRINK=no leaves out all but the report, for the hurried.
func (s simulator) explain(t *testing.T, p chaos.Profile, seed uint64, r chaos.Report, h chaos.History) {
	t.Helper()
	r.Replay = fmt.Sprintf("REDLOCK_SEEDS=%d go test ./chaos -run '^TestSimulation$/^%s$/^%s$'", seed, s.name, p.Name)
	var text strings.Builder
	fmt.Fprintf(&text, "seed %d fails:\n", seed)
	_ = r.WriteText(&text)
	if os.Getenv("REDLOCK_SHRINK") == "no" {
		t.Error(text.String())
		return
	}
	scenario := p.Scenario(seed).Without(s.cannot...)
	scenario.Schedule = chaos.Shrink(scenario.Schedule, func(schedule chaos.Schedule) bool {
		smaller := scenario
		smaller.Schedule = schedule
		again, history := s.play(t, seed, smaller, p.Network)
		if again.OK() {
			return false
		}
		h = history
		return true
	})
	fmt.Fprintf(&text, "the fewest faults with which it fails:\n")
	for _, f := range scenario.Schedule {
		fmt.Fprintf(&text, "  %v\n", f)
	}
	if v, found := firstViolation(chaos.Judge(scenario, h)); found {
		fmt.Fprintf(&text, "what happens with them, up to %q:\n", v.Invariant)
		const before = 500 * time.Millisecond
		_ = h.WriteTimeline(&text, v.At-before, v.At)
	}
	fmt.Fprintf(&text, "history and picture: %s (kept with go test -artifacts)\n", keep(t, h))
	t.Error(text.String())
}

// keep writes the history, and porcupine's picture of it, where test artifacts go.
func keep(t *testing.T, h chaos.History) string {
	t.Helper()
	folder := t.ArtifactDir()
	for name, write := range map[string]func(io.Writer) error{
		"history.jsonl": func(w io.Writer) error { _, err := h.WriteTo(w); return err },
		"history.html":  func(w io.Writer) error { return chaos.Visualize(h, w) },
	} {
		file, err := os.Create(filepath.Join(folder, name))
		if err == nil {
			err = errors.Join(write(file), file.Close())
		}
		if err != nil {
			t.Errorf("keeping %s: %v", name, err)
		}
	}
	return folder
}

func firstViolation(r chaos.Report) (chaos.Violation, bool) {
	for _, v := range r.Verdicts {
		if len(v.Violations) > 0 {
			return v.Violations[0], true
		}
	}
	return chaos.Violation{}, false
}

// Every profile, on both simulators: whatever breaks within the assumptions, the lock keeps its promises.
func TestSimulation(t *testing.T) {
	few := 100 // times four profiles, times two simulators
	if raceEnabled {
		few = 4
	}
	simulateAll(t, few)
}

// The same on thousands of seeds.
func TestProveSimulation(t *testing.T) {
	prove(t)
	const least, acquisitions = 5000, 200_000
	all := simulateAll(t, least/8+15)
	t.Log("all together:", all)
	if os.Getenv("REDLOCK_SEEDS") == "" && (all.seeds < least || all.acquired < acquisitions) {
		t.Errorf("%d seeds and %d acquisitions, want at least %d and %d", all.seeds, all.acquired, least, acquisitions)
	}
}

func prove(t *testing.T) {
	t.Helper()
	if os.Getenv("REDLOCK_PROVE") == "" {
		t.Skip("takes minutes: set REDLOCK_PROVE=1, or make prove")
	}
}
