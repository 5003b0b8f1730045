package redlock

import (
	"time"

	"github.com/quorumlock/quorumlock/clock"
)

// Renewal: the scheduler looks at a lease when it has to be renewed, and when it ends. Its end is a
// deadline that is already in the heap when a renewal is sent, and only answers of nodes move it. The
// scheduler asks the nodes and goes on; whoever brings the answers does the rest. So leases that are due
// together are on their way together, and each node gets them in few requests.

const (
	// maxRenewing bounds the renewals under way, and so what waits for a slow node. Who comes too many
	// waits for renewalTurn.
	maxRenewing = 4096
	renewalTurn = 2 * time.Millisecond
)

// due is when the scheduler has to look at the lease next.
func (l *Lease) due() clock.Instant {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.state != stateHeld:
		return clock.Never // to be told of, and forgotten
	case l.renewing:
		return l.until()
	}
	return min(l.until(), l.renewAt)
}

func (l *Lease) entry() *entry { return &l.place }

// look ends the lease or starts its renewal, whichever is due, and reports whether the lease goes on.
func (l *Lease) look(now clock.Instant) (goesOn bool) {
	if !now.Before(l.until()) {
		l.expire(now)
	}
	l.mu.Lock()
	held, told := l.state == stateHeld, l.untold.Err == nil
	start := held && !l.renewing && !now.Before(l.renewAt)
	if start && l.locker.counters.renewing.Load() >= maxRenewing {
		l.renewAt, start = now.Add(renewalTurn), false
	}
	l.renewing = l.renewing || start
	l.mu.Unlock()
	if !held {
		if !told {
			l.locker.spawn(l.tellLost)
		}
		return false
	}
	if start {
		l.renew()
	}
	return true
}

// renew extends the lease once, without waiting for it.
func (l *Lease) renew() {
	l.locker.counters.renewing.Add(1)
	l.claim.Renew(func(err error) {
		if l.locker.hooks.Renewed == nil && l.locker.hooks.Jeopardy == nil {
			l.renewed(err)
			return
		}
		// A hook may do as it likes, and answers wait for the goroutine that this is.
		l.locker.spawn(func() { l.renewed(err) })
	})
}

// renewed takes in the outcome of a renewal, and says when to renew again.
func (l *Lease) renewed(err error) {
	l.locker.counters.renewing.Add(-1)
	err = l.extendedOr(err)
	now := l.locker.clock.Now()
	l.mu.Lock()
	l.renewing = false
	if err != nil {
		l.renewAt = now.Add(retryRenewal(l.failures, l.until().Sub(now), l.locker.engine.Latency()))
	}
	l.mu.Unlock()
	l.locker.sched.update(l)
}

const (
	renewalPauseMin = 50 * time.Millisecond
	renewalPauseMax = time.Second
)

// retryRenewal is the pause before a renewal is tried again: it doubles with each failure, but leaves
// several tries in what remains of the lease, and no two within a round trip.
func retryRenewal(failures int, remaining, roundTrip time.Duration) time.Duration {
	pause := doubled(renewalPauseMin, failures, renewalPauseMax)
	room := max(remaining/4, roundTrip, 5*time.Millisecond)
	return min(pause, room)
}
