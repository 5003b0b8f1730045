package stampede

import (
	"context"
	"fmt"
)

// A flight is one search for a value that callers of this process share. It runs in a goroutine of its own: no
// caller's end is its end, unless it is the last one's and nothing is being loaded.
type flight[V any] struct {
	done   chan struct{}
	cancel context.CancelFunc
	force  bool
	behind bool

	callers int   // guarded by Cache.mu
	phase   phase // guarded by Cache.mu

	out outcome[V] // read after done
}

// A phase is how far a flight has come, and so what its outcome is worth to who joins then.
type phase uint8

const (
	searching phase = iota // whatever comes is as current as a caller can ask
	loading                // so is a value that was stored: nobody put or invalidated one since the load began
	storing                // it may have been stored, and then invalidated, before the call
)

// An outcome is how a flight ended.
type outcome[V any] struct {
	entry  Entry[V]
	err    error
	fenced bool // the entry was not stored: it is good for those who called before its load began
	again  bool // there is nothing to be had: look again
}

// share waits for the flight of a key, which it starts if there is none.
func (c *Cache[V]) share(ctx context.Context, t task[V], f found[V]) (outcome[V], error) {
	fl, first, joined, err := c.join(ctx, t, f)
	if err != nil {
		return outcome[V]{}, err
	}
	if !first && t.parted != nil {
		t.parted() // it is for the flight's own call to load
	}
	select {
	case <-fl.done:
	case <-ctx.Done():
		c.leave(t.key, fl)
		return outcome[V]{}, fmt.Errorf("stampede: waiting for %q: %w", t.key, context.Cause(ctx))
	}
	out := fl.out
	if joined == storing || out.fenced && joined == loading {
		return outcome[V]{again: true}, nil
	}
	if !first && out.entry.Source == Loaded {
		out.entry.Source = Waited
	}
	return out, nil
}

func (c *Cache[V]) join(ctx context.Context, t task[V], f found[V]) (fl *flight[V], first bool, joined phase, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, false, searching, ErrClosed
	}
	fl = c.flights[t.key]
	if fl == nil || t.force && (!fl.force || fl.phase > searching) {
		fl, first = c.launch(ctx, t, f), true
	}
	fl.callers++
	return fl, first, fl.phase, nil
}

// launch starts a flight. The caller has c.mu, and has seen that the Cache is open.
func (c *Cache[V]) launch(ctx context.Context, t task[V], f found[V]) *flight[V] {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	fl := &flight[V]{done: make(chan struct{}), cancel: cancel, force: t.force, behind: t.behind}
	c.flights[t.key] = fl
	c.work.Go(func() {
		defer cancel()
		defer context.AfterFunc(c.life, cancel)()
		c.fly(ctx, fl, t, f)
	})
	return fl
}

// leave takes a caller off a flight. A search that nobody waits for ends; a load goes on, as its value is worth
// having.
func (c *Cache[V]) leave(key string, fl *flight[V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fl.callers--
	if fl.callers == 0 && fl.phase == searching && !fl.behind {
		c.drop(key, fl)
		fl.cancel()
	}
}

// enterPhase tells who joins from now on how far the flight is. It comes before the first step of the phase.
func (c *Cache[V]) enterPhase(fl *flight[V], p phase) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fl.phase = p
}

// forget lets the next caller start a flight of its own.
func (c *Cache[V]) forget(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.flights, key)
}

// drop forgets this flight, if it has not been replaced. The caller has c.mu.
func (c *Cache[V]) drop(key string, fl *flight[V]) {
	if c.flights[key] == fl {
		delete(c.flights, key)
	}
}

// refreshBehind loads a value anew, for nobody to wait for, unless this process does so already.
func (c *Cache[V]) refreshBehind(ctx context.Context, t task[V], f found[V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || t.load == nil || c.flights[t.key] != nil {
		return
	}
	t.behind = true
	c.launch(ctx, t, f)
}

// fly searches for the value, and then lands with it: whoever waits has it before the lock is given back.
func (c *Cache[V]) fly(ctx context.Context, fl *flight[V], t task[V], f found[V]) {
	cl, out, ahead := c.pursue(ctx, t, f)
	switch {
	case ahead && cl == nil:
		c.enterPhase(fl, loading)
		out = c.loadAlone(ctx, t)
	case ahead:
		c.enterPhase(fl, loading)
		out = c.lead(cl, fl, t, f)
	}
	c.mu.Lock()
	c.drop(t.key, fl)
	c.mu.Unlock()
	if cl != nil && (out.err != nil || out.again) {
		cl.free(ctx) // the next one would find the lock held, and wait
	}
	fl.out = out
	close(fl.done)
	if t.parted != nil {
		t.parted()
	}
	if cl != nil {
		cl.free(ctx)
	}
}
