package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// A benchReport is everything measured, and the document of --json.
type benchReport struct {
	Nodes       []string      `json:"nodes"`
	TTL         ms            `json:"ttl_ms"`
	For         ms            `json:"for_ms"`
	Interrupted bool          `json:"interrupted"`
	Loads       []benchLoad   `json:"loads"`
	HandOff     *benchHandOff `json:"hand_off,omitempty"`
}

// A benchLoad is callers with locks of their own.
type benchLoad struct {
	Callers   int        `json:"callers"`
	PerSecond rate       `json:"per_second"`
	Cycles    int64      `json:"cycles"`
	Failures  int64      `json:"failures"`
	Failure   string     `json:"failure,omitempty"` // the first one
	Acquire   benchTimes `json:"acquire"`
	Extend    benchTimes `json:"extend"`
	Release   benchTimes `json:"release"`
}

// A benchHandOff is clients that want one lock.
type benchHandOff struct {
	Clients   int        `json:"clients"`
	PerSecond rate       `json:"per_second"`
	HandOvers int64      `json:"hand_overs"`
	Failures  int64      `json:"failures"`
	Failure   string     `json:"failure,omitempty"`
	Gap       benchTimes `json:"gap"`
}

// benchTimes is how long something took.
type benchTimes struct {
	Count int64 `json:"count"`
	P50   ms    `json:"p50_ms"`
	P99   ms    `json:"p99_ms"`
	Max   ms    `json:"max_ms"`
}

// A rate is how often something happened in a second, with one decimal.
type rate float64

func (r rate) String() string { return fmt.Sprintf("%.0f", float64(r)) }

func perSecond(count int64, took time.Duration) rate {
	return rate(math.Round(float64(count)/took.Seconds()*10) / 10)
}

// String is a table and what to know of it.
func (p benchReport) String() string {
	t := table{{"WHAT", "CALLERS", "PER SECOND", "P50", "P99", "LONGEST", "FAILED"}}
	var reasons []string
	for _, l := range p.Loads {
		callers := fmt.Sprint(l.Callers)
		t = append(t,
			l.Acquire.row("acquire", callers, "", ""),
			l.Extend.row("extend", callers, "", ""),
			l.Release.row("release", callers, "", ""),
			[]string{"all three", callers, l.PerSecond.String(), "", "", "", fmt.Sprint(l.Failures)})
		reasons = append(reasons, l.Failure)
	}
	if h := p.HandOff; h != nil {
		t = append(t, h.Gap.row("hand-over", fmt.Sprint(h.Clients), h.PerSecond.String(), fmt.Sprint(h.Failures)))
		reasons = append(reasons, h.Failure)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%d nodes, TTL %v. Each of the callers has a lock of its own", t, len(p.Nodes), time.Duration(p.TTL))
	if p.HandOff != nil {
		b.WriteString("; a hand-over is between clients that want one lock,\nand its times are from the release to the next acquisition")
	}
	b.WriteString(".\n")
	if p.failures() == 0 {
		b.WriteString("All locks were released.\n")
	} else {
		b.WriteString("Locks whose release failed run out at their TTL.\n")
	}
	for _, reason := range reasons {
		if reason != "" {
			fmt.Fprintf(&b, "First failure: %s\n", reason)
		}
	}
	if p.Interrupted {
		b.WriteString("Ended early.\n")
	}
	return b.String()
}

func (p benchReport) failures() int64 {
	sum := int64(0)
	for _, l := range p.Loads {
		sum += l.Failures
	}
	if p.HandOff != nil {
		sum += p.HandOff.Failures
	}
	return sum
}

// answered reports whether the nodes let every load do something.
func (p benchReport) answered() bool {
	return !slices.ContainsFunc(p.Loads, func(l benchLoad) bool { return l.Cycles == 0 })
}

func (b benchTimes) row(what, callers, perSecond, failed string) []string {
	times := []string{"-", "-", "-"}
	if b.Count > 0 {
		times = []string{b.P50.short(), b.P99.short(), b.Max.short()}
	}
	return append(append([]string{what, callers, perSecond}, times...), failed)
}

// short is a duration with three digits or so.
func (m ms) short() string {
	d := time.Duration(m)
	switch {
	case d < 10*time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	case d < time.Second:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}
