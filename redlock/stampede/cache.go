package stampede

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/redlock"
)

// A Cache keeps values of one type on a data node, and lets one caller of all processes load those that are
// missing. Make one with [New], and end it with [Cache.Close]. All methods may be called from several goroutines.
type Cache[V any] struct {
	data   data
	ear    *ear
	locker *redlock.Locker
	cfg    config
	codec  Codec[V]

	life context.Context //nolint:containedctx // the loads' own, which Close ends
	end  context.CancelCauseFunc
	work sync.WaitGroup // flights, loads and renewals

	mu      sync.Mutex
	flights map[string]*flight[V] // one for each key that callers of this process wait for
	closed  bool
}

// New makes a Cache on a client (standalone, Sentinel or Cluster) and a Locker. Both stay the caller's, and have to
// outlive the Cache. It does no I/O. It fails with a [*ConfigError].
func New[V any](client redis.UniversalClient, locker *redlock.Locker, opts ...Option) (*Cache[V], error) {
	cfg := newConfig(opts)
	codec, ok := cfg.codec.(Codec[V])
	faults := []error{clientFault(client), cfg.validate()}
	switch {
	case cfg.codec == nil:
		codec = JSON[V]()
	case !ok:
		faults = append(faults, fmt.Errorf("codec %T is not for values of type %T", cfg.codec, *new(V)))
	}
	if locker == nil {
		faults = append(faults, errors.New("the Locker is nil"))
	}
	if err := configError(faults...); err != nil {
		return nil, err
	}
	c := &Cache[V]{
		data:    data{client},
		ear:     newEar(client),
		locker:  locker,
		cfg:     cfg,
		codec:   codec,
		flights: make(map[string]*flight[V]),
	}
	c.life, c.end = context.WithCancelCause(context.Background())
	return c, nil
}

func clientFault(client redis.UniversalClient) error {
	absent := client == nil
	switch c := client.(type) {
	case *redis.Client:
		absent = c == nil
	case *redis.ClusterClient:
		absent = c == nil
	case *redis.Ring:
		return errors.New("a Ring has no one place to listen for announcements: use a Cluster, or a Cache for each shard")
	}
	if absent {
		return errors.New("the client is nil")
	}
	return nil
}

// Close ends the loads of this process with [ErrClosed], and joins every goroutine: a loader that ignores the end of
// its context holds it up. Claims of loads under way are given up, so that other processes can load. Calls after
// the first wait likewise. It must not be called from a loader or a hook.
func (c *Cache[V]) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.end(ErrClosed)
	c.work.Wait()
	c.ear.close()
	return nil
}

// A task is what one call asks for.
type task[V any] struct {
	key      string
	names    names
	settings settings
	load     Loader[V]
	force    bool   // whatever is there is loaded anew
	behind   bool   // nobody waits: if somebody else loads, that will do
	parted   func() // told when the task waits for somebody else, or is done; may be nil
}

// task judges what a call says. fault is one more that it has, or nil.
func (c *Cache[V]) task(ctx context.Context, key string, load Loader[V], opts []CallOption, fault error) (task[V], error) {
	s, err := c.cfg.with(opts)
	return task[V]{key: key, names: namesOf(c.cfg.prefix, key), settings: s, load: load},
		configError(contextFault(ctx), keyFault(key), err, fault)
}

// Get returns the value, fresh or stale, and whether there is one: one round trip. It loads nothing. That the
// source has no such value, if it is remembered, is [ErrNotFound].
//
// Errors: [ErrNotFound]; [*ConfigError]; that of the data node.
func (c *Cache[V]) Get(ctx context.Context, key string) (Entry[V], bool, error) {
	t, err := c.task(ctx, key, nil, nil, nil)
	if err != nil {
		return Entry[V]{}, false, err
	}
	f := c.look(ctx, t)
	switch {
	case f.err != nil:
		return Entry[V]{}, false, fmt.Errorf("stampede: reading %q: %w", key, f.err)
	case f.verdict == missing, f.verdict == overdue:
		return Entry[V]{}, false, nil
	case f.absent:
		return Entry[V]{}, false, fmt.Errorf("%w: %q", ErrNotFound, key)
	}
	c.tellServed(key, f)
	return f.entry, true, nil
}

