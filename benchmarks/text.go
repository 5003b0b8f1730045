package benchmarks

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// writeText writes one line per round in the format of Go benchmarks, so that benchstat can compare subjects
// (benchstat -col /subject results.txt) and runs.
func (r *Results) writeText(out io.Writer) error {
	w := bufio.NewWriter(out)
	m := r.Machine
	for _, line := range [][2]string{
		{"goos", m.OS},
		{"goarch", m.Arch},
		{"pkg", "github.com/quorumlock/quorumlock/benchmarks"},
		{"cpu", m.CPU},
		{"cores", fmt.Sprint(m.Cores)},
		{"kernel", m.Kernel},
		{"load", m.Load},
		{"toolchain", m.Go},
		{"redis", m.Redis},
		{"revision", m.Revision},
		{"plan", r.Plan.Name},
	} {
		_, _ = fmt.Fprintf(w, "%s: %s\n", line[0], line[1])
	}
	for _, path := range slices.Sorted(maps.Keys(m.Modules)) {
		_, _ = fmt.Fprintf(w, "%s: %s\n", strings.ToLower(path[strings.LastIndex(path, "etcd.io/")+1:]), m.Modules[path])
	}
	_, _ = fmt.Fprintln(w)
	for _, c := range r.Load {
		c.writeText(w, "Load")
	}
	for _, c := range r.Own {
		c.writeText(w, "Own")
	}
	for _, s := range r.Sick {
		s.writeText(w)
	}
	for _, h := range r.HandOff {
		h.writeText(w)
	}
	return w.Flush()
}

// key makes a subject's name the value of a benchmark's key.
func key(subject string) string { return strings.ReplaceAll(subject, " ", "-") }

func (c LoadCell) writeText(w io.Writer, family string) {
	for _, round := range c.Rounds {
		_, _ = fmt.Fprintf(w, "Benchmark%s/subject=%s/nodes=%d/callers=%d %d %.1f ns/op %.0f B/op %.1f allocs/op "+
			"%.2f client-cpu-us/op %.2f server-cpu-us/op %.2f commands/op %.2f reads/op\n",
			family, key(c.Subject), c.Nodes, c.Callers, round.Operations, float64(round.PerOp().Nanoseconds()), round.Bytes, round.Allocs,
			float64(round.ClientCPU), float64(round.ServerCPU), round.Commands, round.ServerReads)
	}
}

func (r SickRun) writeText(w io.Writer) {
	for _, round := range r.Rounds {
		for _, operation := range Operations {
			healthy, sick := round.Healthy[operation], round.Sick[operation]
			_, _ = fmt.Fprintf(w, "BenchmarkSick/subject=%s/fault=%s/op=%s %d %.0f healthy-p99-ns %.0f sick-p99-ns %.0f sick-max-ns\n",
				key(r.Subject), r.Fault, operation, max(sick.Count, 1), float64(healthy.P99)*1000, float64(sick.P99)*1000, float64(sick.Max)*1000)
		}
	}
}

func (r HandOffRun) writeText(w io.Writer) {
	for _, round := range r.Rounds {
		_, _ = fmt.Fprintf(w, "BenchmarkHandOff/subject=%s/processes=%d/callers=%d/think=%gms %d %.1f hand-overs/s %.3f of-1/hold %.1f local/s "+
			"%.0f gap-p50-ns %.0f worst-wait-ns %.2f fair-shares %.3f jain %.2f scripts/hand-over %.2f publishes/hand-over\n",
			key(r.Subject), r.Processes, r.Callers, r.Think, max(round.HandOvers, 1), round.PerSecond(), round.PerSecond()*r.Hold/1000,
			round.LocalPerSecond(), float64(round.GapP50)*1000, float64(round.WorstWait)*1000, round.WaitShares(), round.Jain,
			round.ScriptsPerHandOver(), round.PublishesPerHandOver())
	}
}
