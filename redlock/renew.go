package redlock

import (
	"context"
	"time"

	"github.com/quorumlock/quorumlock/clock"
)

// Renewal: the scheduler looks at a lease when it has to be renewed, and when it ends. Its end is a
// deadline that is already in the heap when a renewal is sent, and only answers of nodes move it.

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
	l.renewing = l.renewing || start
	l.mu.Unlock()
	if !held {
		if !told {
			l.locker.spawn(l.tellLost)
		}
		return false
	}
	if start {
		l.locker.spawn(l.renew)
	}
	return true
}

// renew extends the lease once, and says when to do so again.
func (l *Lease) renew() {
	err := l.extend(context.Background())
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
