package redlock

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
)

// A call is one caller's wish for a lease, over all its attempts.
type call struct {
	name     string
	lease    *leaseConfig
	clock    clock.Clock
	started  clock.Instant
	attempts int
	backoff  backoff

	home    bool           // the next attempt asks the home node first
	atHome  bool           // the last one was refused by it alone
	yielded bool           // after the last one it tried again soon, to be listed
	waiter  *quorum.Waiter // what nodes that refuse are told
	streak  streak         // of the lock, if it is handed over
}

func (l *Locker) newCall(name string, a *leaseConfig) *call {
	return &call{name: name, lease: a, clock: l.clock, started: l.clock.Now(), home: a.homeFirst}
}

// terms are those of the next attempt.
func (c *call) terms() quorum.Terms {
	t := c.lease.terms()
	t.HomeFirst, t.Waiter = c.home, c.waiter
	return t
}

// terms are those of the call's next attempt. Each has a hint of its own.
func (l *Locker) terms(c *call) quorum.Terms {
	t := c.terms()
	t.Hint, t.MaxTTL = l.hint(c.lease), l.cfg.maxTTL
	return t
}

// hint is the token that nodes are to give if they can, or 0. All of them can, as long as this machine's clock is
// not behind that of the last holder, nor a second ahead of theirs.
func (l *Locker) hint(a *leaseConfig) uint64 {
	if !a.number {
		return 0
	}
	now := max(clock.Wall(l.clock).UnixMicro(), 1)
	return min(max(uint64(now), l.seen.Load()+1), quorum.MaxToken-1) //nolint:gosec // now is positive
}

// saw notes a token, so that the next hint is greater.
func (l *Locker) saw(token uint64) {
	for seen := l.seen.Load(); token > seen; seen = l.seen.Load() {
		if l.seen.CompareAndSwap(seen, token) {
			return
		}
	}
}

// TryAcquire asks for the lock once, and returns as soon as the nodes have decided. Whatever a missed
// attempt left on them is removed in the background. Of several attempts of one Locker on one lock at the
// same time exactly one asks, and if it wins the others are refused.
//
// Errors: [*HeldError], which is [ErrHeld]; [ErrNoQuorum]; [*ConfigError]; [ErrClosed]; the error of ctx.
func (l *Locker) TryAcquire(ctx context.Context, name string, opts ...AcquireOption) (*Lease, error) {
	a, err := l.request(ctx, name, opts)
	if err != nil {
		return nil, err
	}
	lease, err := l.attempt(ctx, l.newCall(name, a))
	if err != nil {
		return nil, l.fromEngine(name, err)
	}
	return lease, nil
}

// Acquire waits until it has the lock or ctx ends. ctx bounds the waiting only: the lease outlives it.
// It keeps trying while the lock is held, contended, or too few nodes answer, but returns at once if so
// many nodes fail for reasons that do not mend themselves that it would wait for ever.
//
// Errors: the error of ctx, joined with that of the last attempt; [ErrNoQuorum] as said;
// [*ConfigError]; [ErrClosed].
func (l *Locker) Acquire(ctx context.Context, name string, opts ...AcquireOption) (*Lease, error) {
	a, err := l.request(ctx, name, opts)
	if err != nil {
		return nil, err
	}
	c := l.newCall(name, a)
	if !l.lines.free(l.keyOf(name), c.started) {
		return l.stand(ctx, c, nil)
	}
	lease, err := l.attempt(ctx, c)
	if err == nil {
		return lease, nil
	}
	miss := (*quorum.MissError)(nil)
	if !errors.As(err, &miss) {
		return nil, l.gaveUp(c, err, nil)
	}
	if miss.Permanent() {
		return nil, l.fromEngine(name, miss)
	}
	return l.stand(ctx, c, miss)
}

// gaveUp is the error of a caller that stopped waiting because of err.
func (l *Locker) gaveUp(c *call, err, last error) error {
	if errors.Is(err, ErrClosed) || errors.Is(err, quorum.ErrClosed) {
		return ErrClosed
	}
	waited := l.since(c.started).Round(time.Millisecond)
	if last == nil {
		return fmt.Errorf("redlock: gave up on %q after %v: %w", c.name, waited, err)
	}
	return fmt.Errorf("redlock: gave up on %q after %v and %d attempts: %w; the last one: %w",
		c.name, waited, c.attempts, err, last)
}

// attempt asks once, in its turn and with a value of its own, and tells the hooks.
func (l *Locker) attempt(ctx context.Context, c *call) (*Lease, error) {
	if err := l.enter(); err != nil {
		return nil, err
	}
	defer l.attempts.Done()
	c.attempts++
	l.counters.attempts.Add(1)
	claim, err := l.claim(ctx, c)
	if err != nil {
		l.missed(c, err)
		return nil, err
	}
	lease, err := l.newLease(ctx, c.name, c.lease, claim)
	if err != nil {
		_ = claim.Release(ctx, 0) // nobody has it yet, and what cannot be released runs out
		return nil, err
	}
	l.acquired(c, lease, false)
	return lease, nil
}

