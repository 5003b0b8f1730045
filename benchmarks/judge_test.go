package benchmarks

import (
	"slices"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/clock"
)

func TestJudgeHandOffs(t *testing.T) {
	at := func(ms ...int) [][2]clock.Instant {
		var holds [][2]clock.Instant
		for i := 0; i < len(ms); i += 2 {
			holds = append(holds, [2]clock.Instant{
				clock.Instant(time.Duration(ms[i]) * time.Millisecond), clock.Instant(time.Duration(ms[i+1]) * time.Millisecond),
			})
		}
		return holds
	}
	tests := map[string]struct {
		reports []workerReport
		want    HandOffRound
		gaps    []time.Duration
	}{
		"turns": {
			[]workerReport{{{Holds: at(0, 2, 6, 8), LongestWait: time.Second}}, {{Holds: at(3, 5), Failures: 2}}},
			HandOffRound{HandOvers: 2, Holds: []int{2, 1}, Failures: 2, WorstWait: 1e6, FairShare: 6000},
			[]time.Duration{time.Millisecond, time.Millisecond},
		},
		"one that meets itself": {
			[]workerReport{{{Holds: at(0, 2, 3, 5)}}, {{}}},
			HandOffRound{Holds: []int{2, 0}, FairShare: 6000},
			nil,
		},
		"two of one process, and one of another": {
			[]workerReport{{{Holds: at(0, 2)}, {Holds: at(3, 5), LongestWait: 4 * time.Second}}, {{Holds: at(8, 10)}, {Failures: 1}}},
			HandOffRound{HandOvers: 1, Local: 1, Holds: []int{1, 1, 1, 0}, Failures: 1, WorstWait: 4e6, FairShare: 12000},
			[]time.Duration{3 * time.Millisecond},
		},
		"two at once": {
			[]workerReport{{{Holds: at(0, 5)}}, {{Holds: at(4, 6)}}},
			HandOffRound{HandOvers: 1, Overlaps: 1, Holds: []int{1, 1}, FairShare: 4000},
			[]time.Duration{-time.Millisecond},
		},
		"two callers of one process at once": {
			[]workerReport{{{Holds: at(0, 5)}, {Holds: at(4, 6)}}},
			HandOffRound{Local: 1, Overlaps: 1, Holds: []int{1, 1}, FairShare: 4000},
			nil,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, gaps := judge(tc.reports, HandOffPlan{Hold: 2 * time.Millisecond, For: time.Second})
			near := got.FairShare > 0.99*tc.want.FairShare && got.FairShare < 1.01*tc.want.FairShare
			if got.HandOvers != tc.want.HandOvers || got.Local != tc.want.Local || got.Overlaps != tc.want.Overlaps || got.Failures != tc.want.Failures ||
				got.WorstWait != tc.want.WorstWait || !near || !slices.Equal(got.Holds, tc.want.Holds) || !slices.Equal(gaps, tc.gaps) {
				t.Errorf("judge = %+v with gaps %v, want %+v with %v", got, gaps, tc.want, tc.gaps)
			}
		})
	}
}

func TestJain(t *testing.T) {
	for name, tc := range map[string]struct {
		shares []int
		want   float64
	}{
		"all alike":   {[]int{3, 3, 3, 3}, 1},
		"one has all": {[]int{9, 0, 0}, 1.0 / 3},
		"nobody":      {[]int{0, 0}, 0},
	} {
		if got := jain(tc.shares); got < tc.want-1e-9 || got > tc.want+1e-9 {
			t.Errorf("%s: jain(%v) = %v, want %v", name, tc.shares, got, tc.want)
		}
	}
}

func TestSamplesAreSortedByWhatTheyMet(t *testing.T) {
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	plan := SickPlan{Healthy: ms(100), Sick: ms(100), Healed: ms(100)}
	all := samples{
		{operation: 0, from: ms(10), to: ms(20)},   // healthy
		{operation: 0, from: ms(90), to: ms(150)},  // met the beginning
		{operation: 1, from: ms(120), to: ms(130)}, // within
		{operation: 1, from: ms(190), to: ms(290)}, // met the end
		{operation: 2, from: ms(210), to: ms(220)}, // healed
		{operation: 2, from: ms(10), to: ms(11), failed: true},
	}
	got := all.judge(plan)
	for what, counts := range map[string][2]int64{
		"healthy acquire": {got.Healthy["acquire"].Count, 1}, "sick acquire": {got.Sick["acquire"].Count, 1},
		"healthy extend": {got.Healthy["extend"].Count, 0}, "sick extend": {got.Sick["extend"].Count, 2},
		"healthy release": {got.Healthy["release"].Count, 1}, "sick release": {got.Sick["release"].Count, 0},
		"failures": {int64(got.Failures), 1},
	} {
		if counts[0] != counts[1] {
			t.Errorf("%s: %d, want %d", what, counts[0], counts[1])
		}
	}
	if d := got.Sick["extend"].Max.Duration(); d < ms(99) || d > ms(102) {
		t.Errorf("the longest extension took %v, want 100ms", d)
	}
	run := SickRun{Rounds: []SickRound{got}}
	if ratio := run.Ratio("acquire"); ratio < 5.8 || ratio > 6.2 {
		t.Errorf("acquire: %v times healthy, want 6", ratio)
	}
	if ratio := run.Ratio("release"); ratio != 0 {
		t.Errorf("release: %v times healthy, though none was made while sick", ratio)
	}
	var at []float64
	for _, b := range all.timeline() {
		at = append(at, b.At)
	}
	if want := []float64{0.05, 0.15, 0.05, 0.25}; !slices.Equal(at, want) {
		t.Errorf("buckets at %v, want %v", at, want)
	}
}

func TestParseInfo(t *testing.T) {
	const info = "# CPU\r\nused_cpu_sys:0.250000\r\nused_cpu_user:1.5\r\n# Stats\r\ntotal_commands_processed:12\r\ntotal_reads_processed:7\r\n" +
		"# Commandstats\r\ncmdstat_evalsha:calls=5,usec=8,usec_per_call=8.00\r\ncmdstat_info:calls=2,usec=1\r\n"
	u, err := parseInfo(info)
	if err != nil {
		t.Fatal(err)
	}
	var twice ServerUsage
	twice.add(u)
	twice.add(u)
	d := twice.Sub(u)
	if d.CPU != 1750*time.Millisecond || d.Commands != 12-2 || d.Reads != 7-2 || d.scripts() != 5 || d.Scripts != 8*time.Microsecond ||
		len(d.ByName) != 1 {
		t.Errorf("used %+v", d)
	}
	if _, err := parseInfo("used_cpu_sys:x\r\n"); err == nil {
		t.Error("what is no INFO is read as one")
	}
}

func TestLoadAverages(t *testing.T) {
	for text, want := range map[string]string{"0.50 1.25 2.00 1/300 42\n": "0.50 1.25 2.00", "": ""} {
		if got := loadAverages(text); got != want {
			t.Errorf("loadAverages(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestMedianOf(t *testing.T) {
	for _, tc := range []struct {
		values []float64
		want   float64
	}{
		{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 2, 9}, 3},
	} {
		if got := MedianOf(tc.values); got != tc.want {
			t.Errorf("MedianOf(%v) = %v, want %v", tc.values, got, tc.want)
		}
	}
}