// Put stores a value for ttl, or for what [WithTTL] says if ttl is 0, and voids whatever load of it is under way.
//
// Errors: [*ConfigError]; that of the codec or the data node, after which it is not known whether it was stored.
func (c *Cache[V]) Put(ctx context.Context, key string, v V, ttl time.Duration) error {
	var opts []CallOption
	if ttl != 0 {
		opts = append(opts, WithTTL(ttl))
	}
	t, err := c.task(ctx, key, nil, opts, nil)
	if err != nil {
		return err
	}
	payload, err := c.codec.Marshal(v)
	if err != nil {
		return fmt.Errorf("stampede: encoding the value of %q: %w", key, err)
	}
	f := frame{mark: unnumbered | rand.Uint64(), payload: payload} //nolint:gosec // it tells values apart, and keeps no secret
	f.fresh, f.hard = t.settings.times(c.random())
	blob := f.encode()
	err = c.data.put(ctx, t.names, blob, f.hard, valueMessage(blob))
	c.forget(key)
	if err != nil {
		return fmt.Errorf("stampede: storing %q: %w", key, err)
	}
	return nil
}

// Invalidate forgets a value: call it after the source has changed. What is being loaded meanwhile is not stored,
// and goes to nobody who asks after Invalidate has returned, but for an announcement on its way.
//
// Errors: [*ConfigError]; that of the data node, after which it is not known whether the value is gone: call again.
func (c *Cache[V]) Invalidate(ctx context.Context, key string) error {
	t, err := c.task(ctx, key, nil, nil, nil)
	if err != nil {
		return err
	}
	err = c.data.invalidate(ctx, t.names)
	c.forget(key)
	if err != nil {
		return fmt.Errorf("stampede: invalidating %q: %w", key, err)
	}
	return nil
}

// GetOrLoad returns the value, and lets load make it if there is none. Of all callers of all processes that miss
// it at the same time one loads, the others wait for that load. A fresh value costs one round trip to the data
// node; a stale one, see [WithStale], is returned at once while it is loaded anew in the background.
//
// ctx bounds this caller's waiting alone, not the load. load may run after GetOrLoad has returned.
//
// Errors: [*LoadError], which wraps what a loader returned; [ErrNotFound]; [ErrUnavailable]; [ErrFenced] if the
// value was put or invalidated all the time; [ErrClosed]; [*ConfigError]; the error of ctx.
func (c *Cache[V]) GetOrLoad(ctx context.Context, key string, load Loader[V], opts ...CallOption) (Entry[V], error) {
	t, err := c.task(ctx, key, load, opts, loaderFault(load == nil))
	if err != nil {
		return Entry[V]{}, err
	}
	return c.get(ctx, t)
}

// Refresh loads a value anew, however fresh it is, and returns it. The load begins after the call. If somebody is
// loading, it waits for its turn; calls of one process that wait share a load.
//
// Errors: those of [Cache.GetOrLoad].
func (c *Cache[V]) Refresh(ctx context.Context, key string, load Loader[V], opts ...CallOption) (Entry[V], error) {
	t, err := c.task(ctx, key, load, opts, loaderFault(load == nil))
	if err != nil {
		return Entry[V]{}, err
	}
	t.force = true
	return c.get(ctx, t)
}

func loaderFault(absent bool) error {
	if absent {
		return errors.New("the loader is nil")
	}
	return nil
}

// rounds bounds how often one call starts again since what it waited for was void.
const rounds = 16

func (c *Cache[V]) get(ctx context.Context, t task[V]) (Entry[V], error) {
	for range rounds {
		if entry, err, again := c.getFrom(ctx, t, c.look(ctx, t)); !again {
			return entry, err
		}
	}
	return Entry[V]{}, fmt.Errorf("%w: %q, %d times in a row", ErrFenced, t.key, rounds)
}

