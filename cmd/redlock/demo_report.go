package main

import (
	"fmt"
	"strings"
	"time"
)

// A report is the outcome of a demo, and the document of --json.
type report struct {
	Nodes         string        `json:"nodes"`
	NodeNames     []string      `json:"node_names"`
	Workers       int           `json:"workers"`
	TTL           ms            `json:"ttl_ms"`
	Seed          uint64        `json:"seed"`
	Ran           ms            `json:"ran_ms"`
	Interrupted   bool          `json:"interrupted"`
	Acquisitions  int           `json:"acquisitions"`
	PerWorker     []int         `json:"per_worker"`
	HandOver      handOver      `json:"hand_over"`
	LongestWait   ms            `json:"longest_wait_ms"`
	Renewals      int           `json:"renewals"`
	Losses        int           `json:"losses"`
	Faults        []faultReport `json:"faults"`
	Overlaps      int           `json:"overlaps"`
	Intrusions    int           `json:"intrusions"`
	Problems      []string      `json:"problems"`
	overlapsFound []overlap
}

// A handOver is the time from a release to the next acquisition.
type handOver struct {
	Count int `json:"count"`
	P50   ms  `json:"p50_ms"`
	P99   ms  `json:"p99_ms"`
}

// A faultReport is one fault and what the lock did meanwhile.
type faultReport struct {
	Node         string `json:"node"`
	Kind         string `json:"kind"`
	From         ms     `json:"from_ms"`
	To           ms     `json:"to_ms"`
	Fired        bool   `json:"fired"`
	Back         bool   `json:"back"`
	Acquisitions int    `json:"acquisitions"`
	number       int
}

// A raceResult is what a report is made of.
type raceResult struct {
	kind        string
	nodes       []string
	seed        uint64
	ran         time.Duration
	interrupted bool
	tallies     tallies
	faults      []faultRecord
}

// newReport judges a race.
func newReport(r raceResult) report {
	gaps := handOvers(r.tallies.holds)
	found := overlaps(r.tallies.holds)
	p := report{
		Nodes: r.kind, NodeNames: r.nodes, Workers: workers, TTL: ms(demoTTL), Seed: r.seed,
		Ran: ms(r.ran), Interrupted: r.interrupted,
		Acquisitions: len(r.tallies.holds),
		PerWorker:    make([]int, workers),
		HandOver:     handOver{Count: len(gaps), P50: ms(percentile(gaps, 0.50)), P99: ms(percentile(gaps, 0.99))},
		LongestWait:  ms(r.tallies.longestWait),
		Renewals:     r.tallies.renewals, Losses: r.tallies.losses,
		Faults:   []faultReport{},
		Overlaps: len(found), overlapsFound: found,
		Intrusions: r.tallies.crossings,
		Problems:   []string{},
	}
	for _, h := range r.tallies.holds {
		p.PerWorker[h.worker]++
	}
	for _, f := range r.faults {
		if r.interrupted && !f.begun {
			continue // its time had not come
		}
		p.Faults = append(p.Faults, newFaultReport(f, r))
	}
	p.judge()
	return p
}

func newFaultReport(f faultRecord, r raceResult) faultReport {
	to := f.ended
	if !f.over {
		to = r.ran
	}
	p := faultReport{
		Node: r.nodes[f.node], number: f.node + 1, Kind: f.kind.String(),
		From: ms(f.began), To: ms(to), Fired: f.fired, Back: f.back,
	}
	if f.fired {
		p.Acquisitions = startedWithin(r.tallies.holds, f.began, to)
	}
	return p
}

// worstListed is how many overlaps are described. One is enough to know that the lock is none.
const worstListed = 5

// judge lists what is wrong: with the lock, or with the demo, which proves nothing if nothing happened.
func (p *report) judge() {
	for i, o := range p.overlapsFound {
		if i == worstListed {
			p.problem("and %d more overlaps", len(p.overlapsFound)-worstListed)
			break
		}
		p.problem("worker %d had the lock from %v to %v, and worker %d got it at %v",
			o.first.worker+1, o.first.from, o.first.to, o.second.worker+1, o.second.from)
	}
	if p.Intrusions > 0 {
		p.problem("%d times two workers were in the critical section", p.Intrusions)
	}
	if p.Acquisitions == 0 && !p.Interrupted {
		p.problem("nobody ever got the lock, so nothing was shown")
	}
	for _, f := range p.Faults {
		if !f.Fired && !p.Interrupted {
			p.problem("node %d was to be %s, but went on answering, so nothing was shown", f.number, f.Kind)
		}
	}
}

func (p *report) problem(format string, args ...any) {
	p.Problems = append(p.Problems, fmt.Sprintf(format, args...))
}

// String is the summary that people read.
func (p *report) String() string {
	var s strings.Builder
	row := func(title, format string, args ...any) {
		fmt.Fprintf(&s, "  %-13s %s\n", title, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(&s, "%s over %s, %d workers, one lock, TTL %v, seed %d\n\n",
		seconds(time.Duration(p.Ran)), describeNodes(p.Nodes, len(p.NodeNames)), p.Workers, time.Duration(p.TTL), p.Seed)
	row("acquired", "%d times; by worker: %s", p.Acquisitions, strings.Trim(fmt.Sprint(p.PerWorker), "[]"))
	row("hand-over", "p50 %v, p99 %v, from a release to the next acquisition", short(p.HandOver.P50), short(p.HandOver.P99))
	row("longest wait", "%v", short(p.LongestWait))
	row("leases", "%d renewals, %d lost", p.Renewals, p.Losses)
	title := "faults"
	for _, f := range p.Faults {
		row(title, "%v", f)
		title = ""
	}
	row("overlaps", "%d", p.Overlaps)
	s.WriteString("\n" + p.verdict() + "\n")
	return s.String()
}

// String is one line.
func (f faultReport) String() string {
	if !f.Fired {
		return fmt.Sprintf("node %d was not %s", f.number, f.Kind)
	}
	text := fmt.Sprintf("node %d %s, %s to %s, %d acquisitions meanwhile",
		f.number, f.Kind, seconds(time.Duration(f.From)), seconds(time.Duration(f.To)), f.Acquisitions)
	if !f.Back {
		text += ", not back"
	}
	return text
}

func (p *report) verdict() string {
	switch {
	case len(p.Problems) > 0:
		return "NOT as it should be:\n  " + strings.Join(p.Problems, "\n  ")
	case p.Interrupted && p.Acquisitions == 0:
		return "Ended before anybody got the lock."
	case p.Interrupted:
		return "Ended early. So far no two workers had the lock at once."
	}
	return "No two workers had the lock at once, and no fault kept them from it."
}

// describeNodes is what the nodes are.
func describeNodes(kind string, n int) string {
	if kind == kindServers {
		return fmt.Sprintf("%d redis-server processes", n)
	}
	return fmt.Sprintf("%d nodes in memory", n)
}

// seconds is a duration with one decimal.
func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }

// short is a duration without the digits that nobody reads.
func short(m ms) time.Duration {
	d := time.Duration(m)
	if d >= time.Second {
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(100 * time.Microsecond)
}
