package chaos

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var updateGolden = flag.Bool("update", false, "write golden files anew instead of comparing with them")

// paused is the run of a holder who stands still for longer than its lease, and writes when it goes on.
const paused = `
	0ms  c1/1 acquire-invoked
	10ms c1/1 acquired token=1 left=100ms votes=3
	11ms c1/1 read token=1
	12ms c1  fault-began fault=stop-client
	15ms c2/1 acquire-invoked
	150ms c2/1 acquired token=2 left=100ms votes=3
	151ms c2/1 read token=2
	152ms c2/1 wrote token=2 data=b held
	160ms c2/1 release-invoked held left=90ms
	162ms c2/1 released
	200ms c1 fault-ended fault=stop-client
	201ms c1/1 wrote token=1 data=a held
	202ms c1/1 lost
	203ms c1/1 release-invoked
	204ms c1/1 released
	210ms - healed
	300ms c1/2 acquire-invoked
	301ms c1/2 acquired token=3 left=100ms votes=3
	310ms c1/2 release-invoked held left=91ms
	312ms c1/2 released
	400ms - ended
	401ms - looked
`

func pausedScenario() Scenario {
	return Scenario{
		Name: "paused-holder", About: "what no lock can prevent",
		Holds:  Default(Bounds{Nodes: 5, Lifetime: 200 * time.Millisecond, Idle: 50 * time.Millisecond}),
		Breaks: []Invariant{FencedRegister},
		Least:  Coverage{Acquired: 3, Contended: 2, Faults: map[FaultKind]int{StopClient: 1}},
	}
}

// judged is the report that a run would make of the story.
func judged(t *testing.T, scenario Scenario, story string) Report {
	t.Helper()
	report := Judge(scenario, MergeHistories(parse(t, story)))
	report.Seed, report.Cluster, report.Replay = 42, "memory", "REDLOCK_SEEDS=42 go test ./chaos -run TestPausedHolder"
	return report
}

func TestReportText(t *testing.T) {
	var text bytes.Buffer
	for _, change := range []func(*Scenario, *string){
		func(*Scenario, *string) {},
		func(_ *Scenario, story *string) { // a register that is fenced, so that the break is not seen
			*story = strings.Replace(*story, "201ms c1/1 wrote token=1 data=a held", "201ms c1/1 wrote token=1 data=a", 1)
		},
		func(s *Scenario, story *string) { // a lock that is none, and a run that met no fault
			s.Breaks = nil
			s.Least.Faults = map[FaultKind]int{Kill: 1, StopClient: 1}
			*story = strings.Replace(*story, "150ms c2/1 acquired token=2", "150ms c2/1 acquired token=1", 1)
			*story = strings.Replace(*story, "202ms c1/1 lost", "155ms c1/1 observed held left=1ms", 1)
			*story += strings.Repeat("410ms n3 found value=x left=10ms\n", 12)
		},
	} {
		scenario, story := pausedScenario(), paused
		change(&scenario, &story)
		if err := judged(t, scenario, story).WriteText(&text); err != nil {
			t.Fatal(err)
		}
		text.WriteString("\n")
	}
	golden(t, "report.golden", text.Bytes())
}

// golden compares with a file, or writes it with -update.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *updateGolden {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%s\nwant, by %s,\n%s\nIf that is meant, run the test with -update.", got, path, want)
	}
}

func TestReportOK(t *testing.T) {
	tests := map[string]struct {
		change func(*Scenario, *string)
		want   bool
	}{
		"as the scenario says": {func(*Scenario, *string) {}, true},
		"a break that was not seen": {func(_ *Scenario, story *string) {
			*story = strings.Replace(*story, "data=a held", "data=a", 1)
		}, false},
		"a break that was to hold": {func(s *Scenario, _ *string) {
			s.Holds, s.Breaks = append(s.Holds, FencedRegister), nil
		}, false},
		"too few acquisitions": {func(s *Scenario, _ *string) { s.Least.Acquired = 4 }, false},
		"too few contended":    {func(s *Scenario, _ *string) { s.Least.Contended = 3 }, false},
		"a fault that nobody met": {func(s *Scenario, _ *string) {
			s.Least.Faults = map[FaultKind]int{Delay: 1}
		}, false},
		"no judges":   {func(s *Scenario, _ *string) { s.Holds, s.Breaks = nil, nil }, false},
		"no minimum":  {func(s *Scenario, _ *string) { s.Least = Coverage{} }, true},
		"nothing won": {func(s *Scenario, story *string) { *s, *story = Scenario{Holds: []Invariant{MutualExclusion}}, "" }, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			scenario, story := pausedScenario(), paused
			tc.change(&scenario, &story)
			report := judged(t, scenario, story)
			if got := report.OK(); got != tc.want {
				t.Errorf("OK = %t, want %t", got, tc.want)
			}
			var text bytes.Buffer
			if err := report.WriteText(&text); err != nil {
				t.Fatal(err)
			}
			if said := strings.Contains(text.String(), "\nok "); said != tc.want {
				t.Errorf("the text says ok: %t, want %t:\n%s", said, tc.want, &text)
			}
			if told := strings.Contains(text.String(), report.Replay); told == tc.want {
				t.Errorf("the text says how to replay: %t, want %t:\n%s", told, !tc.want, &text)
			}
		})
	}
}

func TestReportAsJSON(t *testing.T) {
	report := judged(t, pausedScenario(), paused)
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	var again Report
	if err := json.Unmarshal(text, &again); err != nil || !reflect.DeepEqual(again, report) {
		t.Errorf("the report\n%+v\nreads as\n%+v, %v", report, again, err)
	}
	if report.Lasted != 400*time.Millisecond {
		t.Errorf("the run lasted %v, want 400ms", report.Lasted)
	}
	if want := (Wait{Name: "job", At: 300 * time.Millisecond, For: time.Millisecond}); report.LongestWait != want {
		t.Errorf("LongestWait = %+v, want %+v", report.LongestWait, want)
	}
}

func TestReportTellsOfWriteErrors(t *testing.T) {
	if err := judged(t, pausedScenario(), paused).WriteText(&failingWriter{}); err == nil {
		t.Error("WriteText is content with a full disk")
	}
	if err := Visualize(nil, &failingWriter{}); err == nil || errors.Unwrap(err) == nil {
		t.Errorf("Visualize says %v of a full disk", err)
	}
}

func TestVisualize(t *testing.T) {
	var page bytes.Buffer
	if err := Visualize(parse(t, paused), &page); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<html", "c1/1 acquires with token 1", "c2/1 ends", "free, last token 3", "stop-client c1"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page does not show %q", want)
		}
	}
}
