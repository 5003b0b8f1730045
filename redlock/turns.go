package redlock

import (
	"context"
	"errors"
	"sync"

	"github.com/quorumlock/quorumlock/quorum"
)

// Attempts of one Locker on one key take turns. Two of them at the nodes at once could only split the
// votes between them. Who meets an attempt that is under way waits for its outcome, and
//   - if it won, is refused without asking: the lock is held, at that very moment;
//   - if too few nodes answered it, shares that: asking again would take as long and say the same;
//   - if it began after the call did, shares its outcome whatever it is: it is as good as its own;
//   - otherwise takes its own turn.
//
// So a call takes two rounds at most, however many there are.
type turns struct {
	mu   sync.Mutex
	keys map[string]*turn
}

// A turn is one attempt under way. done is closed after miss is set; it is nil while nobody waits.
type turn struct {
	done chan struct{}
	miss *quorum.MissError // why it missed, or what a winner means for the others; nil if it was given up
	all  bool              // miss holds also for calls that are older than this attempt
}

// take returns the attempt under way on key, or a new one, which is the caller's to finish.
func (t *turns) take(key string) (current *turn, mine bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if current, busy := t.keys[key]; busy {
		if current.done == nil {
			current.done = make(chan struct{})
		}
		return current, false
	}
	if t.keys == nil {
		t.keys = make(map[string]*turn)
	}
	current = &turn{}
	t.keys[key] = current
	return current, true
}

// finish ends the caller's turn with its outcome.
func (t *turns) finish(key string, current *turn, claim *quorum.Claim, err error) {
	t.mu.Lock()
	delete(t.keys, key)
	t.mu.Unlock()
	if current.done == nil {
		return // and nobody will come
	}
	miss := (*quorum.MissError)(nil)
	switch {
	case claim != nil:
		current.miss = &quorum.MissError{Why: quorum.Held, Holder: claim.Value(), RetryAfter: quorum.NoExpiry}
		current.all = true
	case errors.As(err, &miss):
		current.miss, current.all = miss, miss.Why == quorum.Silent
	}
	close(current.done)
}

// claim asks the nodes for the lock once, in its turn.
func (l *Locker) claim(ctx context.Context, c *call) (*quorum.Claim, error) {
	key := l.keyOf(c.name)
	for older := false; ; older = true {
		current, mine := l.turns.take(key)
		if mine {
			claim, err := l.engine.Acquire(ctx, key, newValue(c.lease.holder), l.terms(c))
			l.turns.finish(key, current, claim, err)
			return claim, err
		}
		select {
		case <-current.done:
			if current.miss != nil && (current.all || older) {
				return nil, asShared(current.miss, c)
			}
		case <-ctx.Done():
			return nil, quorum.ContextError(ctx)
		case <-l.closing:
			return nil, ErrClosed
		}
	}
}

// asShared is the miss of another call's attempt, as it is for c: no node has noted that c waits.
func asShared(miss *quorum.MissError, c *call) *quorum.MissError {
	if c.waiter == nil {
		return miss
	}
	own := *miss
	own.Unlisted = true
	return &own
}
