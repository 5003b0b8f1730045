package benchmarks

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/benchmarks/internal/plot"
)

// example is results that nobody measured, of two subjects, one of which is slower by a fixed factor.
func example() *Results {
	names := []string{"redlock", "redsync"}
	plan := TinyPlan()
	plan.Rounds, plan.Load.Callers, plan.Load.Nodes = 3, []int{1, 64}, []int{3, 5}
	r := &Results{
		Machine: Machine{OS: "linux", Arch: "amd64", CPU: "A <fast> one", Cores: 2, Go: "go1", Redis: "7.0.15", Kernel: "6", Load: "0.10 0.20 0.30", Revision: "abc", Modules: map[string]string{"github.com/redis/go-redis/v9": "v9"}},
		Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Took: "1m", Plan: plan, Grid: Grid,
	}
	for factor, name := range names {
		r.Subjects = append(r.Subjects, SubjectEntry{Name: name, About: "made up & never run"})
		slower := Micros(1 + 9*factor)
		for _, nodes := range plan.Load.Nodes {
			for _, callers := range plan.Load.Callers {
				r.Load = append(r.Load, exampleLoad(name, nodes, callers, slower))
			}
		}
		for _, fault := range Faults {
			r.Sick = append(r.Sick, exampleSick(name, fault, slower))
		}
		for _, rivals := range plan.HandOff.Rivals {
			r.HandOff = append(r.HandOff, exampleHandOff(name, rivals, slower))
		}
		for i, count := range plan.Held.Counts {
			r.Held = append(r.Held, HeldRun{Subject: name, Leases: count, BytesPerLease: 900, ClientCores: 0.1 * float64(i+1), Seconds: 1})
		}
	}
	for _, callers := range plan.Load.Callers {
		r.Own = append(r.Own, exampleLoad("redlock in memory", 3, callers, 1), exampleLoad("redlock in memory", 5, callers, 2))
	}
	r.Own = r.Own[:4]
	r.Endure = []EndureRun{{Subject: "redlock", Operations: 1000, HeapBefore: 1 << 20, HeapAfter: 1 << 20, GoroutinesBefore: 5, GoroutinesAfter: 5}}
	return r
}

func exampleDistribution(us Micros) Distribution {
	d := Distribution{Count: 1_000_000, P50: us, P99: 4 * us, P999: 8 * us, Max: 20 * us}
	for i := range Grid {
		d.AtQ = append(d.AtQ, us*Micros(1+float64(i)/5))
	}
	return d
}

func exampleLoad(name string, nodes, callers int, slower Micros) LoadCell {
	d := exampleDistribution(100 * slower)
	c := LoadCell{Subject: name, Nodes: nodes, Callers: callers, Both: d, Acquire: d, Release: d}
	for i := range 3 {
		c.Rounds = append(c.Rounds, LoadRound{Operations: int64(1000 * (i + 1)), Seconds: float64(slower), Allocs: 90, Bytes: 4000, ClientCPU: 50, ServerCPU: 60, Commands: 40, Scripts: 10, ServerReads: 3})
	}
	return c
}

func exampleSick(name, fault string, slower Micros) SickRun {
	r := SickRun{Subject: name, Fault: fault}
	at := func(us Micros) map[string]Distribution {
		all := make(map[string]Distribution)
		for _, operation := range Operations {
			all[operation] = coarse(newHistogram())
			all[operation] = Distribution{Count: 100, P50: us, P99: 2 * us, Max: 3 * us}
		}
		return all
	}
	for range 3 {
		r.Rounds = append(r.Rounds, SickRound{Healthy: at(100), Sick: at(100 * slower)})
	}
	for _, operation := range Operations {
		for i := range 5 {
			if i == 3 && slower > 1 {
				continue // everybody waited
			}
			r.Timeline = append(r.Timeline, SickBucket{Operation: operation, At: 0.05 + float64(i)/10, Count: 10, P99: 100 * slower})
		}
	}
	return r
}

func exampleHandOff(name string, rivals Rivals, slower Micros) HandOffRun {
	r := HandOffRun{
		Subject: name, Nodes: 3, Processes: rivals.Processes, Callers: rivals.Callers,
		Hold: 2, Think: milliseconds(rivals.Think), Gap: exampleDistribution(300 * slower),
	}
	for range 3 {
		r.Rounds = append(r.Rounds, HandOffRound{
			Seconds: 1, Holds: make([]int, rivals.all()), HandOvers: 300 / int(slower), Local: 30, GapP50: 300, HoldP50: 2000,
			WorstWait: 9000, FairShare: 4500, Jain: 0.96, Scripts: 3300, Publishes: 660,
		})
		for i := range rivals.all() {
			r.Rounds[len(r.Rounds)-1].Holds[i] = 40 + 10*i
		}
	}
	return r
}

// A drawing is what a page shows in one figure: the number of points of each series.
type drawing map[string]int

