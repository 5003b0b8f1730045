package stampede

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/quorumlock/quorumlock/redlock"
)

// lead loads under a claim, and stores what it gets. The claim's end is the caller's.
func (c *Cache[V]) lead(cl *Claim[V], fl *flight[V], t task[V], f found[V]) outcome[V] {
	l := &Load{Key: t.key, Token: cl.Token(), Stale: f.verdict != missing}
	cl.began = time.Now()
	v, err := c.call(cl.ctx, t.load, l)
	c.cfg.hooks.load(LoadEvent{Key: t.key, Token: cl.Token(), Took: time.Since(cl.began), Err: err})
	c.enterPhase(fl, storing)
	if !cl.used.CompareAndSwap(false, true) {
		return outcome[V]{again: true}
	}
	if err != nil && void(cl.ctx) {
		cl.drop(cl.ctx)
		return outcome[V]{again: true}
	}
	if errors.Is(err, ErrNotFound) {
		return c.foundNone(cl, t, err)
	}
	if err != nil {
		return c.failed(cl, t, err)
	}
	return c.keepLoaded(cl, t, l, v)
}

// void reports whether a claim ended because it was taken away, and not for its own load's sake.
func void(ctx context.Context) bool {
	cause := context.Cause(ctx)
	return errors.Is(cause, ErrFenced) || errors.Is(cause, redlock.ErrLost)
}

func (c *Cache[V]) foundNone(cl *Claim[V], t task[V], err error) outcome[V] {
	good, failed := cl.absent(cl.ctx, t.settings)
	c.cfg.hooks.failed(t.key, "store", failed)
	if failed == nil && !good && t.settings.onFenced == Reread {
		return outcome[V]{again: true}
	}
	return outcome[V]{err: fmt.Errorf("%q: %w", t.key, err), fenced: failed == nil && !good}
}

func (c *Cache[V]) failed(cl *Claim[V], t task[V], err error) outcome[V] {
	c.cfg.hooks.failed(t.key, "load", err)
	if errors.Is(err, ErrClosed) {
		cl.drop(cl.ctx)
		return outcome[V]{err: ErrClosed}
	}
	c.cfg.hooks.failed(t.key, "fail", cl.giveUp(cl.ctx, err, t.settings.errorTTL))
	return outcome[V]{err: &LoadError{Key: t.key, Err: err}}
}

// keepLoaded stores a value. Whoever waits here gets it also if it cannot be stored.
func (c *Cache[V]) keepLoaded(cl *Claim[V], t task[V], l *Load, v V) outcome[V] {
	entry := Entry[V]{Value: v, Token: cl.Token(), Source: Loaded}
	s, err := l.settings(t.settings)
	if err != nil {
		return c.failed(cl, t, err)
	}
	payload, err := c.codec.Marshal(v)
	if err != nil {
		return c.failed(cl, t, fmt.Errorf("encoding the value: %w", err))
	}
	stored, err := cl.store(cl.ctx, s, frame{payload: payload}, l.noStore)
	switch {
	case err != nil:
		c.cfg.hooks.failed(t.key, "store", err)
	case !stored && t.settings.onFenced == Reread:
		return outcome[V]{again: true}
	case !stored:
		return outcome[V]{entry: entry, fenced: true}
	}
	return outcome[V]{entry: entry}
}

// loadAlone loads without claim, since there is no data node that it could be written to: for the callers of this
// process, one load at a time.
func (c *Cache[V]) loadAlone(ctx context.Context, t task[V]) outcome[V] {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), t.settings.loadTimeout, errTimeout)
	defer cancel()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer context.AfterFunc(c.life, func() { end(ErrClosed) })()
	began := time.Now()
	v, err := c.call(ctx, t.load, &Load{Key: t.key})
	c.cfg.hooks.load(LoadEvent{Key: t.key, Took: time.Since(began), Err: err})
	switch {
	case err == nil:
		return outcome[V]{entry: Entry[V]{Value: v, Source: Loaded}, fenced: true}
	case errors.Is(err, ErrNotFound):
		return outcome[V]{err: fmt.Errorf("%q: %w", t.key, err)}
	case errors.Is(err, ErrClosed):
		return outcome[V]{err: ErrClosed}
	}
	c.cfg.hooks.failed(t.key, "load", err)
	return outcome[V]{err: &LoadError{Key: t.key, Err: err}}
}
