package redisnode

import (
	"math"
	"time"

	"github.com/quorumlock/quorumlock/clock"
)

// sampleLife is how long a sample is good enough without being refreshed: over it, two clocks drift
// apart by 0.6 s at the default rate.
const sampleLife = time.Minute

// A sample is one look at a server's clock: the server read node at some instant between sent and
// received.
type sample struct {
	sent, received clock.Instant
	node           time.Duration // since the Unix epoch
}

func (s sample) width() time.Duration { return s.received.Sub(s.sent) }

// An offset maps instants of a client's clock to the time of a server, by the sample that is sharpest
// now: a sample widens with age, at the rate at which two clocks may part. Its zero value knows no
// sample. It is a plain value, and whoever shares it guards it.
type offset struct {
	best sample
	have bool
}

// known reports whether there is a sample that is not too old to be used.
func (o offset) known(now clock.Instant) bool {
	return o.have && now.Sub(o.best.received) <= sampleLife
}

// learn takes in s if it is sharper than what is left of the present sample, or newer and at odds
// with it, since then the server's clock has stepped.
func (o *offset) learn(s sample) {
	age := s.sent.Sub(o.best.sent)
	switch {
	case !o.have:
	case o.stepped(s):
		if age < 0 {
			return
		}
	case s.width() > o.best.width()+drift(age):
		return
	}
	o.best, o.have = s, true
}

// stepped reports whether no steady clock can have shown both samples: whether the ranges in which
// they put the offset of the two clocks do not meet.
func (o offset) stepped(s sample) bool {
	apart := drift(s.sent.Sub(o.best.sent)) + time.Microsecond // the resolution of TIME
	moved := s.node - o.best.node
	return moved > s.received.Sub(o.best.sent)+apart || moved < s.sent.Sub(o.best.received)-apart
}

// at returns the server's time at x, or up to slack more: the sample counts as if it had been read
// when it was sent. Only a server's clock that runs fast makes it less.
func (o offset) at(x clock.Instant) (node, slack time.Duration) {
	distance := x.Sub(o.best.sent)
	node = o.best.node + distance
	if distance > 0 && node < 0 {
		node = math.MaxInt64
	}
	return node, o.best.width() + drift(distance)
}

// drift is how far two clocks may part in d, forward or back.
func drift(d time.Duration) time.Duration {
	return time.Duration(math.Ceil(math.Abs(float64(d)) * clock.DefaultRate))
}
