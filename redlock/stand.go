package redlock

import (
	"context"
	"errors"

	"github.com/quorumlock/quorumlock/quorum"
)

// stand waits in line until the call has the lock. miss is what a first try has met, or nil.
func (l *Locker) stand(ctx context.Context, c *call, miss *quorum.MissError) (*Lease, error) {
	if err := l.enter(); err != nil {
		return nil, err
	}
	defer l.attempts.Done()
	s := l.lines.join(l.keyOf(c.name), c)
	lease, err := l.standIn(ctx, s, miss)
	over, unused := l.lines.leave(s, lease != nil)
	if over != nil {
		over.stop()
	}
	if unused != nil {
		l.abandon(unused, c.name)
	}
	if errors.Is(err, errTooOld) {
		return l.stand(ctx, c, nil)
	}
	return lease, err
}

// standIn waits for the call's turn, and then for the lock.
func (l *Locker) standIn(ctx context.Context, s *spot, miss *quorum.MissError) (*Lease, error) {
	var last error
	if miss != nil {
		last = l.fromEngine(s.call.name, miss)
	}
	select {
	case <-s.first:
		return l.contend(ctx, s, miss, last)
	case <-ctx.Done():
		return nil, l.gaveUp(s.call, quorum.ContextError(ctx), last)
	case <-l.closing:
		return nil, ErrClosed
	}
}

// contend tries to win the lock for the first in a line, whenever its vigil ends, or takes it over from who
// releases it here. miss is what the last try met, if there was one, and last the same as an error.
func (l *Locker) contend(ctx context.Context, s *spot, miss *quorum.MissError, last error) (*Lease, error) {
	c := s.call
	w := l.lines.watching(s.line, func() *watch { return l.watch(s.line.key) })
	if s.queued {
		miss = nil // which it met before it stood in line
	}
	l.rest(s, w, miss)
	for {
		claim, err := l.sleep(ctx, s, w)
		if err != nil {
			return nil, l.gaveUp(c, err, last)
		}
		if claim != nil {
			return l.inherit(ctx, c, claim)
		}
		named, homeFreed := w.begin()
		c.prepare(l.id, named, homeFreed)
		lease, err := l.attempt(ctx, c)
		l.lines.end(s)
		if err == nil {
			return lease, nil
		}
		if miss = nil; !errors.As(err, &miss) {
			return nil, l.gaveUp(c, err, last)
		}
		if last = l.fromEngine(c.name, miss); miss.Permanent() {
			return nil, last
		}
		l.rest(s, w, miss)
	}
}

// rest says how long the first in a line sleeps after miss; nil means that it has not tried yet.
func (l *Locker) rest(s *spot, w *watch, miss *quorum.MissError) {
	if miss != nil {
		l.restAfter(s, w, miss)
		return
	}
	now, c, trip := l.clock.Now(), s.call, l.engine.Latency()
	left := l.lines.leftUntil(s.line.key, now)
	switch {
	case now.Before(left):
		w.yield(left)
	case !l.lines.isBehindOurs(s):
		w.rest(now)
	case w.listens():
		w.rest(now.Add(poll(c.lease.ttl, 0, trip, l.jitter.next())))
	default:
		w.rest(now.Add(c.backoff.held(0, trip, c.lease.ttl, l.jitter.next())))
	}
}

// restAfter says how long the first in a line sleeps after a try that has missed.
func (l *Locker) restAfter(s *spot, w *watch, miss *quorum.MissError) {
	now, c, listens := l.clock.Now(), s.call, w.listens()
	switch {
	case miss.Why == quorum.Held && miss.Unlisted && c.waiter != nil && listens && !c.yielded:
		c.yielded = true // once: a home that has lost the holder's key would grant again and again
		w.yield(now.Add(holdBack(l.engine.Latency(), l.jitter.next())))
	case c.waiter == nil && listens && !l.lines.isBehindOurs(s):
		w.rest(now) // the first try was before anybody listened, and is on no list
	default:
		c.yielded = false
		w.rest(now.Add(l.pauseAfter(c, miss, listens)))
	}
}

// prepare sets up the next attempt of a waiting call. named says that it has been told to try first, homeFreed
// that the key's home was freed since the last one.
func (c *call) prepare(self string, named, homeFreed bool) {
	c.waiter = &quorum.Waiter{ID: self, Waited: c.clock.Now().Sub(c.started)}
	// At home first, where those who wait cannot split the votes between them; but what a home refuses may be
	// a leftover that is there alone, so the next try asks all nodes.
	c.home = !named && (homeFreed || !c.atHome)
	c.atHome = false
}

var errTooOld = errors.New("redlock: the lock was handed over too late")

// inherit makes a lease of a claim that was handed over.
func (l *Locker) inherit(ctx context.Context, c *call, claim *quorum.Claim) (*Lease, error) {
	if claim.ValidUntil().Sub(l.clock.Now()) < c.lease.leastValidity() {
		l.abandon(claim, c.name)
		return nil, errTooOld
	}
	lease, err := l.newLease(ctx, c.name, c.lease, claim)
	if err != nil {
		l.abandon(claim, c.name) // the Locker is closing, and nobody has it
		return nil, err
	}
	lease.streak = c.streak
	l.acquired(c, lease, true)
	return lease, nil
}

// abandon releases a lock that was handed over to a call that does not want it any more. Whoever is next here
// believes it to be held by one of ours, and is on no node's list.
func (l *Locker) abandon(claim *quorum.Claim, name string) {
	key := l.keyOf(name)
	if claim.Others() {
		claim.Announce(l.nextWaiter(key))
		claim.Abandon()
		return
	}
	claim.Announce(nil) // and so it may name us, if we ask before it
	claim.Abandon()
	l.lines.wake(key)
}