// acquired tells of a new lease.
func (l *Locker) acquired(c *call, lease *Lease, handedOver bool) {
	waited := l.since(c.started)
	l.saw(lease.Token())
	l.counters.won(waited, handedOver, lease.claim.Levelled())
	if hook := l.hooks.Acquired; hook != nil {
		hook(AcquiredEvent{
			Name:       c.name,
			Votes:      lease.claim.Votes(),
			Validity:   lease.Remaining(),
			Attempts:   c.attempts,
			Waited:     waited,
			HandedOver: handedOver,
			Token:      lease.Token(),
			Levelled:   lease.claim.Levelled(),
		})
	}
}

func (l *Locker) missed(c *call, err error) {
	miss := (*quorum.MissError)(nil)
	if !errors.As(err, &miss) {
		return
	}
	l.counters.missed(miss.Why)
	c.atHome = miss.AtHome
	if hook := l.hooks.Held; hook != nil && miss.Why == quorum.Held {
		event := HeldEvent{Name: c.name, Holder: holderOf(miss.Holder), Attempt: c.attempts}
		if miss.RetryAfter != quorum.NoExpiry {
			event.RetryAfter = miss.RetryAfter
		}
		hook(event)
	}
	if hook := l.hooks.Split; hook != nil && miss.Why == quorum.Split {
		hook(SplitEvent{Name: c.name, Attempt: c.attempts})
	}
}

// pauseAfter is how long to wait after a miss. listening says that the end of the wait will be announced.
func (l *Locker) pauseAfter(c *call, miss *quorum.MissError, listening bool) time.Duration {
	random, trip := l.jitter.next(), l.engine.Latency()
	switch miss.Why {
	case quorum.Split:
		return c.backoff.split(trip, random)
	case quorum.Held:
		retryAfter := miss.RetryAfter
		if retryAfter == quorum.NoExpiry {
			retryAfter = 0
		}
		if listening {
			c.backoff.splits = 0
			return poll(c.lease.ttl, retryAfter, trip, random)
		}
		return c.backoff.held(retryAfter, trip, c.lease.ttl, random)
	}
	return c.backoff.down(random)
}

// Do runs fn while it holds the lock called name, which it waits for as [Locker.Acquire] does. fn's
// context ends with ctx or with the lease, whichever is first; the lock is released when fn returns,
// panics or exits its goroutine.
//
// It returns fn's error, joined with [ErrLost] if the lease was lost, even if fn returned nil or released
// it, and with the error of the release if that failed. The release does not depend on ctx. If fn was not
// run, it returns the errors of Acquire.
func (l *Locker) Do(ctx context.Context, name string, fn func(ctx context.Context, lease *Lease) error, opts ...AcquireOption) (err error) {
	if fn == nil {
		return configError(errors.New("fn is nil"))
	}
	lease, err := l.Acquire(ctx, name, opts...)
	if err != nil {
		return err
	}
	work, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(lease.Context(), func() { cancel(context.Cause(lease.Context())) })
	defer stop()
	defer func() { err = errors.Join(err, lease.finish(ctx)) }()
	return fn(work, lease)
}

// finish releases the lease if fn has not, and says whether it was lost before.
func (l *Lease) finish(ctx context.Context) error {
	err := l.Release(context.WithoutCancel(ctx))
	if lost := l.lost(); lost != nil {
		return lost
	}
	return err
}

// Resume takes over a lease that another process holds or held, from its [Lease.Ticket]: it extends it,
// and goes on renewing it. The other process must have stopped using it. opts work as for Acquire; TTL
// and the rest are not in the ticket. The lease keeps its token; with a ticket of [Locker.Status], which knows
// none, or of a lease without one, it gets a new one that is greater.
//
// Errors: [ErrLost] if too few nodes still have it; [ErrNoQuorum]; [*ConfigError]; [ErrClosed]; the
// error of ctx.
func (l *Locker) Resume(ctx context.Context, ticket string, opts ...AcquireOption) (*Lease, error) {
	token, key, value, err := parseTicket(ticket)
	if err != nil {
		return nil, configError(err)
	}
	name := l.nameOf(key)
	if l.keyOf(name) != key {
		return nil, configError(fmt.Errorf("ticket is for %q, which is not in the namespace %q", key, l.cfg.namespace))
	}
	a, err := l.request(ctx, name, opts)
	if err != nil {
		return nil, err
	}
	terms := a.terms()
	terms.Hint, terms.MaxTTL = l.hint(a), l.cfg.maxTTL
	claim, err := l.engine.Resume(ctx, key, value, token, terms)
	if err != nil {
		return nil, l.fromEngine(name, err)
	}
	return l.newLease(ctx, name, a, claim)
}

// holderLabel is how a holder is shown: its label, or what is known of it.
func holderLabel(value string) string {
	if label := holderOf(value); label != "" {
		return label
	}
	return strings.ToValidUTF8(value, "?")
}
