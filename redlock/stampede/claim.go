package stampede

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quorumlock/quorumlock/redlock"
)

// A Claim is the right and the duty to load one key. [Cache.Lock] makes one. End it on every path, with Set or
// with Fail. It is renewed until then, for the load timeout at most. All methods may be called from
// several goroutines.
//
// Invariant: a value is stored under a claim only if, on the data node, nobody has put, invalidated or
// claimed the key since.
type Claim[V any] struct {
	cache    *Cache[V]
	key      string
	names    names
	settings settings
	id       string
	mark     uint64
	lease    *redlock.Lease // nil without quorum
	began    time.Time

	ctx    context.Context //nolint:containedctx // it is what the claim hands out
	cancel context.CancelCauseFunc
	stop   func() bool   // the lease's part in ctx
	kept   chan struct{} // closed once the renewing has ended
	used   atomic.Bool
	freed  sync.Once
}

// errTimeout ends a load that took too long.
var errTimeout = fmt.Errorf("stampede: load timeout: %w", context.DeadlineExceeded)

// errEnded ends a claim that was used.
var errEnded = errors.New("stampede: claim has ended")

func (c *Cache[V]) newClaim(ctx context.Context, t task[V], lease *redlock.Lease) *Claim[V] {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails; it ends the program instead
	cl := &Claim[V]{
		cache:    c,
		key:      t.key,
		names:    t.names,
		settings: t.settings,
		mark:     unnumbered | binary.BigEndian.Uint64(random[8:]),
		lease:    lease,
		began:    time.Now(),
		kept:     make(chan struct{}),
	}
	var token uint64
	if lease != nil && lease.Token() > 0 {
		token = lease.Token()
		cl.mark = token
	}
	cl.id = fmt.Sprintf("%d-%s", token, hex.EncodeToString(random[:8]))
	work, end := context.WithTimeoutCause(context.WithoutCancel(ctx), t.settings.loadTimeout, errTimeout)
	cl.ctx, cl.cancel = context.WithCancelCause(work)
	life := context.AfterFunc(c.life, func() { cl.cancel(ErrClosed) })
	loss := func() bool { return true }
	if lease != nil {
		loss = context.AfterFunc(lease.Context(), func() { cl.cancel(context.Cause(lease.Context())) })
	}
	cl.stop = func() bool { end(); life(); return loss() }
	return cl
}

// Key is what is to be loaded.
func (cl *Claim[V]) Key() string { return cl.key }

// Token is the fencing token of the lease behind the claim; see [Load].
func (cl *Claim[V]) Token() uint64 { return tokenOf(cl.mark) }

// Context ends with the claim. Its cause is [ErrFenced] if the value was put or invalidated meanwhile, that of the
// lease's end if the lease was lost, and otherwise the load timeout or [ErrClosed].
func (cl *Claim[V]) Context() context.Context { return cl.ctx }

// Set stores the value for ttl, or for what [WithTTL] says if ttl is 0, releases the key and wakes those who wait
// for it. Only the first call of Set or Fail does anything.
//
// Errors: [ErrFenced] if the claim had run out or become void: nothing was stored; [*ConfigError]; that of the
// codec or the data node, after which it is not known whether the value was stored.
func (cl *Claim[V]) Set(ctx context.Context, v V, ttl time.Duration) error {
	s := cl.settings
	if ttl != 0 {
		s.fresh = ttl
	}
	if err := configError(contextFault(ctx), s.validate()); err != nil {
		return err
	}
	if !cl.used.CompareAndSwap(false, true) {
		return fmt.Errorf("%w: %q has been set or failed before", ErrFenced, cl.key)
	}
	defer cl.free(ctx)
	payload, err := cl.cache.codec.Marshal(v)
	if err != nil {
		cl.cache.cfg.hooks.failed(cl.key, "fail", cl.giveUp(ctx, err, 0))
		return fmt.Errorf("stampede: encoding the value of %q: %w", cl.key, err)
	}
	stored, err := cl.store(ctx, s, frame{payload: payload}, false)
	switch {
	case err != nil:
		return fmt.Errorf("stampede: storing %q: %w", cl.key, err)
	case !stored:
		return fmt.Errorf("%w: %q", ErrFenced, cl.key)
	}
	return nil
}

