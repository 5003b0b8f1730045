package benchmarks

import (
	_ "embed" // the page
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/quorumlock/quorumlock/benchmarks/internal/plot"
)

//go:embed page.html
var pageSource string

// WritePage writes one HTML page with plots of everything. It refers to nothing outside of itself.
func (r *Results) WritePage(out io.Writer) error {
	page, err := template.New("page").Parse(pageSource)
	if err != nil {
		return err
	}
	p := pager{r}
	return page.Execute(out, pageData{
		Results: r,
		Command: "make bench" + map[bool]string{true: "", false: " PLAN=" + r.Plan.Name}[r.Plan.Name == "full"],
		Date:    r.Started.Format("2 January 2006, 15:04 UTC"),
		Glance:  p.glance(),
		Load:    p.figures(p.throughput()),
		Latency: p.figures(p.latencies()),
		Sick:    p.figures(p.sickness()),
		SickBy:  p.sickTable(),
		HandOff: p.figures(p.handOffs()),
		HandBy:  p.handOffTable(),
		Held:    p.figures(p.held()),
		HeldBy:  p.heldTable(),
		Endure:  p.endureTable(),
		Own:     p.figures(p.own()),
		OwnBy:   p.ownTable(),
		All:     p.loadTable(),
	})
}

type pageData struct {
	*Results
	Command, Date                           string
	Load, Latency, Sick, HandOff, Held, Own template.HTML
	Glance, SickBy, HandBy, HeldBy, OwnBy   table
	Endure                                  table
	All                                     table
}

// A table is rows under a head. Cells of the first column say what the row is.
type table struct {
	Head []string
	Rows []row
}

// A row is the cells of one row. The first one of a group stands apart.
type row struct {
	Cells []string
	First bool
}

// add appends a row. Rows with an equal first cell are a group.
func (t *table) add(cells ...string) {
	first := len(t.Rows) == 0 || t.Rows[len(t.Rows)-1].Cells[0] != cells[0]
	t.Rows = append(t.Rows, row{Cells: cells, First: first})
}

// A pager makes the parts of a page.
type pager struct{ *Results }

// figures lays charts side by side. Those without a single line are left out: their scenario was not run.
func (p pager) figures(charts []plot.Chart) template.HTML {
	var b strings.Builder
	for _, c := range charts {
		if len(c.Series) > 0 {
			b.WriteString(c.Figure())
		}
	}
	return template.HTML(b.String()) //nolint:gosec // every text in it was escaped by plot
}

// series is an empty line in the style of a subject, which is the same in all charts.
func (p pager) series(subject string) plot.Series {
	class := slices.IndexFunc(p.Subjects, func(s SubjectEntry) bool { return s.Name == subject })
	return plot.Series{Name: subject, Class: max(class, 0), Dashed: strings.HasPrefix(subject, "floor")}
}

// lines makes a line for each subject that has points.
func (p pager) lines(points func(subject string) []plot.Point) []plot.Series {
	var all []plot.Series
	for _, subject := range p.Subjects {
		s := p.series(subject.Name)
		if s.Points = points(subject.Name); len(s.Points) > 0 {
			all = append(all, s)
		}
	}
	return all
}

// middle is the value that is nearest to what figures are quoted for, of those in the plan.
func middle(values []int, wanted int) int {
	best := 0
	for _, v := range values {
		if best == 0 || abs(v-wanted) < abs(best-wanted) {
			best = v
		}
	}
	return best
}

func abs(n int) int { return max(n, -n) }

const (
	quotedNodes   = 5
	quotedCallers = 64
)

func (p pager) nodes() int   { return middle(p.Plan.Load.Nodes, quotedNodes) }
func (p pager) callers() int { return middle(p.Plan.Load.Callers, quotedCallers) }

func floats(values []int) []float64 {
	return mapped(values, func(v int) float64 { return float64(v) })
}

