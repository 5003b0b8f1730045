package memnode

import (
	"fmt"
	"maps"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
)

// counters are the fencing counters of keys, and what is known of those that are forgotten. Like the store
// they have no clock of their own.
//
// Invariants: a counter whose until is not after now counts as absent, be it still in the map or not. All that
// are absent were at most floor in the period of now, once look has been called with it: they were stored
// two periods earlier at least, since they live for that long.
type counters struct {
	values  map[string]counter
	sweepAt int           // the number of counters at which dead ones are thrown out
	tmax    time.Duration // the longest MaxTTL of all operations; a period is as long
	period  int64         // in which cur was raised last
	cur     uint64        // the largest counter stored in the period
	prev    uint64        // and in the one before
	floor   uint64        // and in all before those
}

// A counter is that of one key.
type counter struct {
	value uint64
	until clock.Instant // of the node
}

// look puts what is known into the present period.
func (c *counters) look(longest time.Duration, now clock.Instant) {
	tmax := max(c.tmax, longest)
	period := int64(now) / int64(tmax)
	switch {
	case tmax == c.tmax && period == c.period:
	case tmax == c.tmax && period == c.period+1:
		c.floor, c.prev, c.cur = max(c.floor, c.prev), c.cur, 0
	default:
		c.floor, c.prev, c.cur = max(c.floor, c.prev, c.cur), 0, 0
	}
	c.tmax, c.period = tmax, period
}

// get returns a key's counter, and whether it is there. One that is not counts as the floor.
func (c *counters) get(key string, now clock.Instant) (uint64, bool) {
	if known := c.values[key]; now.Before(known.until) {
		return known.value, true
	}
	return c.floor, false
}

// put stores a key's counter. Those from quorum.MaxToken on are an error, and not stored.
func (c *counters) put(key string, value uint64, now clock.Instant) error {
	if value >= quorum.MaxToken {
		return fmt.Errorf("the counter of %q would reach 2^53: use another key", key)
	}
	c.sweep(now)
	c.values[key] = counter{value, now.Add(quorum.CounterLives * c.tmax)}
	c.cur = max(c.cur, value)
	return nil
}

// grant returns the number of a grant by op. A value that was there already keeps its number, if that is known.
func (c *counters) grant(op quorum.Op, kept bool, now clock.Instant) (uint64, error) {
	c.look(op.MaxTTL, now)
	value, known := c.get(op.Key, now)
	if known && kept {
		return value, nil
	}
	latest := uint64(time.Duration(now)/time.Microsecond) + uint64(time.Second/time.Microsecond)
	value = max(value+1, min(op.Hint, latest))
	return value, c.put(op.Key, value, now)
}

// raise makes the counter of the operation's key at least its token, and returns it.
func (c *counters) raise(op quorum.Op, now clock.Instant) (uint64, error) {
	c.look(op.MaxTTL, now)
	value, known := c.get(op.Key, now)
	if known && value >= op.Token {
		return value, nil
	}
	value = max(value, op.Token)
	return value, c.put(op.Key, value, now)
}

// sweep throws dead counters out each time their number has doubled.
func (c *counters) sweep(now clock.Instant) {
	if len(c.values) < c.sweepAt {
		return
	}
	c.expire(now)
	c.sweepAt = max(smallStore, 2*len(c.values))
}

// expire throws dead counters out.
func (c *counters) expire(now clock.Instant) {
	maps.DeleteFunc(c.values, func(_ string, known counter) bool { return !now.Before(known.until) })
}

// forget loses everything.
func (c *counters) forget() {
	*c = counters{values: make(map[string]counter), sweepAt: smallStore}
}

// numbered reports whether a grant by the operation is to be numbered.
func numbered(op quorum.Op) bool {
	return op.Hint > 0 && (op.Kind == quorum.Acquire || op.Kind == quorum.HandOver)
}

// checkNumbers returns what is wrong with the numbers of an operation.
func checkNumbers(op quorum.Op) error {
	raises := op.Kind == quorum.Raise
	switch {
	case !raises && !numbered(op):
		return nil
	case raises && (op.Token == 0 || op.Token >= quorum.MaxToken):
		return fmt.Errorf("%v to token %d: want 1 to below 2^53", op.Kind, op.Token)
	case !raises && op.Hint >= quorum.MaxToken:
		return fmt.Errorf("%v with hint %d: want below 2^53", op.Kind, op.Hint)
	case op.MaxTTL < time.Millisecond:
		return fmt.Errorf("%v with MaxTTL %v: want at least a millisecond", op.Kind, op.MaxTTL)
	}
	return nil
}
