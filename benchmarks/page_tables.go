package benchmarks

import (
	"fmt"

	"github.com/quorumlock/quorumlock/benchmarks/internal/plot"
)

func number(v float64) string { return plot.Number(v) }

const none = "–"

// us is a time, which is never 0 if there is one.
func us(m Micros) string {
	if m == 0 {
		return none
	}
	return plot.Micros(float64(m))
}

// times is how many times something is something else.
func times(v, of float64) string {
	if of == 0 || v == 0 {
		return none
	}
	return number(v/of) + "×"
}

var loadHead = []string{"op/s", "p50", "p99", "allocs/op", "bytes/op", "client CPU/op", "server CPU/op", "scripts/op", "commands/op", "requests/op"}

// loadCells are the figures of one load.
func loadCells(c LoadCell) []string {
	return []string{
		number(c.Median(LoadRound.PerSecond)),
		us(c.Both.P50), us(c.Both.P99),
		number(c.Median(func(r LoadRound) float64 { return r.Allocs })),
		number(c.Median(func(r LoadRound) float64 { return r.Bytes })),
		us(Micros(c.Median(func(r LoadRound) float64 { return float64(r.ClientCPU) }))),
		us(Micros(c.Median(func(r LoadRound) float64 { return float64(r.ServerCPU) }))),
		number(c.Median(func(r LoadRound) float64 { return r.Scripts })),
		number(c.Median(func(r LoadRound) float64 { return r.Commands })),
		number(c.Median(func(r LoadRound) float64 { return r.ServerReads })),
	}
}

// glance compares all on the number of nodes that is quoted, with one caller and with many.
func (p pager) glance() table {
	t := table{Head: append([]string{"callers", "lock"}, append([]string{"× redsync"}, loadHead...)...)}
	for _, callers := range p.Plan.Load.Callers {
		base := 0.0
		if c := p.Cell("redsync", p.nodes(), callers); c != nil {
			base = c.Median(LoadRound.PerSecond)
		}
		for _, subject := range p.Subjects {
			c := p.Cell(subject.Name, p.nodes(), callers)
			if c == nil {
				continue
			}
			cells := []string{number(float64(callers)), subject.Name, times(c.Median(LoadRound.PerSecond), base)}
			t.add(append(cells, loadCells(*c)...)...)
		}
	}
	return t
}

// loadTable is every load.
func (p pager) loadTable() table {
	t := table{Head: append([]string{"nodes", "callers", "lock", "failures"}, loadHead...)}
	for _, c := range p.Results.Load {
		t.add(append([]string{number(float64(c.Nodes)), number(float64(c.Callers)), c.Subject, fmt.Sprint(failures(c))}, loadCells(c)...)...)
	}
	return t
}

func failures(c LoadCell) int64 {
	sum := int64(0)
	for _, round := range c.Rounds {
		sum += round.Failures
	}
	return sum
}

func (p pager) ownTable() table {
	t := table{Head: []string{"nodes", "callers", "op/s", "p50", "p99", "allocs/op", "bytes/op", "client CPU/op", "goroutines"}}
	for _, c := range p.Results.Own {
		cells := append([]string{number(float64(c.Nodes)), number(float64(c.Callers))}, loadCells(c)[:6]...)
		t.add(append(cells, number(c.Median(func(r LoadRound) float64 { return float64(r.Goroutines) })))...)
	}
	return t
}

// p99 is the median of the rounds in which there was anything.
func (r SickRun) p99(of func(SickRound) Distribution) Micros {
	var all []Micros
	for _, round := range r.Rounds {
		if d := of(round); d.Count > 0 {
			all = append(all, d.P99)
		}
	}
	return MedianOf(all)
}

