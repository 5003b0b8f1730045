package clock

import (
	"sync"
	"time"
)

// portable is a suspend-aware clock made of what every platform has: Go's monotonic time, plus all
// the wall time that went by without it.
type portable struct {
	read func() time.Time // carries a monotonic and a wall reading

	mu     sync.Mutex
	origin time.Time
	asleep ratchet
}

// ofThisProcess is what System returns where there is no better clock: one for the process, so that instants
// read from it in different places compare.
var ofThisProcess = sync.OnceValue(func() Clock { return newPortable(time.Now) })

func newPortable(read func() time.Time) *portable {
	return &portable{read: read, origin: read()}
}

func (p *portable) Now() Instant {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.read()
	mono := now.Sub(p.origin)
	wall := now.Round(0).Sub(p.origin.Round(0)) // Round strips the monotonic reading
	return Instant(mono + p.asleep.observe(wall-mono))
}

func (p *portable) NewTimer(d time.Duration) Timer { return goTimer{time.NewTimer(d)} }

// ratchetStep is the disagreement of wall and monotonic clock that counts as a fact. Below it lie
// the jitter of two readings and, for a while, a slewed clock, whose rate the drift allowance
// covers.
const ratchetStep = time.Millisecond

// A ratchet sums up the forward moves of a lead that may also move back: the wall clock's lead over
// the monotonic one grows by a suspend, and by a forward step, which cannot be told apart; it
// shrinks by a backward step, which must not hide a later suspend. Its zero value is ready.
type ratchet struct {
	anchor time.Duration // the lead already accounted for
	sum    time.Duration
}

// observe takes the lead as it is now and returns the sum of its forward moves so far.
func (r *ratchet) observe(lead time.Duration) time.Duration {
	switch moved := lead - r.anchor; {
	case moved >= ratchetStep:
		r.sum += moved
		r.anchor = lead
	case moved <= -ratchetStep:
		r.anchor = lead
	}
	return r.sum
}
