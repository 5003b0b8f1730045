package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// goodRace is one in which everything was as it should be.
func goodRace() raceResult {
	return raceResult{
		kind: kindMemory, nodes: []string{"a", "b", "c", "d", "e"}, seed: 7, ran: 15 * s,
		tallies: tallies{
			holds: []hold{
				{worker: 0, from: s, to: 2 * s, released: true},
				{worker: 7, from: 3 * s, to: 4 * s, released: true},
				{worker: 0, from: 8 * s, to: 9 * s, released: true},
			},
			longestWait: 1234567 * time.Microsecond, renewals: 2, losses: 1,
		},
		faults: []faultRecord{
			{fault: fault{kind: stopNode, node: 1}, begun: true, fired: true, began: 2 * s, over: true, back: true, ended: 5 * s},
			{fault: fault{kind: killNode, node: 4}, begun: true, fired: true, began: 6 * s},
		},
	}
}

func TestReportJudges(t *testing.T) {
	overlap := hold{worker: 3, from: 3500 * time.Millisecond, to: 3600 * time.Millisecond}
	tests := map[string]struct {
		change func(*raceResult)
		want   []string // the beginnings of the problems
	}{
		"all is well":                       {func(*raceResult) {}, nil},
		"two had the lock":                  {func(r *raceResult) { r.tallies.holds = append(r.tallies.holds, overlap) }, []string{"worker 8 had the lock from 3s to 4s, and worker 4 got it at 3.5s"}},
		"too many to tell":                  {func(r *raceResult) { r.tallies.holds = append(r.tallies.holds, slices.Repeat([]hold{overlap}, 9)...) }, []string{"worker 8", "worker 8", "worker 8", "worker 8", "worker 8", "and 4 more overlaps"}},
		"two met in the section":            {func(r *raceResult) { r.tallies.crossings = 2 }, []string{"2 times two workers"}},
		"nobody got the lock":               {func(r *raceResult) { r.tallies.holds = nil }, []string{"nobody ever got the lock"}},
		"a fault did not fire":              {func(r *raceResult) { r.faults[1].fired = false }, []string{"node 5 was to be killed"}},
		"a fault was never made":            {func(r *raceResult) { r.faults[1] = faultRecord{fault: r.faults[1].fault} }, []string{"node 5 was to be killed"}},
		"its time had not come":             {func(r *raceResult) { r.interrupted = true; r.faults[1] = faultRecord{fault: r.faults[1].fault} }, nil},
		"it ended before anybody could":     {func(r *raceResult) { r.interrupted = true; r.tallies.holds = nil }, nil},
		"an early end excuses no overlap":   {func(r *raceResult) { r.interrupted = true; r.tallies.holds = append(r.tallies.holds, overlap) }, []string{"worker 8"}},
		"several things at once, all named": {func(r *raceResult) { r.tallies.holds = nil; r.faults[0].fired = false }, []string{"nobody", "node 2 was to be stopped"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := goodRace()
			tc.change(&r)
			p := newReport(r)
			if !slices.EqualFunc(p.Problems, tc.want, strings.HasPrefix) {
				t.Errorf("problems are %q, want %q", p.Problems, tc.want)
			}
			if said := strings.Contains(p.String(), "NOT as it should be"); said != (len(tc.want) > 0) {
				t.Errorf("with problems %q the summary ends\n%s", p.Problems, p.verdict())
			}
		})
	}
}

func TestReportForPeople(t *testing.T) {
	p := newReport(goodRace())
	want := `15.0s over 5 nodes in memory, 8 workers, one lock, TTL 2s, seed 7

  acquired      3 times; by worker: 2 0 0 0 0 0 0 1
  hand-over     p50 1s, p99 4s, from a release to the next acquisition
  longest wait  1.23s
  leases        2 renewals, 1 lost
  faults        node 2 stopped, 2.0s to 5.0s, 1 acquisitions meanwhile
                node 5 killed, 6.0s to 15.0s, 1 acquisitions meanwhile, not back
  overlaps      0

No two workers had the lock at once, and no fault kept them from it.
`
	if got := p.String(); got != want {
		t.Errorf("the summary is\n%swant\n%s", got, want)
	}
}

func TestReportForPrograms(t *testing.T) {
	var out strings.Builder
	p := newReport(raceResult{kind: kindMemory, nodes: []string{"a"}, seed: 7, ran: 1500 * time.Microsecond})
	if err := writeJSON(&out, &p); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"ran_ms": 1.5`, `"acquisitions": 0`, `"faults": []`, `"p50_ms": 0`, `"overlaps": 0`,
		`"problems": [` + "\n" + `    "nobody ever got the lock, so nothing was shown"`,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the document lacks %s:\n%s", want, out.String())
		}
	}
}
