package redlock

import (
	"sync/atomic"
	"time"

	"github.com/quorumlock/quorumlock/quorum"
)

// Stats are a Locker's counters and gauges, for people who watch it. Counters count from the making of the
// Locker and never go back; the values of one Stats were read one after the other and need not add up.
type Stats struct {
	_ struct{}

	// Held is how many leases are held now, and Renewing how many of them are being renewed.
	Held, Renewing int
	// Attempts counts questions to the nodes for a lock, won or missed.
	Attempts uint64
	// Waiting is how many calls of Acquire wait in line for a lock now.
	Waiting int
	// Acquired counts leases won, resumed ones not among them, and HandedOver those of them that came from
	// another call of this Locker, which released the lock.
	Acquired, HandedOver uint64
	// Levelled counts those for whose token one round trip was not enough, since the nodes' counters differed.
	Levelled uint64
	// Waited is the time that those calls waited, from the call to the lease, all together, and WaitedMost the
	// longest of them.
	Waited, WaitedMost time.Duration
	// Missed counts attempts that won nothing, by what they found: the lock held by somebody, several
	// claimants at once, too few nodes answering, or votes that came too late.
	MissedHeld, MissedSplit, MissedNoQuorum, MissedSlow uint64
	// Renewed counts extensions that a majority confirmed, and RenewalsFailed those that it did not. A
	// failed one is tried again: a lease is lost only if they fail until its end.
	Renewed, RenewalsFailed uint64
	// Released counts leases given back, and Lost those that ended without it.
	Released, Lost uint64
	// Latency is the smoothed time in which the nodes decide a question, and 0 before the first one.
	Latency time.Duration
	// Nodes is how each node is, in the order in which they were given.
	Nodes []NodeStats
}

// NodeStats are how one node is.
type NodeStats struct {
	_ struct{}

	Node string
	// Down reports whether it has stopped answering, and is asked only now and then.
	Down bool
	// Asked is the number of questions that it has not answered yet.
	Asked int
	// Undos is the number of releases that it has still to be told of, because it did not answer or may
	// yet carry out what they take back.
	Undos int
	// Err is why it did not answer the last time, if it has not answered since. It is a [*NodeError].
	Err error
}

// Stats returns the Locker's counters and gauges. It asks nobody and is cheap enough to be called every
// second.
func (l *Locker) Stats() Stats {
	c := &l.counters
	s := Stats{
		Held:           l.sched.size(),
		Renewing:       int(c.renewing.Load()),
		Attempts:       c.attempts.Load(),
		Waiting:        l.lines.size(),
		Acquired:       c.acquired.Load(),
		HandedOver:     c.handed.Load(),
		Levelled:       c.levelled.Load(),
		Waited:         time.Duration(c.waited.Load()),
		WaitedMost:     time.Duration(c.waitedMost.Load()),
		MissedHeld:     c.held.Load(),
		MissedSplit:    c.split.Load(),
		MissedNoQuorum: c.silent.Load(),
		MissedSlow:     c.slow.Load(),
		Renewed:        c.renewed.Load(),
		RenewalsFailed: c.unrenewed.Load(),
		Released:       c.released.Load(),
		Lost:           c.lost.Load(),
		Latency:        l.engine.Latency(),
	}
	for _, n := range l.engine.Nodes() {
		s.Nodes = append(s.Nodes, NodeStats{Node: n.Name, Down: n.Down, Asked: n.Asked, Undos: n.Undos, Err: n.Err})
	}
	return s
}

// counters are what [Stats] is read from.
type counters struct {
	acquired, released, lost, renewed, unrenewed atomic.Uint64
	held, split, silent, slow, handed, levelled  atomic.Uint64
	attempts                                     atomic.Uint64
	renewing, waited, waitedMost                 atomic.Int64
}

// won counts a lease that was waited for.
func (c *counters) won(waited time.Duration, handedOver, levelled bool) {
	c.acquired.Add(1)
	if levelled {
		c.levelled.Add(1)
	}
	if handedOver {
		c.handed.Add(1)
	}
	c.waited.Add(int64(waited))
	for most := c.waitedMost.Load(); int64(waited) > most; most = c.waitedMost.Load() {
		if c.waitedMost.CompareAndSwap(most, int64(waited)) {
			return
		}
	}
}

// missed counts an attempt that won nothing.
func (c *counters) missed(why quorum.Why) {
	switch why {
	case quorum.Held:
		c.held.Add(1)
	case quorum.Split:
		c.split.Add(1)
	case quorum.Slow:
		c.slow.Add(1)
	default:
		c.silent.Add(1)
	}
}
