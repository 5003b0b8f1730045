package leader

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/quorumlock/quorumlock/redlock"
)

// A campaign is what one call of Run does, round after round.
type campaign struct {
	elector *Elector
	lead    func(context.Context, Term) error
	backoff backoff
}

// round waits for one term, serves it, and pauses. Its error is that of Run.
func (c *campaign) round(ctx context.Context) error {
	e := c.elector
	if err := e.awaitHealth(ctx); err != nil {
		return err
	}
	e.stall(nil)
	term, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	lease, err := e.acquire(ctx, term)
	if err != nil {
		return c.lost(ctx, err)
	}
	started := time.Now()
	end, served := c.serve(lease, cancel)
	if !served {
		return contextError(ctx)
	}
	if errors.Is(end.Cause, redlock.ErrClosed) {
		return end.Cause
	}
	return c.pause(ctx, end.ending(), time.Since(started))
}

// acquire waits for the role. The lease's context is a child of term, so that all that ends the term ends it.
func (e *Elector) acquire(ctx, term context.Context) (*redlock.Lease, error) {
	opts := make([]redlock.AcquireOption, 0, len(e.cfg.lease)+1)
	opts = append(append(opts, e.cfg.lease...), redlock.WithParent(term))
	return e.locker.Acquire(ctx, e.role, opts...)
}

// lost follows a campaign that failed.
func (c *campaign) lost(ctx context.Context, err error) error {
	if ended := contextError(ctx); ended != nil {
		return ended
	}
	if hopeless(err) {
		return err
	}
	c.elector.stall(err)
	return c.pause(ctx, endFailed, 0)
}

// pause leaves the role to others after a term. It returns early with the error of ctx.
func (c *campaign) pause(ctx context.Context, end ending, lasted time.Duration) error {
	return pause(ctx, c.backoff.after(end, lasted, rand.Float64())) //nolint:gosec // a pause, no secret
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return contextError(ctx)
	case <-ctx.Done():
		return contextError(ctx)
	}
}

// serve runs the work under a lease, and gives that back once the work has returned, panicked or exited its
// goroutine. served is false if there was nothing to run the work on: the lease or the context ended on the
// way here, or the process is not fit to lead.
func (c *campaign) serve(lease *redlock.Lease, cancel context.CancelCauseFunc) (end Ended, served bool) {
	e := c.elector
	term := Term{Role: e.role, Token: lease.Token(), Started: time.Now(), lease: lease}
	if !e.fit(lease) {
		return Ended{}, false
	}
	t := &tenure{term: term, cancel: cancel, done: make(chan struct{})}
	leave := e.enter(t)
	end = Ended{Term: term, Err: ErrPanicked}
	defer func() {
		end = leave(end)
		if e.cfg.ended != nil {
			e.cfg.ended(end)
		}
	}()
	end.Err = c.lead(lease.Context(), term)
	return end, true
}

// fit reports whether work may begin under a lease, and else gives that back.
func (e *Elector) fit(lease *redlock.Lease) (fit bool) {
	defer func() { // also if the health check panics
		if !fit {
			_ = lease.Release(context.Background()) // what cannot be released runs out
		}
	}()
	ctx := lease.Context()
	return e.check(ctx) == nil && ctx.Err() == nil && lease.Valid()
}

// enter begins a tenure. leave ends it: the work has returned.
func (e *Elector) enter(t *tenure) (leave func(Ended) Ended) {
	ctx := t.term.Context()
	var watch sync.WaitGroup
	watching, dismiss := context.WithCancel(ctx)
	e.set(func() { e.tenure = t })
	stop := context.AfterFunc(ctx, func() { e.set(func() { t.ended = time.Now() }) })
	watch.Go(func() { e.heed(watching, t) })
	if e.cfg.checked {
		watch.Go(func() { e.attend(watching, t) })
	}
	return func(end Ended) Ended {
		if ctx.Err() != nil {
			end.Cause = context.Cause(ctx)
		}
		stop()
		t.release = t.lease().Release(context.Background()) // ends the term's context first
		end.Release = t.release
		e.set(func() { e.tenure = nil })
		close(t.done)
		dismiss()
		watch.Wait() // a health check that hangs holds nobody up but this Elector
		return end
	}
}
