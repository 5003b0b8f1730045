package benchmarks

import (
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// A sample is one operation, in time from the start.
type sample struct {
	operation int // of Operations
	from, to  time.Duration
	failed    bool
}

type samples []sample

// judge sorts the samples of one round by what they met.
func (s samples) judge(plan SickPlan) SickRound {
	healthy, sick := histograms(), histograms()
	round := SickRound{Healthy: make(map[string]Distribution), Sick: make(map[string]Distribution)}
	begin, end := plan.Healthy, plan.Healthy+plan.Sick
	for _, one := range s {
		switch {
		case one.to <= begin:
			note(healthy[one.operation], one.to-one.from)
		case one.from < end:
			note(sick[one.operation], one.to-one.from)
		}
		if one.failed {
			round.Failures++
		}
	}
	for i, operation := range Operations {
		round.Healthy[operation] = coarse(healthy[i])
		round.Sick[operation] = coarse(sick[i])
	}
	return round
}

func histograms() []*hdr.Histogram {
	h := make([]*hdr.Histogram, len(Operations))
	for i := range h {
		h[i] = newHistogram()
	}
	return h
}

// coarse is a distribution without its curve.
func coarse(h *hdr.Histogram) Distribution {
	d := distribution(h)
	d.AtQ = nil
	return d
}

// bucket is how finely a time line is drawn.
const bucket = 100 * time.Millisecond

// timeline sums the samples up, tenth of a second by tenth of a second.
func (s samples) timeline() []SickBucket {
	last := 0
	for _, one := range s {
		last = max(last, int(one.from/bucket))
	}
	var line []SickBucket
	for operation, name := range Operations {
		buckets := make([]*hdr.Histogram, last+1)
		for _, one := range s {
			if one.operation != operation {
				continue
			}
			at := int(one.from / bucket)
			if buckets[at] == nil {
				buckets[at] = newHistogram()
			}
			note(buckets[at], one.to-one.from)
		}
		for i, h := range buckets {
			if h == nil {
				continue // nobody began anything: all were waiting
			}
			d := distribution(h)
			middle := time.Duration(i)*bucket + bucket/2
			line = append(line, SickBucket{Operation: name, At: middle.Seconds(), Count: d.Count, P50: d.P50, P99: d.P99, Max: d.Max})
		}
	}
	return line
}
