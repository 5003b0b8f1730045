package stampede

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// A BatchLoader makes the values of several keys at once, such as with one query. A key that the map does not
// have is one that the source does not have. Its context has the values of the caller's and ends with the load timeout,
// or with the Cache.
type BatchLoader[V any] func(ctx context.Context, loads []*Load) (map[string]V, error)

// GetOrLoadMany does for each key what [Cache.GetOrLoad] does for one. One look finds all values that are there, and
// load is called once for all keys that this call is the first of all processes to miss. Keys that others
// load are waited for; those that they then fail to load are loaded one by one.
//
// The map has every key that has a value; keys that the source does not have are not in it. The error joins the errors of the
// other keys.
func (c *Cache[V]) GetOrLoadMany(ctx context.Context, keys []string, load BatchLoader[V], opts ...CallOption) (map[string]Entry[V], error) {
	tasks, err := c.tasks(ctx, keys, opts, loaderFault(load == nil))
	if err != nil {
		return nil, err
	}
	all := make([]names, len(tasks))
	for i, t := range tasks {
		all[i] = t.names
	}
	looks, errs := c.data.readMany(ctx, all)
	b := &batch[V]{ctx: context.WithoutCancel(ctx), cache: c, load: load, open: 1}
	var (
		mu      sync.Mutex
		entries = make(map[string]Entry[V])
		faults  []error
		calls   sync.WaitGroup
	)
	for i, t := range tasks {
		f := c.judge(t, looks[i], errs[i])
		b.enlist(&t)
		calls.Go(func() {
			entry, err, again := c.getFrom(ctx, t, f)
			t.parted()
			if again {
				entry, err = c.get(ctx, t)
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				entries[t.key] = entry
			case !errors.Is(err, ErrNotFound):
				faults = append(faults, err)
			}
		})
	}
	b.part()
	calls.Wait()
	return entries, errors.Join(faults...)
}

// tasks are those of the keys, each once.
func (c *Cache[V]) tasks(ctx context.Context, keys []string, opts []CallOption, fault error) ([]task[V], error) {
	var (
		tasks  []task[V]
		faults []error
		seen   = make(map[string]bool, len(keys))
	)
	for _, key := range keys {
		if seen[key] {
			continue
		}
		seen[key] = true
		t, err := c.task(ctx, key, nil, opts, fault)
		tasks, faults = append(tasks, t), append(faults, err)
	}
	return tasks, errors.Join(faults...)
}

// A batch gathers the keys of one call that this process is to load, until each of its keys has been decided, and
// then loads them at once.
//
// Invariant: members only grows while open > 0, and each flight counts in open until it loads or parts.
type batch[V any] struct {
	ctx   context.Context //nolint:containedctx // of the call that made it, for the load
	cache *Cache[V]
	load  BatchLoader[V]

	mu      sync.Mutex
	open    int // keys that are not decided, and one for the call itself
	members []*member[V]
}

// A member is one key of a batch that is to be loaded.
type member[V any] struct {
	load *Load
	done chan result[V]
}

// enlist makes the task one of the batch.
func (b *batch[V]) enlist(t *task[V]) {
	b.mu.Lock()
	b.open++
	b.mu.Unlock()
	var once sync.Once
	decided := func() { once.Do(b.part) }
	t.parted = decided
	t.load = func(ctx context.Context, l *Load) (V, error) {
		m := &member[V]{load: l, done: make(chan result[V], 1)}
		late := b.join(m)
		decided()
		if late {
			b.run(ctx, []*member[V]{m})
		}
		select {
		case r := <-m.done:
			return r.value, r.err
		case <-ctx.Done():
			var none V
			return none, context.Cause(ctx)
		}
	}
}

// join reports whether the batch has left.
func (b *batch[V]) join(m *member[V]) (late bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open == 0 {
		return true
	}
	b.members = append(b.members, m)
	return false
}

// part notes that one key is decided. After the last one the batch is loaded.
func (b *batch[V]) part() {
	b.mu.Lock()
	b.open--
	members := b.members
	ready := b.open == 0 && len(members) > 0
	b.mu.Unlock()
	if ready {
		b.cache.work.Go(func() { b.run(b.ctx, members) })
	}
}

// run loads some keys, and gives each what is its own.
func (b *batch[V]) run(ctx context.Context, members []*member[V]) {
	ctx, cancel := context.WithTimeoutCause(ctx, b.cache.cfg.loadTimeout, errTimeout)
	defer cancel()
	defer context.AfterFunc(b.cache.life, cancel)()
	loads := make([]*Load, len(members))
	for i, m := range members {
		loads[i] = m.load
	}
	values, err := b.call(ctx, loads)
	for _, m := range members {
		v, there := values[m.load.Key]
		switch {
		case err != nil:
			m.done <- result[V]{err: err}
		case !there:
			m.done <- result[V]{err: fmt.Errorf("%w: the batch has no %q", ErrNotFound, m.load.Key)}
		default:
			m.done <- result[V]{value: v}
		}
	}
}

// call keeps a panic of the loader from ending the program: it is the error of all its keys.
func (b *batch[V]) call(ctx context.Context, loads []*Load) (values map[string]V, err error) {
	err = &PanicError{}
	defer func() {
		if p := recover(); p != nil {
			err = newPanic(p)
		}
	}()
	return b.load(ctx, loads)
}
