package clock

import (
	"fmt"
	"math"
	"time"
)

// Granularity is what a node's expiry may be early by for reasons of its own: Redis keeps expiry
// times in whole milliseconds, and rounds both the start and the end.
const Granularity = 2 * time.Millisecond

// DefaultRate covers quartz clocks and ntpd, which slews by at most 500 ppm, with much to spare.
// chrony slews by up to 83,333 ppm unless maxslewrate says less: set it to 500, or use a rate of
// 0.16.
const DefaultRate = 0.01

// Drift says how wrong the clocks may be. Its zero value trusts them completely, down to the
// [Granularity].
type Drift struct {
	// Rate is the relative error delta of a client's clock against a node's: 0.01 is one percent. It
	// is at least 1 - (1-rateClient)/(1+rateNode), about the sum of both errors. 0 <= Rate < 1.
	Rate float64
	// Step is sigma: the largest forward step of a node's wall clock during one TTL. Redis expires
	// keys by its wall clock, so a step shortens every lease there. Step >= 0.
	Step time.Duration
}

// Validate returns an error that names the value and the rule it breaks, or nil.
func (d Drift) Validate() error {
	if !(d.Rate >= 0 && d.Rate < 1) { // so that NaN fails too
		return fmt.Errorf("drift rate %v is not in [0, 1)", d.Rate)
	}
	if d.Step < 0 {
		return fmt.Errorf("drift step %v is negative", d.Step)
	}
	return nil
}

// Deadline is the last instant up to which a node that accepted a request for ttl, sent at sent or
// later, certainly keeps its key:
//
//	sent + ttl*(1 - Rate) - Step - Granularity
//
// It lies before sent if ttl is too short for the drift. Time that the request took is not
// subtracted: it is already charged by counting from before the send.
func (d Drift) Deadline(sent Instant, ttl time.Duration) Instant {
	return sent.Add(d.Validity(ttl))
}

// Validity is what is left of ttl once drift is taken off: Deadline's distance from the send. It
// may be negative.
func (d Drift) Validity(ttl time.Duration) time.Duration {
	lost := time.Duration(math.Ceil(float64(ttl) * d.Rate))
	return ttl - lost - d.Step - Granularity
}
