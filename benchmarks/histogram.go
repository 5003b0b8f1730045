package benchmarks

import (
	"sync"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

const (
	shortest = 100 * time.Nanosecond
	longest  = 5 * time.Minute
	digits   = 2 // an error under 1 %
)

// newHistogram covers every latency that a benchmark can meet.
func newHistogram() *hdr.Histogram {
	return hdr.New(int64(shortest), int64(longest), digits)
}

// note records d, at the nearest end of the range if it lies outside.
func note(h *hdr.Histogram, d time.Duration) {
	_ = h.RecordValue(int64(min(max(d, shortest), longest))) // within the range it cannot fail
}

// Grid is the quantiles at which distributions are kept: dense where half of the operations are, and in the
// tail.
var Grid = []float64{
	0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8,
	0.85, 0.9, 0.925, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99, 0.9925, 0.995, 0.9975, 0.999, 0.9995, 0.9999,
}

// A Distribution is what is kept of many durations.
type Distribution struct {
	Count int64   `json:"count"`
	P50   Micros  `json:"p50_us"`
	P99   Micros  `json:"p99_us"`
	P999  Micros  `json:"p999_us"`
	Max   Micros  `json:"max_us"`
	AtQ   Micross `json:"at_quantiles_us,omitempty"` // at the quantiles of Grid
}

// Micros is a duration in microseconds, as it stands in files.
type Micros float64

// Micross is several.
type Micross []Micros

// Duration is the duration.
func (m Micros) Duration() time.Duration {
	return time.Duration(float64(m) * float64(time.Microsecond))
}

func micros(d time.Duration) Micros { return Micros(float64(d) / float64(time.Microsecond)) }

// distribution is what is kept of a histogram. A quantile that fewer than one operation lies beyond is the
// maximum.
func distribution(h *hdr.Histogram) Distribution {
	at := func(q float64) Micros { return micros(time.Duration(h.ValueAtPercentile(100 * q))) }
	d := Distribution{Count: h.TotalCount(), P50: at(0.5), P99: at(0.99), P999: at(0.999), Max: micros(time.Duration(h.Max()))}
	if d.Count == 0 {
		return Distribution{}
	}
	for _, q := range Grid {
		d.AtQ = append(d.AtQ, at(q))
	}
	return d
}

// A stripe is histograms that a few callers share: one each would be many megabytes for hundreds of callers,
// and would change how often memory is collected.
type stripe struct {
	mu                     sync.Mutex
	acquire, release, both *hdr.Histogram
}

func (s *stripe) note(acquire, release time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	note(s.acquire, acquire)
	note(s.release, release)
	note(s.both, acquire+release)
}

// stripes is the histograms of one measurement.
type stripes []*stripe

const mostStripes = 8

func newStripes(callers int) stripes {
	s := make(stripes, min(callers, mostStripes))
	for i := range s {
		s[i] = &stripe{acquire: newHistogram(), release: newHistogram(), both: newHistogram()}
	}
	return s
}

func (s stripes) of(caller int) *stripe { return s[caller%len(s)] }

// mergeInto adds everything to sum.
func (s stripes) mergeInto(sum *stripe) {
	for _, one := range s {
		sum.acquire.Merge(one.acquire)
		sum.release.Merge(one.release)
		sum.both.Merge(one.both)
	}
}
