package redlock_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorumlock/quorumlock/quorum/memnode"
	"github.com/quorumlock/quorumlock/redlock"
)

// However many attempts of one process meet, each takes two rounds at most.
func TestAttemptsOfOneProcessDoNotQueueUp(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		mustTry(t, f.locker(), "job")
		synctest.Wait()
		f.each(5, func(n *memnode.Node) { n.Delay(25*time.Millisecond, 25*time.Millisecond) })
		l := f.locker()
		var group sync.WaitGroup
		for i := range 100 {
			group.Go(func() {
				sleep(time.Duration(i) * time.Millisecond)
				start := time.Now()
				_, err := l.TryAcquire(t.Context(), "job")
				wantIs(t, "TryAcquire", err, redlock.ErrHeld)
				if took := time.Since(start); took > 100*time.Millisecond {
					t.Errorf("attempt %d took %v, want two round trips, 100ms", i, took)
				}
			})
		}
		group.Wait()
	})
}

func TestAnEndedParentDoesNotHideALoss(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		parent, cancel := context.WithCancel(t.Context())
		lease := mustTry(t, f.locker(), "job", redlock.WithParent(parent), redlock.WithoutRenewal())
		cancel()
		sleep(11 * time.Second)
		wantIs(t, "Extend", lease.Extend(t.Context()), redlock.ErrLost)
		wantIs(t, "Release", lease.Release(t.Context()), redlock.ErrLost)
	})
}

func TestResumeReturnsNoDeadLease(t *testing.T) {
	tests := map[string][]redlock.AcquireOption{
		"whose TTL is shorter than the round trip": {redlock.WithTTL(20 * time.Millisecond)},
		"with too little of it left": {
			redlock.WithTTL(200 * time.Millisecond), redlock.WithMinValidity(190 * time.Millisecond),
		},
	}
	for name, opts := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fleet) {
				ticket := mustTry(t, f.locker(), "job").Ticket()
				f.each(5, func(n *memnode.Node) { n.Delay(12*time.Millisecond, 13*time.Millisecond) })
				_, err := f.locker().Resume(t.Context(), ticket, opts...)
				wantIs(t, "Resume", err, redlock.ErrNoQuorum)
				if f.keys() == 0 {
					t.Error("a Resume that failed has released the lease")
				}
			})
		})
	}
}

func TestMinHoldDoesNotProlongALostLease(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		lease := mustTry(t, f.locker(), "job", redlock.WithMinHold(20*time.Second))
		synctest.Wait()
		f.each(3, (*memnode.Node).Wipe)
		wantIs(t, "Extend", lease.Extend(t.Context()), redlock.ErrLost)
		wantIs(t, "Release", lease.Release(t.Context()), redlock.ErrLost)
		synctest.Wait()
		if n := f.keys(); n != 0 {
			t.Errorf("%d nodes keep what was left of a lost lease", n)
		}
	})
}

func TestMinHoldIsKeptThoughAnExtensionIsCarriedOutLate(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		lease := mustTry(t, f.locker(), "job", redlock.WithMinHold(4*time.Second))
		synctest.Wait()
		f.nodes[4].Delay(700*time.Millisecond, 0) // over the node deadline of 500ms
		if err := lease.Extend(t.Context()); err != nil {
			t.Fatal(err)
		}
		sleep(time.Second / 2)
		f.nodes[4].Delay(0, 0)
		mustRelease(t, lease)
		sleep(4 * time.Second)
		if n := f.keys(); n != 0 {
			t.Errorf("%d nodes keep the lock longer than its minimal hold", n)
		}
	})
}

func TestCloseMayBeCalledFromSeveralGoroutines(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		f.nodes[0].Cut()
		l := f.locker()
		mustTry(t, l, "job")
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() { f.close(l) })
		}
		group.Wait()
	})
}

func TestLookingAtALeaseCallsNoHook(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		var mu sync.Mutex // held by the caller while it looks, and by the hook
		told := make(chan struct{})
		l := f.locker(redlock.WithHooks(redlock.Hooks{Lost: func(redlock.LostEvent) {
			mu.Lock()
			defer mu.Unlock()
			close(told)
		}}))
		lease := mustTry(t, l, "job", redlock.WithoutRenewal())
		f.each(5, (*memnode.Node).Cut)
		sleep(lease.Remaining() - time.Nanosecond)
		mu.Lock()
		for lease.Valid() {
			sleep(time.Nanosecond)
		}
		mu.Unlock()
		<-told
	})
}

func TestDoTellsALossThoughFnReleased(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		err := f.locker().Do(t.Context(), "job", func(ctx context.Context, lease *redlock.Lease) error {
			f.lose(ctx)
			_ = lease.Release(ctx)
			return nil
		})
		wantIs(t, "Do", err, redlock.ErrLost)
	})
}

func TestDoReleasesThoughItsContextEnds(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		f.each(5, func(n *memnode.Node) { n.Delay(10*time.Millisecond, 10*time.Millisecond) })
		ctx, cancel := context.WithCancel(t.Context())
		err := f.locker().Do(ctx, "job", func(context.Context, *redlock.Lease) error {
			time.AfterFunc(time.Millisecond, cancel) // while the lock is being released
			return nil
		})
		if err != nil {
			t.Errorf("Do: %v, though fn succeeded and the lock was released", err)
		}
	})
}

func TestACallerWhoLeavesIsNoJeopardy(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		events := &record{}
		f.each(5, func(n *memnode.Node) { n.Delay(10*time.Millisecond, 10*time.Millisecond) })
		lease := mustTry(t, f.locker(redlock.WithHooks(events.hooks())), "job")
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		wantIs(t, "Extend", lease.Extend(ctx), context.DeadlineExceeded)
		mustRelease(t, lease)
		for _, line := range events.take() {
			if line == "jeopardy job" {
				t.Error("the caller's own deadline counts as jeopardy")
			}
		}
	})
}

func TestAHeldLockIsNotCalledSplitForALeftover(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		f.nodes[0].Put("job", "a leftover", time.Minute)
		mustTry(t, f.locker(redlock.WithHolder("me")), "job")
		synctest.Wait()
		_, err := f.locker().TryAcquire(t.Context(), "job")
		if held, ok := errors.AsType[*redlock.HeldError](err); !ok || held.Split || held.Holder != "me" {
			t.Errorf("error %v, want held by me", err)
		}
	})
}

// Many leases, and many callers, of one process on healthy servers are no reason to call a node down.
func TestManyCallersAreNotTakenForSickNodes(t *testing.T) {
	lab := newLab(t, 3)
	events := &record{}
	l := lab.direct(redlock.WithHooks(redlock.Hooks{
		NodeDown: func(e redlock.NodeEvent) { events.add("down %s: %v", e.Node, e.Err) },
	}))
	var group sync.WaitGroup
	for i := range 400 {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			lease, err := l.Acquire(ctx, fmt.Sprintf("many-%d", i), redlock.WithTTL(20*time.Second))
			if err != nil {
				t.Errorf("Acquire: %v", err)
				return
			}
			if err := lease.Release(ctx); err != nil {
				t.Errorf("Release: %v", err)
			}
		})
	}
	group.Wait()
	for _, line := range events.take() {
		t.Error(line)
	}
}
