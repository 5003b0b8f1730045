package stampede

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/quorumlock/quorumlock/redlock"
)

// pursue looks for the value until somebody has stored it, or this process is to load it: then ahead is true, and cl
// is the claim, or nil if there is no data node to claim on.
func (c *Cache[V]) pursue(ctx context.Context, t task[V], f found[V]) (cl *Claim[V], out outcome[V], ahead bool) {
	if f.err != nil {
		return nil, out, true
	}
	if out, failed := c.recentFailure(ctx, t); failed {
		return nil, out, false
	}
	began, w := time.Now(), watch[V]{cache: c, task: t}
	defer w.stop()
	for {
		lease, err := c.acquire(ctx, t)
		held := errors.Is(err, redlock.ErrHeld)
		if err != nil && !held {
			return nil, outcome[V]{err: err}, false
		}
		if !held {
			cl, out, held = c.stake(ctx, t, lease, f)
		}
		if !held {
			if cl != nil && w.listener != nil {
				c.cfg.hooks.takeover(t.key, cl.Token(), time.Since(began))
			}
			return cl, out, cl != nil || out.alone()
		}
		if t.behind {
			return nil, outcome[V]{again: true}, false
		}
		if out, done := w.await(ctx); done {
			return nil, out, false
		}
	}
}

// alone reports whether an outcome is none: nobody has anything, and there is no claim to be had.
func (o outcome[V]) alone() bool { return o.err == nil && !o.again && o.entry.Source == 0 }

// recentFailure spares the lock nodes while nobody is to load. The claim looks once more.
func (c *Cache[V]) recentFailure(ctx context.Context, t task[V]) (outcome[V], bool) {
	if t.settings.errorTTL == 0 || t.force {
		return outcome[V]{}, false
	}
	text, failed, err := c.data.failedText(ctx, t.names)
	if err != nil || !failed {
		return outcome[V]{}, false
	}
	return outcome[V]{err: remoteError(t.key, text)}, true
}

func remoteError(key, text string) error {
	return &LoadError{Key: key, Err: errors.New(text), Remote: true}
}

// acquire tries for the lock. Without quorum it returns no lease and no error, if that is the policy.
func (c *Cache[V]) acquire(ctx context.Context, t task[V]) (*redlock.Lease, error) {
	lease, err := c.locker.TryAcquire(ctx, t.names.lock,
		redlock.WithTTL(t.settings.lockTTL), redlock.WithHomeFirst())
	switch {
	case err == nil, errors.Is(err, redlock.ErrHeld):
		return lease, err
	case c.life.Err() != nil:
		return nil, ErrClosed
	case !errors.Is(err, redlock.ErrNoQuorum):
		return nil, fmt.Errorf("stampede: locking %q: %w", t.key, err)
	}
	c.cfg.hooks.failed(t.key, "lock", err)
	if t.settings.unavailable == FailClosed {
		return nil, fmt.Errorf("%w: locking %q: %w", ErrUnavailable, t.key, err)
	}
	return nil, nil //nolint:nilnil // no lease is what the policy asks for
}

// stake claims the key on the data node under a lease, or without one. It returns the claim, or an outcome. held
// means that somebody else has claimed it.
func (c *Cache[V]) stake(ctx context.Context, t task[V], lease *redlock.Lease, f found[V]) (*Claim[V], outcome[V], bool) {
	cl := c.newClaim(ctx, t, lease)
	out, held, mine := c.write(ctx, t, cl, f.mark)
	if mine {
		c.work.Go(cl.keep)
		return cl, out, false
	}
	close(cl.kept) // it was never begun
	c.work.Go(func() { cl.free(ctx) })
	return nil, out, held
}

// write puts the claim down, if the value is still missing.
func (c *Cache[V]) write(ctx context.Context, t task[V], cl *Claim[V], seen string) (out outcome[V], held, mine bool) {
	if t.force {
		seen = "*"
	}
	for {
		reply, err := c.data.claim(context.WithoutCancel(ctx), t.names, cl.id, cl.Token(), seen, t.settings.lockTTL, cl.lease == nil)
		if err != nil {
			c.cfg.hooks.failed(t.key, "claim", err)
			if t.settings.unavailable == FailClosed {
				err = fmt.Errorf("%w: claiming %q: %w", ErrUnavailable, t.key, err)
				return outcome[V]{err: err}, false, false
			}
			return outcome[V]{}, false, false
		}
		switch reply.code {
		case claimLoad:
			return out, false, true
		case claimFailed:
			return outcome[V]{err: remoteError(t.key, reply.text)}, false, false
		case claimLate:
			return outcome[V]{again: true}, false, false
		case claimTaken:
			return out, true, false
		}
		f := c.judge(t, reply.look, nil)
		if out, good := c.accept(t, f); good {
			return out, false, false
		}
		seen = f.mark
	}
}

// accept makes an outcome of a value that somebody else has stored, unless it is past its time.
func (c *Cache[V]) accept(t task[V], f found[V]) (outcome[V], bool) {
	switch {
	case t.force, f.err != nil, f.verdict != fresh && f.verdict != early:
		return outcome[V]{}, false
	case f.absent:
		return outcome[V]{err: fmt.Errorf("%w: %q", ErrNotFound, t.key)}, true
	}
	f.entry.Source = Waited
	return outcome[V]{entry: f.entry}, true
}

// release gives a lease back. What cannot be released runs out.
func (c *Cache[V]) release(ctx context.Context, key string, lease *redlock.Lease) {
	if lease == nil {
		return
	}
	if err := lease.Release(ctx); err != nil && !errors.Is(err, redlock.ErrLost) {
		c.cfg.hooks.failed(key, "release", err)
	}
}
