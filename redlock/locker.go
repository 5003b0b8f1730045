package redlock

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/redisnode"
	"github.com/redis/go-redis/v9"
)

// A Locker takes locks on one fleet of nodes. A program needs one per fleet, for all its locks. Make one
// with [Open], [New] or [NewWithNodes], and end it with [Locker.Close]. All methods may be called from
// several goroutines.
type Locker struct {
	cfg    config
	clock  clock.Clock
	engine *quorum.Engine
	sched  *scheduler
	jitter *jitter
	id     string // its name among those who wait
	turns  turns
	lines  lines
	hooks  Hooks

	seen     atomic.Uint64 // the greatest fencing token
	counters counters

	entry      sync.Mutex     // orders the start of attempts and the closing
	attempts   sync.WaitGroup // under way: one that wins while the Locker closes must still be undone
	background sync.WaitGroup // renewals and hooks, started by the scheduler
	closing    chan struct{}
	closed     chan struct{} // closed once all has ended
}

// Open makes a Locker over the Redis servers at urls (redis://, rediss:// or unix://, one per node) and
// tries to reach them, for a second at most, until a majority has answered. It succeeds with nodes down,
// also with all of them: a lock survives that, so its start does too. It fails with a [*ConfigError] for URLs or options that break a rule, and with the
// error of ctx. No error tells a password.
func Open(ctx context.Context, urls []string, opts ...Option) (*Locker, error) {
	if err := validateContext(ctx); err != nil {
		return nil, err
	}
	nodes := make([]*redis.Options, len(urls))
	faults := make([]error, len(urls))
	for i, url := range urls {
		if nodes[i], faults[i] = redisnode.ParseURL(url); faults[i] != nil {
			faults[i] = fmt.Errorf("node %d of %d: %w", i+1, len(urls), faults[i])
		}
	}
	if err := configError(faults...); err != nil {
		return nil, err
	}
	l, err := New(nodes, opts...)
	if err != nil {
		return nil, err
	}
	if err := l.reach(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// reachTimeout bounds the opening of the first connections. They take several round trips, so that a
// node far away may need longer than it has to answer later.
const reachTimeout = time.Second

// reach opens connections, so that the first lock does not have to.
func (l *Locker) reach(ctx context.Context) error {
	timeout := reachTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(deadline))
	}
	if err := l.engine.Reach(ctx, timeout); err != nil {
		return fmt.Errorf("redlock: reaching the nodes: %w", err)
	}
	return nil
}

// New makes a Locker over Redis servers without talking to them. The Locker opens connections of its
// own, made from nodes: addresses, TLS, credentials, database, client name and OnConnect are kept;
// timeouts and retries are its own, since a lock needs other ones. The Options of an existing client
// will do. It fails with a [*ConfigError].
func New(nodes []*redis.Options, opts ...Option) (*Locker, error) {
	cfg := newConfig(opts)
	if err := cfg.validate(len(nodes)); err != nil {
		return nil, err
	}
	made := make([]quorum.Node, 0, len(nodes))
	var faults []error
	for i, node := range nodes {
		n, err := redisnode.New(node, cfg.clock)
		if err != nil {
			faults = append(faults, fmt.Errorf("node %d of %d: %w", i+1, len(nodes), err))
			continue
		}
		made = append(made, n)
	}
	if len(faults) > 0 {
		closeAll(made)
		return nil, configError(faults...)
	}
	return newLocker(made, cfg)
}

// NewWithNodes makes a Locker over nodes, which it owns from then on, also if it fails: they are closed.
// It fails with a [*ConfigError]. Nodes in memory are in package memnode, for tests.
func NewWithNodes(nodes []quorum.Node, opts ...Option) (*Locker, error) {
	cfg := newConfig(opts)
	if err := cfg.validate(len(nodes)); err != nil {
		closeAll(nodes)
		return nil, err
	}
	return newLocker(nodes, cfg)
}

func closeAll(nodes []quorum.Node) {
	for _, node := range nodes {
		if node != nil {
			_ = node.Close() // it has done nothing that could fail
		}
	}
}