// Fail gives the claim up because the load failed with err, releases the key and tells those who wait for it.
// If err is [ErrNotFound], that is remembered as [WithNegativeTTL] says. It returns the error of the data node.
func (cl *Claim[V]) Fail(ctx context.Context, err error) error {
	if fault := configError(contextFault(ctx)); fault != nil {
		return fault
	}
	if !cl.used.CompareAndSwap(false, true) {
		return nil
	}
	defer cl.free(ctx)
	if err == nil {
		err = errors.New("no reason given")
	}
	if errors.Is(err, ErrNotFound) {
		_, failed := cl.absent(ctx, cl.settings)
		return failed
	}
	return cl.giveUp(ctx, err, cl.settings.errorTTL)
}

// store reports whether the data node took the value.
func (cl *Claim[V]) store(ctx context.Context, s settings, f frame, noStore bool) (bool, error) {
	f.mark, f.delta = cl.mark, time.Since(cl.began)
	if f.hard == 0 {
		f.fresh, f.hard = s.times(cl.cache.random())
	}
	blob, hard := f.encode(), f.hard
	if noStore {
		hard = 0
	}
	stored, err := cl.cache.data.store(context.WithoutCancel(ctx), cl.names, cl.id, blob, hard, valueMessage(blob))
	if err == nil && !stored {
		cl.cache.cfg.hooks.fenced(cl.key, cl.Token())
	}
	return stored, err
}

// absent tells and, if the settings say so, remembers that the source has no such value. It reports whether the
// claim was good until now.
func (cl *Claim[V]) absent(ctx context.Context, s settings) (bool, error) {
	if s.negative > 0 {
		return cl.store(ctx, s, frame{absent: true, fresh: s.negative, hard: s.negative}, false)
	}
	return cl.cache.data.fail(context.WithoutCancel(ctx), cl.names, cl.id, 0, "", message{kind: toldAbsent})
}

// giveUp tells those who wait that the load failed.
func (cl *Claim[V]) giveUp(ctx context.Context, reason error, holdOff time.Duration) error {
	text := reason.Error()
	text = text[:min(len(text), maxText)]
	_, err := cl.cache.data.fail(context.WithoutCancel(ctx), cl.names, cl.id, holdOff, text, message{kind: toldFailed, body: []byte(text)})
	return err
}

// drop gives up a claim that is void already, or that nobody needs.
func (cl *Claim[V]) drop(ctx context.Context) {
	_, err := cl.cache.data.fail(context.WithoutCancel(ctx), cl.names, cl.id, 0, "", message{kind: toldVoid})
	cl.cache.cfg.hooks.failed(cl.key, "fail", err)
}

// keepMax bounds the pause between two looks whether the claim is still good, so that an invalidation ends the
// load soon.
const keepMax = 250 * time.Millisecond

// keep renews the claim on the data node until it ends. The lease renews itself.
func (cl *Claim[V]) keep() {
	defer close(cl.kept)
	look := time.NewTicker(min(cl.settings.lockTTL/3, keepMax))
	defer look.Stop()
	for {
		select {
		case <-cl.ctx.Done():
			return
		case <-look.C:
		}
		mine, err := cl.cache.data.renew(cl.ctx, cl.names, cl.id, cl.settings.lockTTL)
		switch {
		case cl.ctx.Err() != nil:
			return
		case err != nil: // the next one may get through, and the store decides
			cl.cache.cfg.hooks.failed(cl.key, "renew", err)
		case !mine:
			cl.cancel(fmt.Errorf("%w: %q", ErrFenced, cl.key))
			return
		}
	}
}

// free ends the renewing, and then the lease. It is called once the claim is gone from the data node, or void.
func (cl *Claim[V]) free(ctx context.Context) {
	cl.freed.Do(func() {
		cl.stop()
		cl.cancel(errEnded)
		<-cl.kept
		cl.cache.release(context.WithoutCancel(ctx), cl.key, cl.lease)
	})
}

// abandon ends a claim that its owner lets run out.
func (cl *Claim[V]) abandon() {
	<-cl.ctx.Done()
	if cl.used.CompareAndSwap(false, true) {
		cl.drop(context.Background())
		cl.free(context.Background())
	}
}
