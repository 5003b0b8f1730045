package redlock_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/memnode"
	"github.com/quorumlock/quorumlock/redlock"
)

func TestExactlyOneOfAHundredWins(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		winner := mustTry(t, f.locker(), "job")
		var wins, held atomic.Int32
		var group sync.WaitGroup
		l := f.locker()
		for range 100 {
			group.Go(func() {
				switch _, err := l.TryAcquire(t.Context(), "job"); {
				case err == nil:
					wins.Add(1)
				case errors.Is(err, redlock.ErrHeld):
					held.Add(1)
				default:
					t.Errorf("TryAcquire: %v", err)
				}
			})
		}
		group.Wait()
		if wins.Load() != 0 || held.Load() != 100 {
			t.Errorf("%d won and %d were refused while somebody held the lock", wins.Load(), held.Load())
		}
		mustRelease(t, winner)
	})
}

func TestWaitersTakeTurns(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		f.each(5, func(n *memnode.Node) { n.Delay(100*time.Microsecond, 100*time.Microsecond) })
		var inside, most, turns atomic.Int32
		var group sync.WaitGroup
		for range 8 {
			l := f.locker()
			group.Go(func() {
				for range 10 {
					lease, err := l.Acquire(t.Context(), "job")
					if err != nil {
						t.Errorf("Acquire: %v", err)
						return
					}
					most.Store(max(most.Load(), inside.Add(1)))
					sleep(3 * time.Millisecond)
					inside.Add(-1)
					turns.Add(1)
					mustRelease(t, lease)
				}
			})
		}
		group.Wait()
		if most.Load() != 1 || turns.Load() != 80 {
			t.Errorf("%d turns with up to %d at once, want 80 with 1", turns.Load(), most.Load())
		}
		synctest.Wait()
		if n := f.keys(); n != 0 {
			t.Errorf("%d nodes still have a key", n)
		}
	})
}

func TestAWaiterWinsWhenADeadHoldersTimeIsOver(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		f.close(func() *redlock.Locker {
			l := f.locker()
			mustTry(t, l, "job", redlock.WithTTL(5*time.Second))
			return l
		}())
		start := time.Now()
		lease, err := f.locker().Acquire(t.Context(), "job")
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < 5*time.Second || took > 5*time.Second+50*time.Millisecond {
			t.Errorf("won after %v, want right after the dead holder's 5s", took)
		}
		mustRelease(t, lease)
	})
}

func TestHeldTellsWhoAndForHowLong(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		l := f.locker()
		mustTry(t, l, "job", redlock.WithHolder("billing-7"), redlock.WithoutRenewal())
		sleep(4 * time.Second)
		_, err := l.TryAcquire(t.Context(), "job")
		var held *redlock.HeldError
		if !errors.As(err, &held) {
			t.Fatalf("error %v, want a *HeldError", err)
		}
		if held.Name != "job" || held.Holder != "billing-7" || held.Split || held.RetryAfter != 6*time.Second {
			t.Errorf("%+v, want job held by billing-7 for 6s", *held)
		}
	})
}

func TestAForeignHolderIsHeldWithoutALabel(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		f.each(5, func(n *memnode.Node) { n.Put("job", "b2hsYWxhbGFsYWxhbGFsYQ==", 0) })
		_, err := f.locker().TryAcquire(t.Context(), "job")
		var held *redlock.HeldError
		if !errors.As(err, &held) || held.Holder != "" || held.RetryAfter != 0 {
			t.Errorf("error %#v, want a *HeldError without label and time", err)
		}
	})
}

func TestALockThatIsSplitIsTold(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		for i, value := range []string{"a", "a", "b", "b", "c"} {
			f.nodes[i].Put("job", value, time.Minute)
		}
		_, err := f.locker().TryAcquire(t.Context(), "job")
		var held *redlock.HeldError
		if !errors.As(err, &held) || !held.Split {
			t.Errorf("error %v, want a *HeldError that says split", err)
		}
	})
}

func TestTooFewNodesIsNoQuorumNamingEachNode(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		f.nodes[0].Kill(true)
		f.nodes[2].Cut()
		f.nodes[4].Refuse(errors.New("connection refused"))
		start := time.Now()
		_, err := f.locker().TryAcquire(t.Context(), "job")
		wantIs(t, "TryAcquire", err, redlock.ErrNoQuorum)
		if took := time.Since(start); took > 500*time.Millisecond {
			t.Errorf("took %v, want at most the node deadline of 500ms", took)
		}
		for _, want := range []string{"mem-1: memnode: killed", "mem-3: context deadline exceeded", "mem-5: connection refused"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("error %q does not say %q", err, want)
			}
		}
		if _, ok := errors.AsType[*redlock.NodeError](err); !ok {
			t.Error("no *NodeError in the error")
		}
		sleep(time.Second)
		if n := f.keys(); n != 0 {
			t.Errorf("%d nodes have a key of the missed attempt", n)
		}
	})
}

