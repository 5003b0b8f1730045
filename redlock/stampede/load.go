package stampede

import (
	"context"
	"runtime/debug"
	"time"
)

// A Loader makes the value of a key, from the source that the cache protects.
//
// Its context carries the values of the context of the caller that began the load, not its end: it ends with the
// load timeout, with the lease, when the value is put or invalidated, or with the Cache. An error that is
// [ErrNotFound] means that there is no such value.
type Loader[V any] func(ctx context.Context, l *Load) (V, error)

// A Load is what a loader is told, and what it can say of its value. It belongs to the loader's goroutine, until
// the loader returns.
type Load struct {
	// Key is the value's key.
	Key string
	// Token is the fencing token of the lease on the lock nodes under which the load runs: greater than that of
	// every load of this key that ended before. Pass it to a source that refuses lower ones; see package fence. It is 0 if
	// there is no such lease.
	Token uint64
	// Stale means that there is a value past its time, or about to be.
	Stale bool

	ttl, stale *time.Duration
	noStore    bool
}

// SetTTL sets how long this value is fresh, over what [WithTTL] says.
func (l *Load) SetTTL(fresh time.Duration) { l.ttl = &fresh }

// SetStale sets how long this value is served past its freshness, over what [WithStale] says.
func (l *Load) SetStale(extra time.Duration) { l.stale = &extra }

// NoStore lets the value go to those who wait for it now, and be kept by nobody. Waiters of other processes get it
// if it takes 16 KiB at most; otherwise they load for themselves, one after the other.
func (l *Load) NoStore() { l.noStore = true }

// settings are those of the call, with what the loader has said.
func (l *Load) settings(s settings) (settings, error) {
	if l.ttl != nil {
		s.fresh = *l.ttl
	}
	if l.stale != nil {
		s.stale = *l.stale
	}
	if err := s.validate(); err != nil {
		return s, configError(err)
	}
	return s, nil
}

type result[V any] struct {
	value V
	err   error
}

// call runs a loader in a goroutine of its own, so that neither its panic nor its deafness to ctx is anybody's but
// its own. It returns when the loader does, or with the cause of ctx's end.
func (c *Cache[V]) call(ctx context.Context, load Loader[V], l *Load) (V, error) {
	done := make(chan result[V], 1)
	c.work.Go(func() {
		r := result[V]{err: &PanicError{}} // unless the loader returns
		defer func() {
			if p := recover(); p != nil {
				r = result[V]{err: newPanic(p)}
			}
			done <- r
		}()
		r.value, r.err = load(ctx, l)
	})
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
	}
	select {
	case r := <-done:
		return r.value, r.err
	default:
		var none V
		return none, context.Cause(ctx)
	}
}

func newPanic(value any) error { return &PanicError{Value: value, Stack: debug.Stack()} }
