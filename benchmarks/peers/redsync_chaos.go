package peers

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/go-redsync/redsync/v4"
	redsyncredis "github.com/go-redsync/redsync/v4/redis"
	"github.com/go-redsync/redsync/v4/redis/goredis/v9"
	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/chaos"
)

// RedsyncLock opens redsync's lock for a [chaos.Load], over one go-redis client per node.
//
// The clients have their library's defaults, but for ContextTimeoutEnabled: without that, redsync's own limit
// on each try does nothing, and a silent node holds up everything for seconds.
//
// # Limits
//
// redsync goes by [time.Now], so it is reached by stops of processes and not by stops of a member's clock. It
// renews nothing by itself: a lease that is to be renewed just ends. It does not tell how many nodes stand by
// a lease; Votes is the majority that it asks for.
func RedsyncLock(m chaos.Member) (chaos.Lock, error) {
	if len(m.Redis) == 0 {
		return nil, errors.New("peers: redsync needs Redis servers")
	}
	l := &redsyncLock{}
	var pools []redsyncredis.Pool
	for _, opts := range m.Redis {
		opts.ContextTimeoutEnabled = true
		client := redis.NewClient(opts)
		l.clients = append(l.clients, client)
		pools = append(pools, goredis.NewPool(client))
	}
	l.locks = redsync.New(pools...)
	return l, nil
}

// redsyncLock is one client's redsync.
type redsyncLock struct {
	locks   *redsync.Redsync
	clients []*redis.Client
}

// Acquire makes one call of redsync, which tries once, or until ctx ends.
func (l *redsyncLock) Acquire(ctx context.Context, name string, terms chaos.Terms) (chaos.Lease, error) {
	mutex := l.locks.NewMutex(name, redsync.WithExpiry(terms.TTL), redsync.WithTries(math.MaxInt))
	lock := mutex.TryLockContext
	if terms.Wait {
		lock = mutex.LockContext
	}
	if err := lock(ctx); err != nil {
		return nil, err
	}
	return newRedsyncLease(mutex, len(l.clients)/2+1), nil
}

// Close closes the clients.
func (l *redsyncLock) Close() error {
	var errs []error
	for _, c := range l.clients {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// redsyncLease is a locked mutex. It ends once, at the latest at the mutex's Until.
type redsyncLease struct {
	mutex  *redsync.Mutex
	votes  int
	ctx    context.Context //nolint:containedctx // it is what the lease hands out
	cancel context.CancelCauseFunc

	mu    sync.Mutex
	until time.Time
	over  bool
	end   *time.Timer
}

var (
	errExpired  = errors.New("peers: the mutex has expired")
	errUnlocked = errors.New("peers: the mutex was unlocked")
)

func newRedsyncLease(mutex *redsync.Mutex, votes int) *redsyncLease {
	l := &redsyncLease{mutex: mutex, votes: votes, until: mutex.Until()}
	l.ctx, l.cancel = context.WithCancelCause(context.Background())
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end = time.AfterFunc(time.Until(l.until), func() { l.Remaining() })
	return l
}

// Context ends when the lease does.
func (l *redsyncLease) Context() context.Context { return l.ctx }

// Remaining is the time until the mutex's Until. Once that is over, the lease is.
func (l *redsyncLease) Remaining() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return 0
	}
	left := time.Until(l.until)
	if left <= 0 {
		l.finish(errExpired)
	}
	return max(left, 0)
}

// finish needs mu.
func (l *redsyncLease) finish(why error) {
	l.over = true
	l.end.Stop()
	l.cancel(why)
}

// Votes is the majority while the lease holds.
func (l *redsyncLease) Votes() int {
	if l.Remaining() == 0 {
		return 0
	}
	return l.votes
}

// Extend asks redsync to extend the mutex. What was over before the answer stays over.
func (l *redsyncLease) Extend(ctx context.Context) error {
	if l.Remaining() == 0 {
		return context.Cause(l.ctx)
	}
	if ok, err := l.mutex.ExtendContext(ctx); !ok {
		return fmt.Errorf("peers: redsync did not extend: %w", orUnknown(err))
	}
	if l.Remaining() == 0 {
		return context.Cause(l.ctx)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = l.mutex.Until()
	l.end.Reset(time.Until(l.until))
	return nil
}

// Release unlocks the mutex.
func (l *redsyncLease) Release(ctx context.Context) error {
	l.mu.Lock()
	if !l.over {
		l.finish(errUnlocked)
	}
	l.mu.Unlock()
	if ok, err := l.mutex.UnlockContext(ctx); !ok {
		return fmt.Errorf("peers: redsync did not unlock: %w", orUnknown(err))
	}
	return nil
}

// orUnknown stands in for an error that was not told.
func orUnknown(err error) error {
	if err == nil {
		return errors.New("no majority did")
	}
	return err
}