// overRounds is the median of a figure, with the least and the most as its spread.
func overRounds[T any](x float64, rounds []T, of func(T) float64) plot.Point {
	values := mapped(rounds, of)
	return plot.Point{X: x, Y: MedianOf(values), Low: slices.Min(values), High: slices.Max(values)}
}

func (p pager) throughput() []plot.Chart {
	perSecond := plot.Axis{Label: "acquire + release per second", Scale: plot.Log}
	spread := fmt.Sprintf("Medians of %d rounds of %v; bars reach from the slowest to the fastest round.", p.Plan.Rounds, p.Plan.Load.For)
	return []plot.Chart{
		{
			ID: "throughput-callers", Title: fmt.Sprintf("Throughput against callers, %d nodes", p.nodes()), Note: spread,
			X: plot.Axis{Label: "callers, each with a lock of its own", Scale: plot.Log, Ticks: floats(p.Plan.Load.Callers)}, Y: perSecond,
			Series: p.lines(func(subject string) []plot.Point {
				return p.cells(subject, func(c LoadCell) (plot.Point, bool) {
					return overRounds(float64(c.Callers), c.Rounds, LoadRound.PerSecond), c.Nodes == p.nodes()
				})
			}),
		},
		{
			ID: "throughput-nodes", Title: fmt.Sprintf("Throughput against nodes, %d callers", p.callers()), Note: spread,
			X: plot.Axis{Label: "nodes", Ticks: floats(p.Plan.Load.Nodes)}, Y: perSecond,
			Series: p.lines(func(subject string) []plot.Point {
				return p.cells(subject, func(c LoadCell) (plot.Point, bool) {
					return overRounds(float64(c.Nodes), c.Rounds, LoadRound.PerSecond), c.Callers == p.callers()
				})
			}),
		},
	}
}

// cells turns what was measured of a subject under load into points.
func (p pager) cells(subject string, point func(LoadCell) (plot.Point, bool)) []plot.Point {
	var points []plot.Point
	for _, c := range p.Results.Load {
		if c.Subject == subject {
			if at, wanted := point(c); wanted {
				points = append(points, at)
			}
		}
	}
	return points
}

func (p pager) latencies() []plot.Chart {
	var charts []plot.Chart
	for _, callers := range []int{p.Plan.Load.Callers[0], p.callers()} {
		charts = append(charts, plot.Chart{
			ID:    fmt.Sprintf("latency-%d", callers),
			Title: fmt.Sprintf("Latency of acquire + release, %d %s, %d nodes", callers, plural("caller", callers), p.nodes()),
			Note:  "How large a share of all operations took at most so long. The scale stretches the slowest ones.",
			X:     plot.Axis{Label: "time of one acquire and its release", Scale: plot.Log, Format: plot.Micros},
			Y:     plot.Axis{Label: "share of operations", Scale: plot.Nines, Format: plot.Percent}, NoMarks: true,
			Series: p.lines(func(subject string) []plot.Point {
				if c := p.Cell(subject, p.nodes(), callers); c != nil {
					return p.curve(c.Both)
				}
				return nil
			}),
		})
	}
	return charts
}

func plural(word string, n int) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// curve is a distribution as a line.
func (p pager) curve(d Distribution) []plot.Point {
	var points []plot.Point
	for i, at := range d.AtQ {
		if q := p.Grid[i]; float64(d.Count)*(1-q) >= 1 { // beyond that there is no operation
			points = append(points, plot.Point{X: float64(at), Y: q})
		}
	}
	return points
}

func (p pager) sickness() []plot.Chart {
	var charts []plot.Chart
	for _, fault := range Faults {
		for _, operation := range Operations {
			c := plot.Chart{
				ID: "sick-" + fault + "-" + operation, Title: operation + ", one of " + fmt.Sprint(p.Plan.Sick.Nodes) + " nodes " + describe(fault),
				X: plot.Axis{Label: "seconds", Max: (p.Plan.Sick.Healthy + p.Plan.Sick.Sick + p.Plan.Sick.Healed).Seconds()},
				Y: plot.Axis{Label: "p99 of what began then", Scale: plot.Log, Format: plot.Micros}, Small: true, NoMarks: true,
			}
			c.Series = p.lines(func(subject string) []plot.Point { return p.timeline(subject, fault, operation) })
			c.Bands = []plot.Band{{From: p.Plan.Sick.Healthy.Seconds(), To: (p.Plan.Sick.Healthy + p.Plan.Sick.Sick).Seconds(), Label: fault}}
			charts = append(charts, c)
		}
	}
	return charts
}