func (p pager) sickTable() table {
	t := table{Head: []string{"node", "lock", "operation", "p99 healthy", "p99 sick", "sick ÷ healthy", "longest", "made while sick", "failures"}}
	for _, run := range p.Results.Sick {
		for _, operation := range Operations {
			longest, made, failed := Micros(0), int64(0), 0
			for _, r := range run.Rounds {
				longest = max(longest, r.Sick[operation].Max)
				made += r.Sick[operation].Count
				failed += r.Failures
			}
			t.add(
				describe(run.Fault), run.Subject, operation,
				us(run.p99(func(r SickRound) Distribution { return r.Healthy[operation] })),
				us(run.p99(func(r SickRound) Distribution { return r.Sick[operation] })),
				times(run.Ratio(operation), 1), us(longest), fmt.Sprint(made), fmt.Sprint(failed),
			)
		}
	}
	return t
}

var handOffHead = []string{
	"rivals", "lock", "nodes", "hand-overs/s", "of 1/hold", "× redsync", "local/s", "gap p50", "gap p99", "Jain index",
	"worst wait", "÷ fair share", "scripts each", "PUBLISH each", "overlaps", "failures",
}

func (p pager) handOffTable() table {
	t := table{Head: handOffHead}
	for _, rivals := range p.Plan.HandOff.Rivals {
		base := 0.0
		for _, run := range p.Results.HandOff {
			if run.by(rivals) && run.Subject == "redsync" {
				base = run.Median(HandOffRound.PerSecond)
			}
		}
		for _, run := range p.Results.HandOff {
			if run.by(rivals) {
				t.add(append([]string{fmt.Sprintf("%d × %d, %v", run.Processes, run.Callers, rivals.Think)}, handOffCells(run, base)...)...)
			}
		}
	}
	return t
}

// handOffCells are the figures of one run; base is the hand-overs per second that it is compared with.
func handOffCells(run HandOffRun, base float64) []string {
	overlaps, failed := 0, 0
	for _, r := range run.Rounds {
		overlaps += r.Overlaps
		failed += r.Failures
	}
	perSecond := run.Median(HandOffRound.PerSecond)
	return []string{
		run.Subject, fmt.Sprint(run.Nodes), number(perSecond), fmt.Sprintf("%.2f", run.Share()), times(perSecond, base),
		number(run.Median(HandOffRound.LocalPerSecond)), us(run.Gap.P50), us(run.Gap.P99),
		fmt.Sprintf("%.2f", run.Median(func(r HandOffRound) float64 { return r.Jain })),
		us(Micros(run.Median(func(r HandOffRound) float64 { return float64(r.WorstWait) }))),
		times(run.Median(HandOffRound.WaitShares), 1),
		some(run.Median(HandOffRound.ScriptsPerHandOver)), some(run.Median(HandOffRound.PublishesPerHandOver)),
		fmt.Sprint(overlaps), fmt.Sprint(failed),
	}
}

// some is a figure that is 0 where it is not known.
func some(v float64) string {
	if v == 0 {
		return none
	}
	return number(v)
}

func (p pager) heldTable() table {
	t := table{Head: []string{"lock", "leases", "held for", "lost", "not released", "keys on the middle node", "bytes each", "goroutines", "client cores", "server cores"}}
	for _, r := range p.Results.Held {
		t.add(
			r.Subject, number(float64(r.Leases)), seconds(r.Seconds), fmt.Sprint(r.Lost), fmt.Sprint(r.NotReleased), fmt.Sprint(r.KeysOnMedian),
			number(r.BytesPerLease), fmt.Sprint(r.Goroutines), fmt.Sprintf("%.3f", r.ClientCores), fmt.Sprintf("%.3f", r.ServerCores),
		)
	}
	return t
}

func mebibytes(n int64) string { return fmt.Sprintf("%.2f MiB", float64(n)/(1<<20)) }

func (p pager) endureTable() table {
	t := table{Head: []string{"lock", "operations", "callers", "took", "heap before", "heap after", "goroutines before", "goroutines after", "keys left"}}
	for _, r := range p.Results.Endure {
		t.add(
			r.Subject, number(float64(r.Operations)), fmt.Sprint(r.Callers), fmt.Sprintf("%.1f s", r.Seconds),
			mebibytes(r.HeapBefore), mebibytes(r.HeapAfter),
			fmt.Sprint(r.GoroutinesBefore), fmt.Sprint(r.GoroutinesAfter), fmt.Sprint(r.KeysLeft),
		)
	}
	return t
}
