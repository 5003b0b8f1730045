package chaos

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// A Report says what a run has shown. It is written as JSON too.
type Report struct {
	_ struct{}

	// Scenario and About are the scenario's.
	Scenario string `json:"scenario"`
	About    string `json:"about"`
	// Seed chose everything that was drawn, Cluster is the kind of cluster, and Lasted how long the run
	// took by its own clock.
	Seed    uint64        `json:"seed"`
	Cluster string        `json:"cluster"`
	Lasted  time.Duration `json:"lasted"`
	// Covered is what was done, Least what had to be done for the run to count, and Short what is missing.
	Covered Coverage `json:"covered"`
	Least   Coverage `json:"least"`
	Short   []string `json:"short,omitempty"`
	// Verdicts are those on the scenario's Holds, and then on its Breaks.
	Verdicts []Verdict `json:"verdicts"`
	// LongestWait is the worst that [LongestWait] has found.
	LongestWait Wait `json:"longest_wait"`
	// Hash is the history's.
	Hash string `json:"hash"`
	// Replay is the command that plays the run again.
	Replay string `json:"replay,omitempty"`
}

// A Verdict is what one invariant found in a history.
type Verdict struct {
	_ struct{}

	// Invariant and About are the invariant's.
	Invariant string `json:"invariant"`
	About     string `json:"about"`
	// MustBreak is true for the scenario's Breaks: then a history without violations is the failure.
	MustBreak bool `json:"must_break,omitempty"`
	// Total counts the violations, and Violations are the first of them.
	Total      int         `json:"total"`
	Violations []Violation `json:"violations,omitempty"`
}

// shownViolations is how many violations of one invariant a report keeps.
const shownViolations = 10

// Judge reads the history of a run and reports on it by the scenario. What a history does not tell is
// left to the caller: Seed, Cluster and Replay.
func Judge(scenario Scenario, h History) Report {
	report := Report{
		Scenario:    scenario.Name,
		About:       scenario.About,
		Covered:     Cover(h),
		Least:       scenario.Least,
		LongestWait: LongestWait(h),
		Hash:        h.Hash(),
	}
	for _, e := range h {
		if report.Lasted = e.At; e.Kind == Ended {
			break
		}
	}
	report.Short = report.Covered.Short(scenario.Least)
	for _, invariant := range scenario.Holds {
		report.Verdicts = append(report.Verdicts, verdict(invariant, h, false))
	}
	for _, invariant := range scenario.Breaks {
		report.Verdicts = append(report.Verdicts, verdict(invariant, h, true))
	}
	return report
}

func verdict(invariant Invariant, h History, mustBreak bool) Verdict {
	violations := invariant.Check(h)
	return Verdict{
		Invariant:  invariant.Name,
		About:      invariant.About,
		MustBreak:  mustBreak,
		Total:      len(violations),
		Violations: slices.Clone(violations[:min(len(violations), shownViolations)]),
	}
}

// OK reports whether the invariant held or, where it had to break, was seen broken.
func (v Verdict) OK() bool { return v.MustBreak == (v.Total > 0) }

// OK reports whether the run counts, and everything in it is as the scenario says. A run that nothing was
// judged of, or in which nobody acquired anything, is never OK.
func (r Report) OK() bool {
	if len(r.Verdicts) == 0 || r.Covered.Acquired == 0 || len(r.Short) > 0 {
		return false
	}
	return !slices.ContainsFunc(r.Verdicts, func(v Verdict) bool { return !v.OK() })
}

// WriteText writes the report for a terminal: a line for each invariant, one for each violation, and, if
// the run failed, how to play it again.
func (r Report) WriteText(w io.Writer) error {
	var text bytes.Buffer
	r.writeHead(&text)
	for _, v := range r.Verdicts {
		v.writeText(&text)
	}
	r.writeEnd(&text)
	_, err := w.Write(text.Bytes())
	return err
}

func (r Report) writeHead(text *bytes.Buffer) {
	fmt.Fprintf(text, "scenario  %s: %s\n", r.Scenario, r.About)
	fmt.Fprintf(text, "run       seed %d, %s, %v, history %.12s\n", r.Seed, r.Cluster, r.Lasted, r.Hash)
	fmt.Fprintf(text, "covered   acquired %d (least %d), contended %d (least %d)\n",
		r.Covered.Acquired, r.Least.Acquired, r.Covered.Contended, r.Least.Contended)
	fmt.Fprintf(text, "faults    %s\n", r.faults())
	if r.LongestWait.Name != "" {
		fmt.Fprintf(text, "waiting   free for %v at most while asked for, after all faults: %q at %v\n",
			r.LongestWait.For, r.LongestWait.Name, r.LongestWait.At)
	}
}

// faults lists the kinds that took effect or had to.
func (r Report) faults() string {
	kinds := maps.Clone(r.Covered.Faults)
	if kinds == nil {
		kinds = make(map[FaultKind]int)
	}
	for kind := range r.Least.Faults {
		kinds[kind] = r.Covered.Faults[kind]
	}
	if len(kinds) == 0 {
		return "none"
	}
	var list []string
	for _, kind := range names(kinds) {
		entry := fmt.Sprintf("%s %d", kind, kinds[kind])
		if least := r.Least.Faults[kind]; least > 0 {
			entry += fmt.Sprintf(" (least %d)", least)
		}
		list = append(list, entry)
	}
	return strings.Join(list, ", ")
}

func (v Verdict) writeText(text *bytes.Buffer) {
	fmt.Fprintf(text, "%-9s %-18s %s\n", v.word(), v.Invariant, v.About)
	if v.MustBreak && v.OK() {
		fmt.Fprintf(text, "          as it had to: %s\n", count(v.Total, "violation"))
	}
	for _, violation := range v.Violations {
		fmt.Fprintf(text, "          at %v: %s\n", violation.At, violation.Text)
	}
	if more := v.Total - len(v.Violations); more > 0 {
		fmt.Fprintf(text, "          and %d more\n", more)
	}
}

// word is the verdict in capitals where somebody has to look.
func (v Verdict) word() string {
	switch {
	case v.MustBreak && v.Total == 0:
		return "NOT SEEN"
	case v.MustBreak:
		return "broken"
	case v.Total > 0:
		return "BROKEN"
	}
	return "held"
}

func (r Report) writeEnd(text *bytes.Buffer) {
	for _, missing := range r.Short {
		fmt.Fprintf(text, "TOO LITTLE %s\n", missing)
	}
	switch {
	case r.OK():
		fmt.Fprintf(text, "ok        not vacuous: %s, %d of them contended, %s took effect\n",
			count(r.Covered.Acquired, "acquisition"), r.Covered.Contended, count(r.Covered.sum(), "fault"))
		return
	case len(r.Verdicts) == 0:
		fmt.Fprintln(text, "FAILED    nothing was judged")
	case r.Covered.Acquired == 0:
		fmt.Fprintln(text, "FAILED    nothing was acquired, so nothing was shown")
	default:
		fmt.Fprintln(text, "FAILED")
	}
	if r.Replay != "" {
		fmt.Fprintf(text, "replay    %s\n", r.Replay)
	}
}

// sum counts the faults that took effect.
func (c Coverage) sum() int {
	total := 0
	for _, n := range c.Faults {
		total += n
	}
	return total
}

// count returns such as "1 fault" and "2 faults".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