func describe(fault string) string {
	if fault == "slow" {
		return "slow by " + SlowBy.String()
	}
	return fault
}

func (p pager) timeline(subject, fault, operation string) []plot.Point {
	var points []plot.Point
	for _, run := range p.Results.Sick {
		if run.Subject != subject || run.Fault != fault {
			continue
		}
		last := 0.0
		for _, b := range run.Timeline {
			if b.Operation != operation {
				continue
			}
			if b.At-last > 1.5*bucket.Seconds() { // nobody could begin anything meanwhile
				points = append(points, plot.Point{X: math.NaN()})
			}
			points = append(points, plot.Point{X: b.At, Y: float64(b.P99)})
			last = b.At
		}
	}
	return points
}

func (p pager) held() []plot.Chart {
	chart := func(id, title, unit string, of func(HeldRun) float64) plot.Chart {
		return plot.Chart{
			ID: id, Title: title, X: plot.Axis{Label: "leases held at once", Scale: plot.Log, Ticks: floats(p.Plan.Held.Counts)},
			Y: plot.Axis{Label: unit},
			Series: p.lines(func(subject string) []plot.Point {
				var points []plot.Point
				for _, run := range p.Results.Held {
					if run.Subject == subject {
						points = append(points, plot.Point{X: float64(run.Leases), Y: of(run)})
					}
				}
				return points
			}),
		}
	}
	ttl := fmt.Sprintf(", TTL %v, %d nodes", p.Plan.Held.TTL, p.Plan.Held.Nodes)
	return []plot.Chart{
		chart("held-bytes", "Heap of a held lease"+ttl, "bytes per lease", func(r HeldRun) float64 { return r.BytesPerLease }),
		chart("held-cpu", "CPU of the client that renews them"+ttl, "cores", func(r HeldRun) float64 { return r.ClientCores }),
	}
}

func (p pager) own() []plot.Chart {
	chart := func(id, title string, y plot.Axis, of func(LoadRound) float64) plot.Chart {
		return plot.Chart{
			ID: id, Title: title, X: plot.Axis{Label: "nodes", Ticks: floats(p.Plan.Load.Nodes)}, Y: y, Series: p.ownLines(of),
			Note: "No network and no Redis: the library, and the maps of its nodes. All callers share the machine's cores.",
		}
	}
	return []plot.Chart{
		chart("own-cost", "Time of one acquire + release on nodes in memory",
			plot.Axis{Label: "time per operation, all callers together", Format: plot.Micros},
			func(r LoadRound) float64 { return float64(micros(r.PerOp())) }),
		chart("own-allocs", "Allocations of one acquire + release on nodes in memory",
			plot.Axis{Label: "allocations per operation"},
			func(r LoadRound) float64 { return r.Allocs }),
	}
}

// ownLines makes a line for each number of callers.
func (p pager) ownLines(of func(LoadRound) float64) []plot.Series {
	var all []plot.Series
	for i, callers := range p.Plan.Load.Callers {
		s := plot.Series{Name: fmt.Sprintf("%d %s", callers, plural("caller", callers)), Class: i}
		for _, cell := range p.Results.Own {
			if cell.Callers == callers {
				s.Points = append(s.Points, overRounds(float64(cell.Nodes), cell.Rounds, of))
			}
		}
		if len(s.Points) > 0 {
			all = append(all, s)
		}
	}
	return all
}

// seconds is a time for people.
func seconds(s float64) string { return time.Duration(s * float64(time.Second)).String() }
