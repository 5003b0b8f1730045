package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestBenchReportForPeople(t *testing.T) {
	times := benchTimes{Count: 10, P50: ms(120 * time.Microsecond), P99: ms(2500 * time.Microsecond), Max: ms(1234 * time.Millisecond)}
	p := benchReport{
		Nodes: []string{"a", "b", "c"}, TTL: ms(10 * time.Second), For: ms(time.Second), Interrupted: true,
		Loads:   []benchLoad{{Callers: 64, PerSecond: 1234.4, Cycles: 10, Failures: 1, Failure: "no quorum", Acquire: times, Release: times}},
		HandOff: &benchHandOff{Clients: 8, PerSecond: 250, HandOvers: 10, Gap: times},
	}
	want := `WHAT       CALLERS  PER SECOND  P50    P99    LONGEST  FAILED
acquire    64                   120µs  2.5ms  1.23s
extend     64                   -      -      -
release    64                   120µs  2.5ms  1.23s
all three  64       1234                               1
hand-over  8        250         120µs  2.5ms  1.23s    0

3 nodes, TTL 10s. Each of the callers has a lock of its own; a hand-over is between clients that want one lock,
and its times are from the release to the next acquisition.
Locks whose release failed run out at their TTL.
First failure: no quorum
Ended early.
`
	if got := p.String(); got != want {
		t.Errorf("report is\n%swant\n%s", got, want)
	}
}

func TestBenchRefuses(t *testing.T) {
	const nodes = "--nodes=127.0.0.1:1,127.0.0.1:2,127.0.0.1:3"
	tests := map[string]struct {
		args []string
		want string
		code int
	}{
		"no nodes":         {[]string{"bench"}, "no nodes", exitUsage},
		"too short":        {[]string{"bench", nodes, "--for", "1ms"}, "--for 1ms is not from 10ms", exitUsage},
		"too long":         {[]string{"bench", nodes, "--for", "1h"}, "is not from 10ms to 10m", exitUsage},
		"no callers":       {[]string{"bench", nodes, "--callers", "1,0"}, "--callers 0", exitUsage},
		"a lonely client":  {[]string{"bench", nodes, "--clients", "1"}, "--clients 1", exitUsage},
		"a TTL too short":  {[]string{"bench", nodes, "--ttl", "1ms"}, "TTL 1ms is under", exitUsage},
		"nobody listening": {[]string{"bench", nodes, "--for", "10ms"}, "no quorum", exitNotAcquired},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Setenv("REDLOCK_NODES", "")
			var out, errs bytes.Buffer
			code := run(t.Context(), tc.args, nil, &out, &errs)
			if code != tc.code || !strings.Contains(errs.String(), tc.want) || out.Len() > 0 {
				t.Errorf("exit code %d, want %d, with %q\n%s%s", code, tc.code, tc.want, out.String(), errs.String())
			}
		})
	}
}

// Only a hold by somebody else is a hand-over.
func TestRelayCountsHandOvers(t *testing.T) {
	r := relay{gap: newGauge()}
	now := time.Now()
	for _, client := range []int{1, 1, 2, 1} {
		r.took(client, now)
		r.leaves(client)
	}
	if got := r.handOvers.Load(); got != 2 {
		t.Errorf("%d hand-overs, want 2", got)
	}
}
