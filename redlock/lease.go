package redlock

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
)

// A Lease is a held lock. [Locker.TryAcquire], [Locker.Acquire] and [Locker.Resume] make one. All
// methods may be called from several goroutines. Call Release on every path.
//
// Invariants:
//   - Valid is true only while no other client can have a majority of the nodes;
//   - Context ends no later than the lease (plus the scheduling of this process), with a cause;
//   - once a lease has ended it stays ended, whatever answers still come.
type Lease struct {
	locker   *Locker
	name     string
	terms    *leaseConfig
	claim    *quorum.Claim
	ctx      context.Context //nolint:containedctx // it is what the lease hands out
	cancel   context.CancelCauseFunc
	acquired clock.Instant
	limit    clock.Instant // of MaxHold
	streak   streak

	mu       sync.Mutex
	state    state
	cause    error     // of its end
	untold   LostEvent // that the Lost hook has still to be told
	renewing bool
	renewAt  clock.Instant
	failures int // extensions in a row that failed

	place entry // of the scheduler
}

// A state is how far a lease has come. It only moves forward.
type state uint8

const (
	stateHeld state = iota
	stateLost
	stateReleased
	stateClosed
)

// newLease starts the life of a claim. It fails with [ErrClosed], and leaves the claim to the caller.
func (l *Locker) newLease(ctx context.Context, name string, a *leaseConfig, claim *quorum.Claim) (*Lease, error) {
	now := l.clock.Now()
	lease := &Lease{
		locker:   l,
		name:     name,
		terms:    a,
		claim:    claim,
		acquired: now,
		limit:    clock.Forever,
		streak:   streak{since: now},
		renewAt:  clock.Forever,
	}
	if a.maxHold > 0 {
		lease.limit = now.Add(a.maxHold)
	}
	if a.renew {
		lease.renewAt = now.Add(a.ttl / 3)
	}
	parent := a.parent
	if parent == nil {
		parent = context.WithoutCancel(ctx)
	}
	lease.ctx, lease.cancel = context.WithCancelCause(parent)
	if !l.sched.add(lease) {
		lease.cancel(ErrClosed)
		return nil, ErrClosed
	}
	claim.Watch(func() { l.sched.update(lease) })
	l.sched.update(lease) // for what moved before the watch
	return lease, nil
}

// Name is the lock's name.
func (l *Lease) Name() string { return l.name }

// Context ends when the lease does. Its cause, from [context.Cause], is then [ErrLost] if the lease was
// lost (possibly wrapped, saying why), [ErrReleased] or [ErrClosed]. It carries the values of the
// context that the lease was acquired with, but not its end; see [WithParent], under which the cause may
// also be the parent's.
func (l *Lease) Context() context.Context { return l.ctx }

// until is the instant at which the lease ends if nothing more happens.
func (l *Lease) until() clock.Instant { return min(l.claim.ValidUntil(), l.limit) }

// Valid reports whether the lease holds at this moment. It asks nobody: it compares the clock with the
// nodes' promises. It is exact, also where a context's end is a little late, such as after a suspend.
func (l *Lease) Valid() bool { return l.Remaining() > 0 }

