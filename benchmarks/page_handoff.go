package benchmarks

import (
	"fmt"
	"slices"

	"github.com/quorumlock/quorumlock/benchmarks/internal/plot"
)

func (r Rivals) String() string {
	who := fmt.Sprintf("%d processes", r.Processes)
	if r.Callers > 1 {
		who += fmt.Sprintf(" with %d callers each", r.Callers)
	}
	return who
}

// handOffs are two plots for each kind of rivals.
func (p pager) handOffs() []plot.Chart {
	var charts []plot.Chart
	for i, rivals := range p.Plan.HandOff.Rivals {
		charts = append(charts, p.handOffGap(i+1, rivals), p.handOffShares(i+1, rivals))
	}
	return charts
}

func (p pager) handOffGap(number int, rivals Rivals) plot.Chart {
	again := fmt.Sprintf("want it again after %v", rivals.Think)
	if rivals.Think == 0 {
		again = "want it again at once"
	}
	return plot.Chart{
		ID: fmt.Sprintf("hand-off-gap-%d", number), Title: "Hand-off gap between processes: " + rivals.String(),
		Note: fmt.Sprintf("They want one lock, hold it for %v and %s. The gap is the time from just before a release to just after the next process's acquisition.", p.Plan.HandOff.Hold, again),
		X:    plot.Axis{Label: "time in which nobody held the lock", Scale: plot.Log, Format: plot.Micros},
		Y:    plot.Axis{Label: "share of hand-overs", Scale: plot.Nines, Format: plot.Percent}, NoMarks: true,
		Series: p.handOffLines(rivals, func(run HandOffRun) []plot.Point { return p.curve(run.Gap) }),
	}
}

func (p pager) handOffShares(number int, rivals Rivals) plot.Chart {
	return plot.Chart{
		ID: fmt.Sprintf("hand-off-shares-%d", number), Title: "Share of each caller, from the luckiest to the unluckiest: " + rivals.String(),
		Note: fmt.Sprintf("Medians of %d rounds of %v. All would have %s if turns were even.", p.Plan.Rounds, p.Plan.HandOff.For, plot.Percent(1/float64(rivals.all()))),
		X:    plot.Axis{Label: "caller, by rank", Ticks: floats(ranks(rivals.all()))},
		Y:    plot.Axis{Label: "share of all holds", Format: plot.Percent}, NoMarks: rivals.all() > manyRanks,
		Series: p.handOffLines(rivals, shares),
	}
}

func (p pager) handOffLines(rivals Rivals, points func(HandOffRun) []plot.Point) []plot.Series {
	return p.lines(func(subject string) []plot.Point {
		for _, run := range p.Results.HandOff {
			if run.Subject == subject && run.by(rivals) {
				return points(run)
			}
		}
		return nil
	})
}

// manyRanks is how many ranks can be marked and labelled one by one.
const manyRanks = 12

// ranks are the ticks for n ranks: the first, the last, and some between.
func ranks(n int) []int {
	step := (n + manyRanks - 1) / manyRanks
	var all []int
	for rank := 1; rank <= n; rank += step {
		all = append(all, rank)
	}
	if last := all[len(all)-1]; last < n {
		all[len(all)-1] = n
	}
	return all
}

// shares are the shares of the callers, the largest of each round first.
func shares(run HandOffRun) []plot.Point {
	byRank := make([][]float64, run.Processes*run.Callers)
	for _, round := range run.Rounds {
		sorted, sum := slices.Sorted(slices.Values(round.Holds)), 0
		for _, holds := range sorted {
			sum += holds
		}
		slices.Reverse(sorted)
		for rank, holds := range sorted {
			byRank[rank] = append(byRank[rank], float64(holds)/float64(max(sum, 1)))
		}
	}
	var points []plot.Point
	for rank, values := range byRank {
		points = append(points, overRounds(float64(rank+1), values, func(v float64) float64 { return v }))
	}
	return points
}
