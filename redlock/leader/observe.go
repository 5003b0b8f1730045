package leader

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Leader is who leads a role, as the nodes say. It is out of date as soon as it is read: it shows people who
// leads, and decides nothing.
type Leader struct {
	Role string
	// ID names the term: every term has another one, which is the same for all who ask.
	ID string
	// Holder is the leader's label; see [redlock.WithHolder].
	Holder string
	// Remaining is how long it leads if its lease is not renewed. It is negative if that is for ever, since
	// another program has taken the lock without a TTL.
	Remaining time.Duration
	// Self reports whether it is the Elector that was asked.
	Self bool
	// Token is the leader's fencing token if it is Self, and else 0: nodes do not tell that of others.
	Token uint64
}

// Leader asks the nodes who leads. It waits for all of them, for one node timeout at most.
//
// Errors: [ErrNoLeader]; [redlock.ErrNoQuorum] if too few nodes answer to know; [redlock.ErrClosed];
// [*redlock.ConfigError]; that of ctx.
func (e *Elector) Leader(ctx context.Context) (Leader, error) {
	status, err := e.locker.Status(ctx, e.role)
	if err != nil {
		return Leader{}, err
	}
	if !status.Held {
		return Leader{}, fmt.Errorf("%w: role %q", ErrNoLeader, e.role)
	}
	leader := Leader{Role: e.role, ID: termID(status), Holder: status.Holder, Remaining: status.Remaining}
	if term, ok := e.Term(); ok {
		leader.Self, leader.Token = true, term.Token
	}
	return leader, nil
}

// A Change tells who leads from now on, as far as an Elector knows.
type Change struct {
	// Leader is who leads. Its zero value says that nobody does, or that it is not known.
	Leader Leader
	// Err is [ErrNoLeader] if nobody leads, or why it is not known.
	Err error
}

// Observe returns a channel that tells who leads now, and then of each change: of this Elector at once, of
// others when the nodes are asked next; see [WithPoll]. A term of another process that is shorter may be
// missed. A reader that is late gets the latest change only. The channel is closed when ctx ends or the Elector
// is closed; Run need not run.
func (e *Elector) Observe(ctx context.Context) <-chan Change {
	changes := make(chan Change)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || ctx == nil {
		close(changes)
		return changes
	}
	e.watchers.Go(func() {
		defer close(changes)
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		e.observe(ctx, changes)
	})
	return changes
}

func (e *Elector) observe(ctx context.Context, changes chan<- Change) {
	tick := time.NewTicker(e.cfg.poll)
	defer tick.Stop()
	var told Change
	for {
		_, changed := e.current()
		now := e.look(ctx)
		if ctx.Err() != nil {
			return
		}
		var out chan<- Change // nil while there is nothing to tell
		if now.differs(told) {
			out = changes
		}
		for again := false; !again; {
			select {
			case out <- now:
				told, out = now, nil
			case <-changed:
				again = true
			case <-tick.C:
				again = true
			case <-ctx.Done():
				return
			case <-e.closing:
				return
			}
		}
	}
}

// look asks who leads.
func (e *Elector) look(ctx context.Context) Change {
	leader, err := e.Leader(ctx)
	return Change{Leader: leader, Err: err}
}

// differs reports whether a change is worth telling after another one. The first one always is.
func (c Change) differs(told Change) bool {
	if told == (Change{}) {
		return true
	}
	a, b := c.Leader, told.Leader
	return a.ID != b.ID || a.Self != b.Self || errors.Is(c.Err, ErrNoLeader) != errors.Is(told.Err, ErrNoLeader) ||
		(c.Err == nil) != (told.Err == nil)
}