// draw reads a page, which has to be well-formed, and returns its figures by id.
func draw(t *testing.T, page string) map[string]drawing {
	t.Helper()
	figures := make(map[string]drawing)
	decoder := xml.NewDecoder(strings.NewReader(page))
	figure, series := "", ""
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return figures
		}
		if err != nil {
			t.Fatalf("the page is not well-formed: %v", err)
		}
		element, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		attrs := make(map[string]string)
		for _, a := range element.Attr {
			attrs[a.Name.Local] = a.Value
		}
		switch {
		case element.Name.Local == "figure":
			figure = attrs["id"]
			figures[figure] = make(drawing)
		case attrs["data-series"] != "":
			series = attrs["data-series"]
			figures[figure][series] = 0
		case element.Name.Local == "path" && attrs["class"] == "line" && series != "":
			// What is drawn, and not what the page says of itself.
			figures[figure][series] = strings.Count(attrs["d"], "L")
			series = ""
		}
	}
}

func TestPageShowsEveryPlot(t *testing.T) {
	var page strings.Builder
	r := example()
	if err := r.WritePage(&page); err != nil {
		t.Fatal(err)
	}
	curve := 0
	for _, q := range Grid {
		if 1_000_000*(1-q) >= 1 {
			curve++
		}
	}
	both := func(first, second int) drawing { return drawing{"redlock": first, "redsync": second} }
	want := map[string]drawing{
		"throughput-callers": both(2, 2), "throughput-nodes": both(2, 2),
		"latency-1": both(curve, curve), "latency-64": both(curve, curve),
		"hand-off-gap-1": both(curve, curve), "hand-off-shares-1": both(2, 2),
		"hand-off-gap-2": both(curve, curve), "hand-off-shares-2": both(4, 4),
		"held-bytes": both(2, 2), "held-cpu": both(2, 2),
		"own-cost": {"1 caller": 2, "64 callers": 2}, "own-allocs": {"1 caller": 2, "64 callers": 2},
	}
	for _, fault := range Faults {
		for _, operation := range Operations {
			want["sick-"+fault+"-"+operation] = both(5, 4)
		}
	}
	got := draw(t, page.String())
	if !maps.EqualFunc(got, want, maps.Equal) {
		t.Errorf("the page shows\n%v\nwant\n%v", got, want)
	}
	for _, text := range []string{
		"A &lt;fast&gt; one", "made up &amp; never run", "go1", "7.0.15", "0.10 0.20 0.30", "2 January 2026", "acquire + release per second",
		"<td class=\"word\">2 × 2, 2ms</td><td class=\"word ours\">redlock</td>", // and, further on in the row:
		"<td class=\"\">300</td><td class=\"\">0.60</td><td class=\"\">10×</td><td class=\"\">30</td>", "<td class=\"\">2×</td><td class=\"\">10</td><td class=\"\">2</td>",
	} {
		if !strings.Contains(page.String(), text) {
			t.Errorf("the page does not say %q", text)
		}
	}
}

// The page is one file: it works without a network, and tells nobody that it was opened.
func TestPageNeedsNothingElse(t *testing.T) {
	var page strings.Builder
	if err := example().WritePage(&page); err != nil {
		t.Fatal(err)
	}
	for _, reference := range []string{"://", "src=", "@import", "url(", "<link", "fetch(", "XMLHttpRequest"} {
		if at := strings.Index(page.String(), reference); at >= 0 {
			t.Errorf("the page refers to something else: %q", page.String()[max(at-40, 0):min(at+60, page.Len())])
		}
	}
}

// A line that is interrupted is drawn as such: a wait is not a slow improvement.
func TestPageShowsGaps(t *testing.T) {
	p := pager{example()}
	for subject, want := range map[string]int{"redlock": 5, "redsync": 5} { // 4 points and a gap
		points := p.timeline(subject, "stopped", "acquire")
		gaps := slices.IndexFunc(points, func(p plot.Point) bool { return math.IsNaN(p.X) }) >= 0
		if len(points) != want || gaps != (subject == "redsync") {
			t.Errorf("%s: %v", subject, points)
		}
	}
}

// A scenario that was not run leaves no empty axes behind.
func TestPageOfLittle(t *testing.T) {
	r := example()
	r.Sick, r.HandOff, r.Held, r.Own, r.Endure = nil, nil, nil, nil, nil
	var page strings.Builder
	if err := r.WritePage(&page); err != nil {
		t.Fatal(err)
	}
	for _, heading := range []string{"A sick node", "Hand-off", "Held leases", "After many operations", "Own cost"} {
		if strings.Contains(page.String(), heading) {
			t.Errorf("the page has %q, and nothing to show under it", heading)
		}
	}
	if got := draw(t, page.String()); len(got) != 4 {
		t.Errorf("%d figures, want those of the load: %v", len(got), slices.Collect(maps.Keys(got)))
	}
}

func TestMiddle(t *testing.T) {
	for _, tc := range []struct {
		values       []int
		wanted, want int
	}{{[]int{1, 3, 5, 7}, 5, 5}, {[]int{1, 3}, 5, 3}, {[]int{1, 8, 512}, 64, 8}} {
		if got := middle(tc.values, tc.wanted); got != tc.want {
			t.Errorf("middle(%v, %d) = %s", tc.values, tc.wanted, strconv.Itoa(got))
		}
	}
	for n, want := range map[int]string{3: "[1 2 3]", 12: "[1 2 3 4 5 6 7 8 9 10 11 12]", 100: "[1 10 19 28 37 46 55 64 73 82 91 100]", 30: "[1 4 7 10 13 16 19 22 25 30]"} {
		if got := fmt.Sprint(ranks(n)); got != want {
			t.Errorf("ranks(%d) = %s, want %s", n, got, want)
		}
	}
}
