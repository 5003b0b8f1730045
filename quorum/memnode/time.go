package memnode

import (
	"math"
	"time"

	"github.com/quorumlock/quorumlock/clock"
)

// An ownClock is the node's wall clock. Its instants count from the Unix epoch.
type ownClock struct {
	skewed *clock.Skewed
	ahead  time.Duration // of skewed: the epoch's distance, and all steps
}

// newOwnClock returns a clock that is right, and runs as base does.
func newOwnClock(base clock.Clock) ownClock {
	skewed := clock.NewSkewed(base)
	return ownClock{skewed: skewed, ahead: time.Duration(time.Now().UnixNano() - int64(skewed.Now()))}
}

func (c *ownClock) now() clock.Instant { return c.skewed.Now().Add(c.ahead) }

// sampleLife is how long an asker trusts a sample. After that it looks at the node's clock anew before
// it asks, and so does the node in its name.
const sampleLife = time.Minute

// A sample is one exchange: the node's clock read node at some instant from sent to received on the
// asker's.
type sample struct {
	sent, received clock.Instant
	node           clock.Instant
}

// toNode translates an instant of the asker's into the node's time. As node was read at sent or
// later, the result is never too early, and too late by at most slack, if the clocks run as equally
// as [clock.DefaultRate] says.
func (s sample) toNode(t clock.Instant) clock.Instant { return s.node.Add(t.Sub(s.sent)) }

// slack widens with the distance, as the clocks part: a node that runs slow by the rate gets to the
// limit after distance/(1-rate). A limit so far away that the sample will have been replaced by then
// is charged no more than a sample's life: it limits nothing, or it is one of a foreign clock.
func (s sample) slack(t clock.Instant) time.Duration {
	const lost = clock.DefaultRate / (1 - clock.DefaultRate)
	distance := min(max(t.Sub(s.sent), 0), sampleLife)
	return s.received.Sub(s.sent) + time.Duration(math.Ceil(float64(distance)*lost))
}
