package stampede

import (
	"context"
	"fmt"
	"time"
)

// A watch is the waiting of one flight for the load of another process.
type watch[V any] struct {
	cache    *Cache[V]
	task     task[V]
	listener *listener
	gaps     int // looks in a row that found neither a value nor a claim
}

// gapMin is how long a waiter leaves somebody who has the lock to write its claim, the first time.
const gapMin = 5 * time.Millisecond

// await waits until there is an outcome, or a reason to ask for the lock again: the claim is gone. It listens
// before it looks, so that what is stored after the look is announced to it.
func (w *watch[V]) await(ctx context.Context) (out outcome[V], done bool) {
	c, t := w.cache, w.task
	if w.listener == nil {
		c.cfg.hooks.wait(t.key)
		if t.parted != nil {
			t.parted()
		}
		w.listener = c.ear.listen(t.names.channel)
		w.listener.ready(ctx, t.settings.fallback)
	}
	for paused := false; ; paused = true {
		l, err := c.data.peek(ctx, t.names)
		if err != nil && ctx.Err() == nil {
			c.cfg.hooks.failed(t.key, "read", err)
			if t.settings.unavailable == FailClosed {
				return outcome[V]{err: fmt.Errorf("%w: reading %q: %w", ErrUnavailable, t.key, err)}, true
			}
		} else if out, good := c.accept(t, c.judge(t, l, err)); good {
			return out, true
		}
		if paused && l.claim == 0 {
			return out, false
		}
		if out, done, over := w.sleep(ctx, w.pause(l.claim)); over {
			return out, done
		}
	}
}

// pause is how long to sleep at most. A waiter looks as soon as the claim can have run out, and now and then before.
func (w *watch[V]) pause(claim time.Duration) time.Duration {
	fallback := w.task.settings.fallback
	if claim > 0 {
		w.gaps = 0
		return min(fallback+time.Duration(float64(fallback)/10*w.cache.random()), claim+time.Millisecond)
	}
	gap := min(gapMin<<min(w.gaps, 16), fallback)
	w.gaps++
	return gap/2 + time.Duration(float64(gap)/2*w.cache.random())
}

// sleep waits for news, for d at most. over means that there is nothing left to look for, or, without done, that the
// lock is to be asked for.
func (w *watch[V]) sleep(ctx context.Context, d time.Duration) (out outcome[V], done, over bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return out, false, false
	case <-ctx.Done():
		return outcome[V]{err: w.cache.gone(ctx)}, true, true
	case m := <-w.listener.news:
		out, done = w.heed(m)
		return out, done, done
	}
}

// gone says why a flight ended without anybody's fault.
func (c *Cache[V]) gone(ctx context.Context) error {
	if c.life.Err() != nil {
		return ErrClosed
	}
	return context.Cause(ctx)
}

// heed makes an outcome of what was announced, or leaves it to the next look. A value is taken whatever is left of
// its TTL, since it was stored while the flight waited: one that lives shorter than the news travels still serves all.
func (w *watch[V]) heed(m message) (out outcome[V], done bool) {
	c, t := w.cache, w.task
	if t.force {
		return out, false
	}
	switch m.kind {
	case toldFailed:
		return outcome[V]{err: remoteError(t.key, string(m.body))}, true
	case toldAbsent:
		return outcome[V]{err: fmt.Errorf("%w: %q", ErrNotFound, t.key)}, true
	case toldValue:
		f, err := decodeFrame(m.body)
		if err != nil {
			return out, false
		}
		if f.absent {
			return outcome[V]{err: fmt.Errorf("%w: %q", ErrNotFound, t.key)}, true
		}
		entry, err := c.entryOf(f, Waited)
		return outcome[V]{entry: entry}, err == nil
	}
	return out, false
}

func (w *watch[V]) stop() {
	if w.listener != nil {
		w.listener.stop()
	}
}
