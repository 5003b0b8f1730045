package peers

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-redsync/redsync/v4"
	redsyncredis "github.com/go-redsync/redsync/v4/redis"
	"github.com/go-redsync/redsync/v4/redis/goredis/v9"
	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/redlock"
)

const name = "invoice:42"

// bothOn returns a maker of locks of each kind, over the same five servers.
func bothOn(t *testing.T) (*redlock.Locker, *redsync.Redsync) {
	t.Helper()
	var (
		nodes []*redis.Options
		pools []redsyncredis.Pool
	)
	for _, server := range quorumtest.Fleet(t, 5) {
		client := redis.NewClient(&redis.Options{Addr: server.Addr()})
		t.Cleanup(func() { client.Close() })
		nodes = append(nodes, client.Options())
		pools = append(pools, goredis.NewPool(client))
	}
	locker, err := redlock.New(nodes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { locker.Close() })
	return locker, redsync.New(pools...)
}

func TestInteroperationRedsyncHolds(t *testing.T) {
	locker, theirs := bothOn(t)
	mutex := theirs.NewMutex(name)
	if err := mutex.TryLockContext(t.Context()); err != nil {
		t.Fatalf("redsync cannot lock a free name: %v", err)
	}

	if _, err := locker.TryAcquire(t.Context(), name); !errors.Is(err, redlock.ErrHeld) {
		t.Errorf("TryAcquire while redsync holds the name: %v, want ErrHeld", err)
	}
	unlock(t, mutex)
	lease, err := locker.TryAcquire(t.Context(), name)
	if err != nil {
		t.Fatalf("TryAcquire after redsync unlocked: %v", err)
	}
	release(t, lease)
}

func TestInteroperationWeHold(t *testing.T) {
	locker, theirs := bothOn(t)
	lease, err := locker.TryAcquire(t.Context(), name)
	if err != nil {
		t.Fatalf("TryAcquire of a free name: %v", err)
	}

	mutex := theirs.NewMutex(name)
	var taken *redsync.ErrTaken
	if err := mutex.TryLockContext(t.Context()); !errors.As(err, &taken) {
		t.Errorf("redsync locks while we hold the name: %v, want ErrTaken", err)
	}
	if !lease.Valid() {
		t.Error("our lease did not survive the attempt of redsync")
	}
	release(t, lease)
	if err := mutex.TryLockContext(t.Context()); err != nil {
		t.Fatalf("redsync cannot lock after our release: %v", err)
	}
	unlock(t, mutex)
}

// TestProveInteroperation lets goroutines of both kinds compete for one name until each has had it
// several times, and looks for two inside at once.
func TestProveInteroperation(t *testing.T) {
	workers, visits := 4, 5
	if os.Getenv("REDLOCK_PROVE") != "" {
		workers, visits = 8, 100
	}
	locker, theirs := bothOn(t)
	var (
		room room
		all  sync.WaitGroup
	)
	compete := func(visit func(context.Context) error) {
		all.Go(func() {
			for range visits {
				if err := visit(t.Context()); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range workers {
		compete(func(ctx context.Context) error { return room.visitWithLease(ctx, locker) })
		compete(func(ctx context.Context) error { return room.visitWithMutex(ctx, theirs) })
	}
	all.Wait()

	leases, mutexes, collisions := room.leases.Load(), room.mutexes.Load(), room.collisions.Load()
	t.Logf("%d visits under our lease, %d under redsync's mutex, %d collisions", leases, mutexes, collisions)
	if collisions > 0 {
		t.Errorf("%d times a visitor met another one inside, want never", collisions)
	}
	if leases == 0 || mutexes == 0 {
		t.Error("one kind of lock was never acquired, so nothing competed")
	}
}

// A room is for one visitor at a time and notices when there are more.
type room struct {
	inside, collisions atomic.Int64
	leases, mutexes    atomic.Int64 // visits under each kind of lock
}

func (r *room) visit() {
	if r.inside.Add(1) > 1 {
		r.collisions.Add(1)
	}
	time.Sleep(time.Millisecond) // long enough for a second holder to come in, if there is one
	r.inside.Add(-1)
}

func (r *room) visitWithLease(ctx context.Context, locker *redlock.Locker) error {
	lease, err := locker.Acquire(ctx, name)
	if err != nil {
		return err
	}
	r.visit()
	r.leases.Add(1)
	return lease.Release(ctx)
}

func (r *room) visitWithMutex(ctx context.Context, locks *redsync.Redsync) error {
	mutex := locks.NewMutex(name,
		redsync.WithTries(1_000_000), // until the test ends
		redsync.WithRetryDelayFunc(func(int) time.Duration {
			return 5*time.Millisecond + rand.N(20*time.Millisecond)
		}))
	if err := mutex.LockContext(ctx); err != nil {
		return err
	}
	r.visit()
	r.mutexes.Add(1)
	_, err := mutex.UnlockContext(ctx)
	return err
}

func release(t *testing.T, lease *redlock.Lease) {
	t.Helper()
	if err := lease.Release(t.Context()); err != nil {
		t.Errorf("Release: %v", err)
	}
}

func unlock(t *testing.T, mutex *redsync.Mutex) {
	t.Helper()
	if ok, err := mutex.UnlockContext(t.Context()); !ok {
		t.Errorf("redsync cannot unlock: %v", err)
	}
}
