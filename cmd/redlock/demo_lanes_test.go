package main

import (
	"testing"
	"time"
)

func TestWorkerLane(t *testing.T) {
	w := window{end: time.Second, columns: 10}
	at := func(from, to int) hold {
		return hold{from: time.Duration(from) * time.Millisecond, to: time.Duration(to) * time.Millisecond}
	}
	tests := map[string]struct {
		holds []hold
		want  string
	}{
		"never":                            {nil, "          "},
		"all the time":                     {[]hold{at(0, 1000)}, "██████████"},
		"longer than is shown":             {[]hold{at(-500, 5000)}, "██████████"},
		"before what is shown":             {[]hold{at(-500, 0)}, "          "},
		"after what is shown":              {[]hold{at(1000, 1100)}, "          "},
		"half a slot":                      {[]hold{at(200, 250)}, "  ▅       "},
		"a moment is seen":                 {[]hold{at(200, 201)}, "  ▁       "},
		"over the edge of a slot":          {[]hold{at(250, 350)}, "  ▅▅      "},
		"two in one slot":                  {[]hold{at(200, 225), at(250, 275)}, "  ▅       "},
		"somebody else is not in the lane": {[]hold{{worker: 1, from: 0, to: time.Second}}, "          "},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := workerLane(tc.holds, 0, w); got != tc.want {
				t.Errorf("workerLane(%v) = %q, want %q", tc.holds, got, tc.want)
			}
		})
	}
}

func TestNodeLane(t *testing.T) {
	ms := time.Millisecond
	stopped := faultRecord{fault: fault{kind: stopNode, node: 1}, fired: true, began: 200 * ms, back: true, ended: 500 * ms}
	killed := faultRecord{fault: fault{kind: killNode, node: 1}, fired: true, began: 700 * ms}
	tests := map[string]struct {
		end    time.Duration
		node   int
		faults []faultRecord
		want   string
	}{
		"a healthy node":             {time.Second, 1, nil, "──────────"},
		"before the demo is nothing": {500 * ms, 1, nil, "     ─────"},
		"another node's fault":       {time.Second, 0, []faultRecord{stopped}, "──────────"},
		"stopped, and back":          {time.Second, 1, []faultRecord{stopped}, "──░░░─────"},
		"killed, and not back":       {time.Second, 1, []faultRecord{stopped, killed}, "──░░░──×××"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := nodeLane(tc.faults, tc.node, window{end: tc.end, columns: 10}).paint(false)
			if got != tc.want {
				t.Errorf("nodeLane = %q, want %q", got, tc.want)
			}
		})
	}
}