// getFrom is one round, with the look done. again means that what it waited for was void.
func (c *Cache[V]) getFrom(ctx context.Context, t task[V], f found[V]) (entry Entry[V], err error, again bool) { //nolint:revive // whether comes last, as everywhere
	if entry, err, served := c.serve(ctx, t, f); served {
		return entry, err, false
	}
	out, err := c.share(ctx, t, f)
	if err != nil || out.again {
		return entry, err, err == nil
	}
	entry, err = c.lastResort(t, f, out)
	return entry, err, false
}

// serve answers a call without waiting, if that can be.
func (c *Cache[V]) serve(ctx context.Context, t task[V], f found[V]) (entry Entry[V], err error, served bool) { //nolint:revive // whether comes last, as everywhere
	switch {
	case f.err != nil:
		if ctx.Err() != nil {
			return entry, fmt.Errorf("stampede: reading %q: %w", t.key, context.Cause(ctx)), true
		}
		c.cfg.hooks.failed(t.key, "read", f.err)
		if t.settings.unavailable == FailClosed {
			return entry, fmt.Errorf("%w: reading %q: %w", ErrUnavailable, t.key, f.err), true
		}
		return entry, nil, false
	case t.force, f.verdict == missing, f.verdict == overdue:
		return entry, nil, false
	case f.verdict != fresh:
		c.refreshBehind(ctx, t, f)
	}
	if f.absent {
		return entry, fmt.Errorf("%w: %q", ErrNotFound, t.key), true
	}
	c.tellServed(t.key, f)
	return f.entry, nil, true
}

func (c *Cache[V]) tellServed(key string, f found[V]) {
	if f.verdict == stale {
		c.cfg.hooks.stale(key, f.entry.Age, nil)
		return
	}
	c.cfg.hooks.hit(key, f.entry.Age)
}

// lastResort is what a call gets in the end: an old value, if there is one and there is no new one.
func (c *Cache[V]) lastResort(t task[V], f found[V], out outcome[V]) (Entry[V], error) {
	if out.err == nil || t.force || f.verdict != overdue || f.absent ||
		errors.Is(out.err, ErrNotFound) || errors.Is(out.err, ErrClosed) {
		return out.entry, out.err
	}
	c.cfg.hooks.stale(t.key, f.entry.Age, out.err)
	return f.entry, nil
}

// A found value is a look, judged.
type found[V any] struct {
	verdict verdict
	absent  bool
	entry   Entry[V]
	mark    string // what scripts see of it
	err     error  // of the data node
}

func (c *Cache[V]) look(ctx context.Context, t task[V]) found[V] {
	l, err := c.data.read(ctx, t.names)
	return c.judge(t, l, err)
}

func (c *Cache[V]) judge(t task[V], l look, err error) found[V] {
	if err != nil {
		return found[V]{err: err}
	}
	if l.blob == nil {
		return found[V]{}
	}
	out := found[V]{mark: markOf(l.blob)}
	f, err := decodeFrame(l.blob)
	if err == nil {
		out.absent = f.absent
		out.entry, err = c.entryOf(f, Hit)
	}
	if err != nil { // as good as nothing, and replaced
		c.cfg.hooks.failed(t.key, "decode", err)
		return out
	}
	out.verdict, out.entry.Age = t.settings.judge(f, l.left, c.random())
	if out.verdict == stale || out.verdict == overdue {
		out.entry.Source = Stale
	}
	return out
}

func (c *Cache[V]) entryOf(f frame, from Source) (Entry[V], error) {
	entry := Entry[V]{Token: tokenOf(f.mark), Source: from}
	if f.absent {
		return entry, nil
	}
	var err error
	entry.Value, err = c.codec.Unmarshal(f.payload)
	return entry, err
}

func (c *Cache[V]) random() float64 { return rand.Float64() } //nolint:gosec // it spreads load, and keeps no secret
