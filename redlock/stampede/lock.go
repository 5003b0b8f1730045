package stampede

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Decision is what [Cache.Lock] says.
type Decision uint8

const (
	// ToLoad: the caller is the one who loads.
	ToLoad Decision = iota + 1
	// ToWait: there is a fresh value, or somebody else is loading it. Read after a while.
	ToWait
)

// String is the decision as the guide's command CACHE.LOCK answers it.
func (d Decision) String() string {
	switch d {
	case ToLoad:
		return "LOAD"
	case ToWait:
		return "WAIT"
	}
	return "unknown"
}

// Lock makes the caller the one who loads a key, unless there is a fresh value or somebody else loads it. With
// wait 0 it says so at once. Otherwise it waits for so long at most until the value is stored or the loader is gone,
// in which case one waiter becomes the next. The caller ends its [Claim] with Set or Fail.
//
// Errors: [*LoadError] if the loader waited for failed; [ErrNotFound]; [ErrUnavailable]; [ErrClosed];
// [*ConfigError]; the error of ctx.
func (c *Cache[V]) Lock(ctx context.Context, key string, wait time.Duration, opts ...CallOption) (Decision, *Claim[V], error) {
	var fault error
	if wait < 0 {
		fault = fmt.Errorf("wait %v is negative", wait)
	}
	t, err := c.task(ctx, key, nil, opts, fault)
	if err != nil {
		return 0, nil, err
	}
	if !c.enter() {
		return 0, nil, ErrClosed
	}
	defer c.work.Done()
	f := c.look(ctx, t)
	switch {
	case f.err != nil:
		return 0, nil, fmt.Errorf("%w: reading %q: %w", ErrUnavailable, key, f.err)
	case f.verdict == fresh, f.verdict == early:
		return ToWait, nil, nil
	}
	return c.lockMissing(ctx, t, f, wait)
}

// enter admits a call that may start goroutines. It ends with c.work.Done.
func (c *Cache[V]) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.work.Add(1)
	return true
}

// errWaited ends the waiting of Lock when its time is spent.
var errWaited = errors.New("stampede: waited long enough")

func (c *Cache[V]) lockMissing(ctx context.Context, t task[V], f found[V], wait time.Duration) (Decision, *Claim[V], error) {
	t.behind = wait == 0
	waiting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(c.life, func() { cancel(ErrClosed) })()
	if wait > 0 {
		timer := time.AfterFunc(wait, func() { cancel(errWaited) })
		defer timer.Stop()
	}
	cl, out, _ := c.pursue(waiting, t, f)
	switch {
	case cl != nil:
		c.work.Go(cl.abandon)
		return ToLoad, cl, nil
	case out.again, out.entry.Source != 0, errors.Is(context.Cause(waiting), errWaited):
		return ToWait, nil, nil
	case out.err != nil:
		return 0, nil, out.err
	}
	return 0, nil, fmt.Errorf("%w: claiming %q", ErrUnavailable, t.key)
}