func TestAcquireWaitsForAMajorityToComeBack(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		f.each(3, func(n *memnode.Node) { n.Kill(true) })
		go func() {
			sleep(5 * time.Second)
			f.each(3, (*memnode.Node).Restart)
		}()
		lease, err := f.locker().Acquire(t.Context(), "job")
		if err != nil {
			t.Fatal(err)
		}
		mustRelease(t, lease)
	})
}

func TestAcquireDoesNotWaitForWhatDoesNotMend(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		f.each(3, func(n *memnode.Node) {
			n.Refuse(&quorum.NodeError{Node: n.Name(), Code: "WRONGPASS", Permanent: true, Err: errors.New("WRONGPASS")})
		})
		_, err := f.locker().Acquire(t.Context(), "job")
		wantIs(t, "Acquire", err, redlock.ErrNoQuorum)
		f.nodes[0].Refuse(nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := f.locker().Acquire(ctx, "job"); err != nil {
			t.Errorf("Acquire with a majority: %v", err)
		}
	})
}

func TestAcquireEndsWithItsContext(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		l := f.locker()
		mustTry(t, l, "job")
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		_, err := l.Acquire(ctx, "job")
		wantIs(t, "Acquire", err, context.DeadlineExceeded)
		wantIs(t, "Acquire", err, redlock.ErrHeld)
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("took %v, want 3s", took)
		}
	})
}

func TestCancelAtAnyMomentLeavesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		f.each(5, func(n *memnode.Node) { n.Delay(10*time.Millisecond, 10*time.Millisecond) })
		f.nodes[4].Delay(30*time.Millisecond, 30*time.Millisecond)
		l := f.locker()
		for at := time.Duration(0); at < 70*time.Millisecond; at += 500 * time.Microsecond {
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				sleep(at + time.Nanosecond)
				cancel()
			}()
			if lease, err := l.TryAcquire(ctx, "job"); err == nil {
				mustRelease(t, lease)
			} else {
				wantIs(t, "TryAcquire", err, context.Canceled)
			}
			sleep(150 * time.Millisecond)
			if n := f.keys(); n != 0 {
				t.Fatalf("cancelled after %v: %d nodes keep a key", at, n)
			}
			cancel()
		}
	})
}

func TestCloseEndsWaiters(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		holder, waiter := f.locker(), f.locker()
		mustTry(t, holder, "job")
		done := make(chan error)
		go func() {
			_, err := waiter.Acquire(t.Context(), "job")
			done <- err
		}()
		sleep(time.Second)
		f.close(waiter)
		wantIs(t, "Acquire", <-done, redlock.ErrClosed)
	})
}

// A Locker that is closed while an attempt is being won leaves no key of it.
func TestCloseDuringAnAttemptLeavesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		f.each(5, func(n *memnode.Node) { n.Delay(10*time.Millisecond, 10*time.Millisecond) })
		for at := time.Duration(0); at < 25*time.Millisecond; at += 500 * time.Microsecond {
			l := f.locker()
			done := make(chan error)
			go func() {
				_, err := l.TryAcquire(t.Context(), "job")
				done <- err
			}()
			sleep(at + time.Nanosecond)
			f.close(l)
			err := <-done
			if err != nil {
				wantIs(t, "TryAcquire", err, redlock.ErrClosed)
				if n := f.keys(); n != 0 {
					t.Fatalf("closed after %v: %d nodes keep a key that nobody got", at, n)
				}
			}
			f.each(5, (*memnode.Node).Wipe)
		}
	})
}

func TestHooksTellTheStoryOfALock(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		events := &record{}
		l := f.locker(redlock.WithHooks(events.hooks()), redlock.WithHolder("me"))
		lease := mustTry(t, l, "job")
		synctest.Wait() // all five have it, so that none has to be healed
		_, _ = l.TryAcquire(t.Context(), "job")
		sleep(4 * time.Second)
		mustRelease(t, lease)
		want := []string{"acquired job after 1 attempts", "held job by me", "renewed job", "released job <nil>"}
		if got := events.take(); !slices.Equal(got, want) {
			t.Errorf("hooks told %q, want %q", got, want)
		}
	})
}

