package leader

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/quorumlock/quorumlock/redlock"
)

// An Elector takes part in the election for one role. Make one with [New], let [Elector.Run] run, and end it
// with [Elector.Close] or with Run's context. All methods may be called from several goroutines.
//
// Invariants:
//   - IsLeader is nil only while no other Elector can lead;
//   - one work runs at a time, and never begins on a lease that is lost;
//   - the role is given up only after the work has returned.
type Elector struct {
	locker *redlock.Locker
	role   string
	cfg    config

	watchers sync.WaitGroup // of Observe
	closing  chan struct{}

	mu      sync.Mutex
	closed  bool
	running *running
	tenure  *tenure       // nil while this Elector does not lead
	stalled error         // why it does not campaign, nil while it does
	changed chan struct{} // closed and replaced whenever one of these changes
}

// A running is one call of Run.
type running struct {
	stop context.CancelCauseFunc
	done chan struct{}
}

// New makes an Elector for a role, which is the name of the lock that its leader holds. It asks nobody. The
// Locker stays the caller's. It fails with a [*redlock.ConfigError] that tells of all faults.
func New(locker *redlock.Locker, role string, opts ...Option) (*Elector, error) {
	cfg := newConfig(opts)
	err := cfg.validate(role)
	if locker == nil {
		err = configError(errNilLocker, errors.Unwrap(err))
	}
	if err != nil {
		return nil, err
	}
	return &Elector{
		locker:  locker,
		role:    role,
		cfg:     cfg,
		closing: make(chan struct{}),
		changed: make(chan struct{}),
	}, nil
}

// Role is what this Elector campaigns for.
func (e *Elector) Role() string { return e.role }

// Run campaigns for the role, runs lead whenever it is elected, and campaigns again after it has returned; see
// [WithBackoff] for the pause between. It returns only when ctx ends or the Elector or its Locker is closed,
// after the work has returned and the role has been given up.
//
// lead is called on the goroutine of Run. Its context is that of its Term, and when that ends it has to return
// soon. It leads until it returns: work that has nothing to do waits for the end of its context, as [Idle]
// does. What it returns is told to [WithEnded], and ends nothing but the term. If it panics or exits its
// goroutine, the role is given up and the panic goes on to the caller of Run, as with [redlock.Locker.Do].
//
// Errors: that of ctx, with its cause; [ErrClosed]; [redlock.ErrClosed]; [ErrRunning] for a second call at the
// same time; [*redlock.ConfigError] if the lease's options break a rule.
func (e *Elector) Run(ctx context.Context, lead func(ctx context.Context, term Term) error) error {
	if lead == nil {
		return configError(errors.New("lead is nil: use leader.Idle"))
	}
	if err := checkContext(ctx); err != nil {
		return err
	}
	ctx, end, err := e.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	c := campaign{elector: e, lead: lead, backoff: e.cfg.backoff}
	for {
		if err := c.round(ctx); err != nil {
			return err
		}
	}
}

// Idle is work that waits for the end of its term, for programs that ask IsLeader instead.
func Idle(ctx context.Context, _ Term) error {
	<-ctx.Done()
	return nil
}

// begin admits one call of Run, whose context ends with Close too.
func (e *Elector) begin(parent context.Context) (ctx context.Context, end func(), err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closed:
		return nil, nil, ErrClosed
	case e.running != nil:
		return nil, nil, ErrRunning
	}
	ctx, stop := context.WithCancelCause(parent)
	r := &running{stop: stop, done: make(chan struct{})}
	e.running = r
	return ctx, func() {
		stop(nil)
		e.set(func() { e.running, e.stalled = nil, nil })
		close(r.done)
	}, nil
}

// set changes the Elector's state, and tells those who watch.
func (e *Elector) set(change func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change()
	close(e.changed)
	e.changed = make(chan struct{})
}

// current is this Elector's term, or nil, and what is closed when that changes.
func (e *Elector) current() (*tenure, <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.tenure, e.changed
}

// stall notes why no campaign is under way; nil says that one is.
func (e *Elector) stall(why error) {
	e.set(func() { e.stalled = why })
}

// Close ends Run and every channel of Observe, and waits for them: for the work, if there is one, and until the
// role has been given up. Calls after the first wait too. The work must not call it. It returns nil.
func (e *Elector) Close() error {
	e.mu.Lock()
	if !e.closed {
		e.closed = true
		close(e.closing)
	}
	r := e.running
	e.mu.Unlock()
	if r != nil {
		r.stop(ErrClosed)
		<-r.done
	}
	e.watchers.Wait()
	return nil
}

// Resign gives the role up if this Elector leads: it ends the context of the term with [ErrResigned] as its
// cause, and waits until the work has returned and the role is free for others. It campaigns again after a
// pause; see [WithBackoff]. Without a term it does nothing.
//
// ctx bounds the waiting only. Work may call it with its own context, and has then to return: it does not wait
// for itself. With another context it would.
//
// Errors: that of ctx; [redlock.ErrNoQuorum] if it could not be confirmed that the role is free, which may
// then last for the TTL; [redlock.ErrLost] if the lease was lost before.
func (e *Elector) Resign(ctx context.Context) error {
	if err := checkContext(ctx); err != nil {
		return err
	}
	t, _ := e.current()
	if t == nil {
		return nil
	}
	t.cancel(ErrResigned)
	select {
	case <-t.done:
		return t.release
	case <-ctx.Done():
		if errors.Is(context.Cause(ctx), ErrResigned) {
			return nil
		}
		return contextError(ctx)
	}
}

// IsLeader returns nil if this Elector leads at this moment, and else [ErrNotLeader], with the reason. It asks
// no node and does not wait. It says no as soon as the leader has to give up. What is started because of a nil
// is waited for by nobody: if it may take longer than [Term.Remaining], it needs the context of [Elector.Term].
// By this method an Elector is one for schedulers such as gocron.
func (e *Elector) IsLeader(ctx context.Context) error {
	if err := checkContext(ctx); err != nil {
		return err
	}
	t, _ := e.current()
	if t == nil {
		return ErrNotLeader
	}
	if !t.lease().Valid() {
		return fmt.Errorf("%w of %q: %w", ErrNotLeader, e.role, redlock.ErrLost)
	}
	if work := t.term.Context(); work.Err() != nil {
		return fmt.Errorf("%w of %q any more: %w", ErrNotLeader, e.role, context.Cause(work))
	}
	return nil
}

// Term returns this Elector's term, and false if it does not lead now.
func (e *Elector) Term() (Term, bool) {
	t, _ := e.current()
	if t == nil || !t.lease().Valid() {
		return Term{}, false
	}
	return t.term, true
}

// Healthy returns what a supervisor should restart this process for, or nil: [ErrNotRunning]; work that has not
// returned though its context ended longer than patience ago, which keeps the role from everybody; a campaign
// that the nodes refuse for reasons that do not mend themselves; a health check that fails. Nodes that do not
// answer are no reason. It asks nobody.
func (e *Elector) Healthy(patience time.Duration) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch t := e.tenure; {
	case e.running == nil:
		return ErrNotRunning
	case t != nil && !t.ended.IsZero():
		if late := time.Since(t.ended); late > patience {
			return fmt.Errorf("leader: %q: the work has not returned in %v since its term ended: %w",
				e.role, late.Round(time.Millisecond), context.Cause(t.term.Context()))
		}
	}
	return e.stalled
}
