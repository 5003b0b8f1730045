package leader

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// check asks the health check once, if there is one. Its error is an ErrUnhealthy.
func (e *Elector) check(ctx context.Context) error {
	if !e.cfg.checked {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, e.cfg.every)
	defer cancel()
	err := e.cfg.check(ctx)
	if err == nil {
		err = ctx.Err() // it came too late
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnhealthy, err)
	}
	return nil
}

// awaitHealth returns nil once the process is fit to lead, or the error of ctx.
func (e *Elector) awaitHealth(ctx context.Context) error {
	for {
		err := e.check(ctx)
		if ended := contextError(ctx); ended != nil || err == nil {
			return ended
		}
		e.stall(err)
		if err := pause(ctx, e.cfg.every); err != nil {
			return err
		}
	}
}

// attend ends the term when the process is not fit to lead any more. A check that does not return is no better
// than one that fails.
func (e *Elector) attend(ctx context.Context, t *tenure) {
	for pause(ctx, e.cfg.every) == nil {
		overdue := time.AfterFunc(e.cfg.every, func() {
			t.cancel(fmt.Errorf("%w: the check has not returned in %v", ErrUnhealthy, e.cfg.every))
		})
		err := e.check(ctx)
		overdue.Stop()
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, ErrUnhealthy) {
			t.cancel(err)
			return
		}
	}
}