func newLocker(nodes []quorum.Node, cfg config) (*Locker, error) {
	l := &Locker{
		cfg:     cfg,
		clock:   cfg.clock,
		hooks:   cfg.hooks,
		jitter:  newJitter(),
		id:      newWaiterID(),
		closing: make(chan struct{}),
		closed:  make(chan struct{}),
	}
	engine, err := quorum.NewEngine(nodes, quorum.Config{
		Clock:    cfg.clock,
		Votes:    cfg.votes,
		Drift:    cfg.drift,
		Observer: l.observer(),
	})
	if err != nil {
		closeAll(nodes)
		return nil, configError(err)
	}
	l.engine = engine
	l.sched = newScheduler(cfg.clock)
	return l, nil
}

// observer turns what the engine notices into hooks.
func (l *Locker) observer() quorum.Observer {
	var o quorum.Observer
	if hook := l.hooks.Healed; hook != nil {
		o.Healed = func(key, node string) { hook(HealedEvent{Name: l.nameOf(key), Node: node}) }
	}
	if hook := l.hooks.NodeDown; hook != nil {
		o.Down = func(node string, err error) { hook(NodeEvent{Node: node, Err: err}) }
	}
	if hook := l.hooks.NodeUp; hook != nil {
		o.Up = func(node string) { hook(NodeEvent{Node: node}) }
	}
	return o
}

// keyOf is the key of a lock on the nodes.
func (l *Locker) keyOf(name string) string {
	if l.cfg.namespace == "" {
		return name
	}
	return l.cfg.namespace + ":" + name
}

// nameOf is the inverse of keyOf, for keys of this Locker.
func (l *Locker) nameOf(key string) string {
	if l.cfg.namespace == "" {
		return key
	}
	return strings.TrimPrefix(key, l.cfg.namespace+":")
}

// spawn runs f in a goroutine that Close joins. Only the scheduler calls it, which Close ends first.
func (l *Locker) spawn(f func()) { l.background.Go(f) }

// Close ends every lease with [ErrClosed] and every waiting call, stops renewing, finishes undoing what
// missed, and joins every goroutine. It does not release: keys of leases that their holders did not
// release run out at their TTL, since freeing a lock under work that is still running would be worse.
// No hook tells of leases that end like this. It takes a few node timeouts at most. Calls after the first
// wait for it, and return nil. It must not be called from a hook, for which it would wait.
func (l *Locker) Close() error {
	if !l.shut() {
		<-l.closed
		return nil
	}
	defer close(l.closed)
	for _, t := range l.sched.close() {
		t.(*Lease).end(stateClosed, ErrClosed, LostEvent{}) //nolint:forcetypeassert // it has no other tasks
	}
	l.attempts.Wait()
	err := l.engine.Close() // ends the renewals that the background waits for
	l.background.Wait()
	return err
}

// shut admits no more attempts, and reports whether this is the first call.
func (l *Locker) shut() bool {
	l.entry.Lock()
	defer l.entry.Unlock()
	if l.isClosing() {
		return false
	}
	close(l.closing)
	return true
}

// enter admits an attempt, which ends with l.attempts.Done.
func (l *Locker) enter() error {
	l.entry.Lock()
	defer l.entry.Unlock()
	if l.isClosing() {
		return ErrClosed
	}
	l.attempts.Add(1)
	return nil
}

func (l *Locker) isClosing() bool {
	select {
	case <-l.closing:
		return true
	default:
		return false
	}
}

func validateContext(ctx context.Context) error {
	if ctx == nil {
		return configError(errors.New("ctx is nil: use context.Background()"))
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("redlock: ctx had ended before the call: %w", err)
	}
	return nil
}

// request checks everything that a call for a lease says, and returns its settings.
func (l *Locker) request(ctx context.Context, name string, opts []AcquireOption) (*leaseConfig, error) {
	if err := validateContext(ctx); err != nil {
		return nil, err
	}
	a, faults := &l.cfg.lease, []error(nil) // which all leases share that say nothing else
	if len(opts) > 0 {                      // the Locker's own settings were judged when it was made
		own := l.cfg.lease.with(opts)
		a, faults = &own, own.faults(l.cfg)
	}
	key := name
	if name != "" {
		key = l.keyOf(name)
	}
	if err := validateKey(key); err != nil {
		faults = append(faults, err)
	}
	return a, configError(faults...)
}

// since is the time since start, for events.
func (l *Locker) since(start clock.Instant) time.Duration { return l.clock.Now().Sub(start) }