func TestDo(t *testing.T) {
	failed := errors.New("failed")
	tests := map[string]struct {
		fn   func(ctx context.Context, f *fleet) error
		want []error
	}{
		"returns nil if fn does":     {func(context.Context, *fleet) error { return nil }, nil},
		"returns the error of fn":    {func(context.Context, *fleet) error { return failed }, []error{failed}},
		"joins a loss to no error":   {func(ctx context.Context, f *fleet) error { f.lose(ctx); return nil }, []error{redlock.ErrLost}},
		"joins a loss to fn's error": {func(ctx context.Context, f *fleet) error { f.lose(ctx); return failed }, []error{failed, redlock.ErrLost}},
		"a failed release does not hide fn's error": {func(_ context.Context, f *fleet) error {
			f.each(5, (*memnode.Node).Cut)
			return failed
		}, []error{failed, redlock.ErrNoQuorum}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fleet) {
				err := f.locker().Do(t.Context(), "job", func(ctx context.Context, lease *redlock.Lease) error {
					if !lease.Valid() {
						t.Error("fn runs without a valid lease")
					}
					return tc.fn(ctx, f)
				})
				if len(tc.want) == 0 && err != nil {
					t.Errorf("Do: %v, want nil", err)
				}
				for _, want := range tc.want {
					wantIs(t, "Do", err, want)
				}
			})
		})
	}
}

// lose cuts all nodes off and waits for ctx, which must end with the lease.
func (f *fleet) lose(ctx context.Context) {
	f.each(5, (*memnode.Node).Cut)
	wantIs(f.t, "fn's context", ended(ctx), redlock.ErrLost)
	f.each(5, (*memnode.Node).Restore)
}

func TestDoEndsFnWithItsCaller(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := f.locker().Do(ctx, "job", func(ctx context.Context, _ *redlock.Lease) error {
			return ended(ctx)
		})
		wantIs(t, "Do", err, context.DeadlineExceeded)
		synctest.Wait()
		if n := f.keys(); n != 0 {
			t.Errorf("%d nodes keep the key", n)
		}
	})
}

func TestDoReleasesAfterAPanic(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		l := f.locker()
		func() {
			defer func() {
				if recover() != "oops" {
					t.Error("the panic did not reach the caller")
				}
			}()
			_ = l.Do(t.Context(), "job", func(context.Context, *redlock.Lease) error { panic("oops") })
		}()
		mustRelease(t, mustTry(t, l, "job"))
	})
}

func TestStatus(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		l := f.locker(redlock.WithHolder("me"))
		free, err := l.Status(t.Context(), "job")
		if err != nil || free.Held || len(free.Nodes) != 5 || free.Ticket != "" {
			t.Errorf("of a free lock: %+v, %v", free, err)
		}
		lease := mustTry(t, l, "job", redlock.WithoutRenewal())
		synctest.Wait()
		f.nodes[0].Wipe()
		f.nodes[1].Kill(true)
		f.nodes[2].Put("job", "other", 0)
		sleep(time.Second)
		split, err := l.Status(t.Context(), "job")
		if err != nil || split.Held {
			t.Errorf("with two of five nodes: %+v, %v", split, err)
		}
		f.nodes[0].Put("job", split.Nodes[3].Holder, 0)
		f.nodes[2].Wipe()
		held := mustStatus(t, l)
		if n := held.Nodes; n[1].Err == nil || n[2].Held || n[3].Remaining != 9*time.Second || n[3].Holder != "me" || n[0].Remaining >= 0 {
			t.Errorf("nodes %+v", n)
		}
		mustRelease(t, lease)
	})
}

func mustStatus(t *testing.T, l *redlock.Locker) redlock.Status {
	t.Helper()
	status, err := l.Status(t.Context(), "job")
	if err != nil {
		t.Fatal(err)
	}
	return status
}

func TestStatusOfAHeldLockResumesIt(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		l := f.locker(redlock.WithHolder("me"))
		lease := mustTry(t, l, "job", redlock.WithoutRenewal())
		sleep(time.Second)
		f.nodes[3].Kill(true)
		status := mustStatus(t, l)
		if !status.Held || status.Holder != "me" || status.Remaining != 9*time.Second {
			t.Errorf("status %+v, want held by me for 9s", status)
		}
		resumed, err := f.locker().Resume(t.Context(), status.Ticket)
		if err != nil || resumed.Token() <= lease.Token() {
			t.Errorf("Resume: error %v, token %d; want one greater than %d", err, resumed.Token(), lease.Token())
		}
	})
}

func TestStatusWithTooFewNodesStillTellsWhatItKnows(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		f.each(3, func(n *memnode.Node) { n.Kill(true) })
		status, err := f.locker().Status(t.Context(), "job")
		wantIs(t, "Status", err, redlock.ErrNoQuorum)
		if len(status.Nodes) != 5 || status.Nodes[0].Err == nil || status.Nodes[4].Err != nil {
			t.Errorf("nodes %+v", status.Nodes)
		}
	})
}
