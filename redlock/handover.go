package redlock

import (
	"context"
	"errors"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
)

// maxHandOvers bounds how often in a row a lock goes from one call of a Locker to the next while others wait
// elsewhere; see [streak].
const maxHandOvers = 8

// A streak is how long a lock has stayed with the calls of one Locker.
type streak struct {
	since clock.Instant // it came from elsewhere
	hands int           // it was handed over since
}

// over reports whether it is the others' turn: after some hand-overs, or the time of one lease.
func (s streak) over(now clock.Instant, terms *leaseConfig) bool {
	return s.hands >= maxHandOvers || now.Sub(s.since) >= terms.ttl
}

// heir returns the call of this Locker that a lease is handed over to, or nil. keep is how long the lock is to
// be kept instead.
func (l *Lease) heir(now clock.Instant, keep time.Duration) *spot {
	if keep > 0 || l.claim.Others() && l.streak.over(now, l.terms) {
		return nil
	}
	return l.locker.lines.heir(l.locker.keyOf(l.name))
}

// handOver puts the heir's claim in the place of this one.
func (l *Lease) handOver(ctx context.Context, s *spot) error {
	decided := make(chan error, 1)
	heir := s.call
	heir.streak = streak{since: l.streak.since, hands: l.streak.hands + 1}
	terms := l.locker.terms(heir)
	terms.Waiter = &quorum.Waiter{ID: l.locker.id}
	l.claim.Announce(nil)
	l.claim.HandOver(newValue(heir.lease.holder), terms, func(claim *quorum.Claim, err error) bool {
		decided <- err
		return l.locker.lines.deliver(s, claim)
	})
	if ctx.Err() != nil {
		ctx = context.WithoutCancel(ctx)
	}
	select {
	case err := <-decided:
		miss := (*quorum.MissError)(nil)
		if errors.As(err, &miss) && miss.Why != quorum.Silent {
			return nil // enough nodes have answered, and what they keep of either value is being removed
		}
		return err
	case <-ctx.Done():
		return quorum.ContextError(ctx)
	}
}

// nextWaiter is who waits for the key here, or nil.
func (l *Locker) nextWaiter(key string) *quorum.Waiter {
	since, waits := l.lines.next(key)
	if !waits {
		return nil
	}
	return &quorum.Waiter{ID: l.id, Waited: l.since(since)}
}