// Remaining is how long the lease holds if it is not extended, and 0 once it has ended.
func (l *Lease) Remaining() time.Duration {
	now := l.locker.clock.Now()
	if !now.Before(l.until()) {
		if l.expire(now) {
			l.locker.sched.update(l) // which tells the hook
		}
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state != stateHeld {
		return 0
	}
	return max(l.until().Sub(now), 0)
}

// Expires is Remaining as a wall clock time. Time comparisons with it are only as good as that clock;
// use Valid or Remaining to decide.
func (l *Lease) Expires() time.Time { return time.Now().Add(l.Remaining()) }

// Votes counts the nodes whose promise to keep the lock still stands, and is 0 once the lease has ended.
func (l *Lease) Votes() int {
	if !l.Valid() {
		return 0
	}
	return l.claim.Votes()
}

// Ticket is what another process needs to take this lease over, with [Locker.Resume]. Whoever has it
// can extend and release the lease: keep it as safe as the lock. A process that gives a lease away ends
// its work on it first, and closes its Locker without releasing.
func (l *Lease) Ticket() string {
	return newTicket(l.claim.Token(), l.locker.keyOf(l.name), l.claim.Value())
}

// Token is the lease's fencing token. It is greater than that of every lease on this name that ended before this
// one was asked for, and no other lease on the name has it; one that was taken over by its [Lease.Ticket] keeps it.
// Show it to whatever the lock protects, before the
// first read that leads to a write: a resource that refuses tokens below the greatest that it has seen is safe
// from holders that were paused for longer than their lease; see package fence. It is below 2^53, so that it is
// exact in Lua, JSON and JavaScript. It is 0 under [WithoutToken].
func (l *Lease) Token() uint64 { return l.claim.Token() }

// Extend asks the nodes now to keep the lock for its full TTL from now. It never shortens the lease,
// and after an error that is not [ErrLost] the lease holds for as long as it did before. Renewal calls
// it by itself; see [WithoutRenewal].
//
// Errors: [ErrLost]; [ErrNoQuorum]; [ErrReleased]; [ErrClosed]; the error of ctx, which bounds the
// waiting only.
func (l *Lease) Extend(ctx context.Context) error {
	if err := validateContext(ctx); err != nil {
		return err
	}
	if err := l.ended(); err != nil {
		return err
	}
	return l.extend(ctx)
}

// ended returns why the lease has ended, or nil.
func (l *Lease) ended() error {
	if l.Valid() {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cause
}

func (l *Lease) extend(ctx context.Context) error {
	return l.extendedOr(l.claim.Extend(ctx))
}

// extendedOr takes in the outcome of an extension: err, or that the lease has ended meanwhile.
func (l *Lease) extendedOr(err error) error {
	if ended := l.ended(); ended != nil {
		return ended
	}
	if err != nil {
		return l.extendFailed(err)
	}
	l.extended()
	return nil
}

func (l *Lease) extendFailed(err error) error {
	miss := (*quorum.MissError)(nil)
	if !errors.As(err, &miss) {
		return l.locker.fromEngine(l.name, err) // the caller left, and the nodes may yet say yes
	}
	// The votes that are left still stand: it is a failed round, not a loss.
	err = fmt.Errorf("%w for %q: %w", ErrNoQuorum, l.name, miss)
	l.locker.counters.unrenewed.Add(1)
	l.mu.Lock()
	l.failures++
	first := l.failures == 1
	l.mu.Unlock()
	if hook := l.locker.hooks.Jeopardy; first && hook != nil {
		hook(JeopardyEvent{Name: l.name, Validity: l.Remaining(), Err: err})
	}
	return err
}

func (l *Lease) extended() {
	l.locker.counters.renewed.Add(1)
	now := l.locker.clock.Now()
	l.mu.Lock()
	l.failures = 0
	if l.terms.renew {
		l.renewAt = now.Add(l.terms.ttl / 3)
	}
	l.mu.Unlock()
	l.locker.sched.update(l)
	if hook := l.locker.hooks.Renewed; hook != nil {
		hook(RenewedEvent{Name: l.name, Votes: l.Votes(), Validity: l.Remaining()})
	}
}

// Release gives the lock back. It returns nil once a majority of the nodes has confirmed that the lock
// is gone there, kept for the rest of its minimal hold, or handed over to a call of this Locker that waits for it;
// what the other nodes keep is removed in the background, and so is what a hand-over leaves that nobody takes. Calls after the first do nothing and return nil, also while the first is under way. A
// lease that has been lost, also by its MaxHold, is released like any other: until then what is left of it
// may refuse others, this process included.
//
// While ctx lives it bounds the waiting, not the releasing. A ctx that has ended already does not
// matter, so that a deferred Release works.
//
// Errors: [ErrLost] if the lease had been lost before, what is left of it is removed all the same;
// [ErrNoQuorum]: too few nodes answered, and the lock may stay until its TTL; [ErrClosed]; the error of
// ctx.
func (l *Lease) Release(ctx context.Context) error {
	if ctx == nil {
		return configError(errors.New("ctx is nil: use context.Background()"))
	}
	now := l.locker.clock.Now()
	if !now.Before(l.until()) {
		l.expire(now)
	}
	if l.end(stateReleased, ErrReleased, LostEvent{}) {
		return l.giveBack(ctx, now)
	}
	first, ended := l.settle()
	l.tellLost()
	if first {
		_ = l.letGo(ctx, now, 0) // what is left of it; the loss is what the caller has to know
	}
	return ended
}

// giveBack releases a lease that was held until now.
func (l *Lease) giveBack(ctx context.Context, now clock.Instant) error {
	l.locker.sched.remove(l)
	l.locker.counters.released.Add(1)
	keep := max(l.acquired.Add(l.terms.minHold).Sub(now), 0)
	var err error
	if heir := l.heir(now, keep); heir != nil {
		err = l.handOver(ctx, heir)
	} else {
		err = l.letGo(ctx, now, keep)
	}
	if err != nil {
		err = l.locker.fromEngine(l.name, err)
	}
	if hook := l.locker.hooks.Released; hook != nil {
		hook(ReleasedEvent{Name: l.name, Held: now.Sub(l.acquired), Err: err})
	}
	return err
}

// letGo releases the lock to whoever waits for it, elsewhere before here, or keeps it on the nodes for a while.
func (l *Lease) letGo(ctx context.Context, now clock.Instant, keep time.Duration) error {
	key := l.locker.keyOf(l.name)
	l.claim.Announce(l.locker.nextWaiter(key))
	err := l.claim.Release(ctx, keep)
	switch {
	case keep > 0:
	case l.claim.Others():
		trip := l.locker.engine.Latency()
		l.locker.lines.leaveTo(key, now, l.locker.clock.Now().Add(holdBack(trip, l.locker.jitter.next())))
	default:
		l.locker.lines.wake(key)
	}
	return err
}

// settle moves a lease that had ended to its released state. It reports whether this is the first release,
// and why the lease had ended.
func (l *Lease) settle() (first bool, ended error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == stateReleased {
		return false, nil
	}
	l.state = stateReleased
	return true, l.cause
}

// end moves a held lease to its last state and ends its context with cause. It reports whether the
// lease was held. untold is what the Lost hook has to be told then: whoever sees the state sees it too.
func (l *Lease) end(to state, cause error, untold LostEvent) bool {
	l.mu.Lock()
	held := l.state == stateHeld
	if held {
		l.state, l.cause, l.untold = to, cause, untold
	}
	l.mu.Unlock()
	if held {
		l.cancel(cause)
	}
	return held
}

// lost returns why the lease was lost, if it was, whatever has happened to it since.
func (l *Lease) lost() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(l.cause, ErrLost) {
		return l.cause
	}
	return nil
}

// expire ends a lease whose time is over, and reports whether it was held. It does not block, and leaves
// the hook to tellLost.
func (l *Lease) expire(now clock.Instant) bool {
	why := "too few nodes confirmed it in time"
	switch {
	case !now.Before(l.limit):
		why = fmt.Sprintf("held for its MaxHold of %v", l.terms.maxHold)
	case l.claim.ValidUntil() == clock.Never:
		why = "too few nodes still have it"
	case !l.terms.renew:
		why = "its TTL is used up"
	}
	err := fmt.Errorf("%w: %q: %s", ErrLost, l.name, why)
	if !l.end(stateLost, err, LostEvent{Name: l.name, Held: now.Sub(l.acquired), Err: err}) {
		return false
	}
	l.locker.counters.lost.Add(1)
	return true
}

// tellLost calls the Lost hook if it has not been told yet.
func (l *Lease) tellLost() {
	l.mu.Lock()
	event := l.untold
	l.untold = LostEvent{}
	l.mu.Unlock()
	if hook := l.locker.hooks.Lost; hook != nil && event.Err != nil {
		hook(event)
	}
}
