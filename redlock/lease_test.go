package redlock_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum/memnode"
	"github.com/quorumlock/quorumlock/redlock"
)

func TestALeaseIsRenewedUntilItIsReleased(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		l := f.locker()
		lease := mustTry(t, l, "job")
		for range 20 {
			sleep(7 * time.Second)
			if !lease.Valid() || lease.Votes() != 5 {
				t.Fatalf("Valid %v, Votes %d, want true and 5", lease.Valid(), lease.Votes())
			}
		}
		mustRelease(t, lease)
		wantIs(t, "cause after release", ended(lease.Context()), redlock.ErrReleased)
		synctest.Wait()
		if n := f.keys(); n != 0 {
			t.Errorf("%d nodes still have a key after the release", n)
		}
		if err := lease.Release(t.Context()); err != nil {
			t.Errorf("second Release: %v, want nil", err)
		}
		wantIs(t, "Extend after release", lease.Extend(t.Context()), redlock.ErrReleased)
	})
}

func TestValidityIsTheFormula(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		f.each(5, func(n *memnode.Node) { n.Delay(20*time.Millisecond, 30*time.Millisecond) })
		lease := mustTry(t, f.locker(redlock.WithDrift(0.01, 5*time.Millisecond)), "job",
			redlock.WithTTL(10*time.Second), redlock.WithoutRenewal())
		const want = 10*time.Second - 100*time.Millisecond - 5*time.Millisecond - 2*time.Millisecond - 50*time.Millisecond
		if got := lease.Remaining(); got != want {
			t.Errorf("Remaining = %v, want %v: TTL less 1 %%, the step, the granularity and the round trip", got, want)
		}
		if got := time.Until(lease.Expires()); got != want {
			t.Errorf("Expires is %v away, want %v", got, want)
		}
	})
}

func TestALeaseThatNobodyRenewsEndsAtItsDeadline(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		lease := mustTry(t, f.locker(), "job", redlock.WithTTL(time.Second), redlock.WithoutRenewal())
		left, start := lease.Remaining(), time.Now()
		wantIs(t, "cause", ended(lease.Context()), redlock.ErrLost)
		if took := time.Since(start); took != left {
			t.Errorf("the context ended after %v, want %v", took, left)
		}
		if lease.Valid() || lease.Remaining() != 0 || lease.Votes() != 0 {
			t.Errorf("after the loss: Valid %v, Remaining %v, Votes %d", lease.Valid(), lease.Remaining(), lease.Votes())
		}
		wantIs(t, "Extend", lease.Extend(t.Context()), redlock.ErrLost)
		wantIs(t, "Release", lease.Release(t.Context()), redlock.ErrLost)
	})
}

// A holder that is cut off from all nodes is told before a rival can have the lock.
func TestAHolderCutOffIsToldBeforeARivalWins(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		holder, rival := f.locker(), f.locker()
		lease := mustTry(t, holder, "job", redlock.WithTTL(2*time.Second))
		sleep(3 * time.Second)
		f.each(5, (*memnode.Node).Cut)
		wantIs(t, "cause", ended(lease.Context()), redlock.ErrLost)
		f.each(5, (*memnode.Node).Restore)
		_, err := rival.TryAcquire(t.Context(), "job")
		wantIs(t, "a rival at the moment of the loss", err, redlock.ErrHeld)
		sleep(time.Second)
		mustRelease(t, mustTry(t, rival, "job"))
	})
}

func TestASuspendEndsALeaseAtTheFirstLook(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		skewed := clock.NewSkewed(f.clock)
		lease := mustTry(t, f.locker(redlock.WithClock(skewed)), "job")
		skewed.Suspend(time.Minute)
		if lease.Valid() {
			t.Error("Valid right after a suspend of a minute")
		}
		wantIs(t, "cause", context.Cause(lease.Context()), redlock.ErrLost)
	})
}

func TestASuspendIsNoticedWithoutAnybodyLooking(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		skewed := clock.NewSkewed(f.clock)
		lease := mustTry(t, f.locker(redlock.WithClock(skewed)), "job")
		sleep(time.Second)
		skewed.Suspend(time.Minute)
		start := time.Now()
		wantIs(t, "cause", ended(lease.Context()), redlock.ErrLost)
		if took := time.Since(start); took > 250*time.Millisecond {
			t.Errorf("the context ended %v after the suspend, want 250ms at most", took)
		}
	})
}

func TestALostLeaseStaysLost(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		lease := mustTry(t, f.locker(), "job", redlock.WithTTL(time.Second), redlock.WithGrace(10*time.Second))
		// Renewals arrive and are carried out, and their answers come when the lease is over: the nodes
		// have kept the key all the time.
		f.each(5, func(n *memnode.Node) { n.Delay(0, 49*time.Millisecond) })
		sleep(200 * time.Millisecond)
		f.each(5, (*memnode.Node).Pause)
		wantIs(t, "cause", ended(lease.Context()), redlock.ErrLost)
		f.each(5, (*memnode.Node).Resume)
		sleep(time.Second)
		if lease.Valid() {
			t.Error("late answers brought a lost lease back")
		}
	})
}

func TestRenewalSurvivesAMinority(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		events := &record{}
		lease := mustTry(t, f.locker(redlock.WithHooks(events.hooks())), "job", redlock.WithTTL(3*time.Second))
		f.nodes[0].Pause()
		f.nodes[1].Kill(false)
		sleep(time.Minute)
		if !lease.Valid() || lease.Votes() != 3 {
			t.Fatalf("Valid %v, Votes %d, want true and 3", lease.Valid(), lease.Votes())
		}
		f.nodes[0].Resume()
		f.nodes[1].Restart()
		sleep(10 * time.Second)
		if lease.Votes() != 5 {
			t.Errorf("Votes = %d after both came back, want 5", lease.Votes())
		}
		got := events.take()
		for _, want := range []string{"down mem-1", "down mem-2", "up mem-1", "up mem-2", "healed job on mem-2"} {
			if !slices.Contains(got, want) {
				t.Errorf("no hook said %q", want)
			}
		}
		if slices.Contains(got, "jeopardy job") {
			t.Error("a minority put the lease in jeopardy")
		}
	})
}

func TestJeopardyIsToldOnceThenTheLoss(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		events := &record{}
		lease := mustTry(t, f.locker(redlock.WithHooks(events.hooks())), "job", redlock.WithTTL(3*time.Second))
		f.each(3, (*memnode.Node).Cut)
		wantIs(t, "cause", ended(lease.Context()), redlock.ErrLost)
		synctest.Wait()
		var told []string
		for _, line := range events.take() {
			if !strings.Contains(line, "mem-") {
				told = append(told, line)
			}
		}
		want := []string{"acquired job after 1 attempts", "jeopardy job", "lost job"}
		if !slices.Equal(told, want) {
			t.Errorf("hooks told %q, want %q", told, want)
		}
	})
}

func TestALeaseOnTooFewNodesIsLostAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		lease := mustTry(t, f.locker(), "job")
		synctest.Wait() // all five have it
		f.each(3, (*memnode.Node).Wipe)
		err := lease.Extend(t.Context())
		wantIs(t, "Extend after three of five nodes lost the key", err, redlock.ErrLost)
		wantIs(t, "cause", context.Cause(lease.Context()), redlock.ErrLost)
		synctest.Wait()
		if n := f.keys(); n != 2 {
			t.Errorf("%d nodes have the key, want the 2 that kept it: a lost lock must not be healed", n)
		}
	})
}

func TestAllVotesMeanThatOneDenialEndsTheLease(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		lease := mustTry(t, f.locker(redlock.WithVotes(5)), "job", redlock.WithoutRenewal())
		synctest.Wait()
		f.nodes[3].Wipe()
		err := lease.Extend(t.Context())
		if err != nil && !errors.Is(err, redlock.ErrLost) {
			t.Errorf("Extend: %v", err)
		}
		if lease.Valid() {
			t.Error("still valid after a node denied it")
		}
	})
}

func TestMaxHoldEndsALease(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		lease := mustTry(t, f.locker(), "job", redlock.WithMaxHold(25*time.Second))
		start := time.Now()
		err := ended(lease.Context())
		wantIs(t, "cause", err, redlock.ErrLost)
		if took := time.Since(start); took != 25*time.Second {
			t.Errorf("ended after %v, want 25s", took)
		}
		if !strings.Contains(err.Error(), "MaxHold of 25s") {
			t.Errorf("cause %q does not name the rule", err)
		}
		if f.keys() == 0 {
			t.Error("the lock was freed under work that may still be running")
		}
	})
}

func TestMinHoldKeepsTheLock(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		l := f.locker()
		lease := mustTry(t, l, "job", redlock.WithMinHold(4*time.Second))
		sleep(time.Second)
		mustRelease(t, lease)
		sleep(2900 * time.Millisecond)
		_, err := l.TryAcquire(t.Context(), "job")
		wantIs(t, "before the minimal hold is over", err, redlock.ErrHeld)
		sleep(200 * time.Millisecond)
		long := mustTry(t, l, "job", redlock.WithMinHold(time.Second))
		sleep(2 * time.Second)
		mustRelease(t, long)
		synctest.Wait()
		if n := f.keys(); n != 0 {
			t.Errorf("%d nodes keep a key though the minimal hold was over at the release", n)
		}
	})
}

func TestGraceLetsNodesOutlastTheHolder(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		l := f.locker()
		lease := mustTry(t, l, "job", redlock.WithTTL(2*time.Second), redlock.WithGrace(3*time.Second), redlock.WithoutRenewal())
		<-lease.Context().Done()
		sleep(2900 * time.Millisecond)
		_, err := l.TryAcquire(t.Context(), "job")
		wantIs(t, "within the grace", err, redlock.ErrHeld)
		sleep(200 * time.Millisecond)
		mustRelease(t, mustTry(t, l, "job"))
	})
}

func TestReleaseWorksAfterItsContextHasEnded(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		f.each(5, func(n *memnode.Node) { n.Delay(5*time.Millisecond, 5*time.Millisecond) })
		lease := mustTry(t, f.locker(), "job")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := lease.Release(ctx); err != nil {
			t.Errorf("Release: %v", err)
		}
		synctest.Wait()
		sleep(20 * time.Millisecond)
		if n := f.keys(); n != 0 {
			t.Errorf("%d nodes keep the key", n)
		}
	})
}

func TestReleaseHonoursALiveContext(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		lease := mustTry(t, f.locker(), "job")
		f.each(3, (*memnode.Node).Pause)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		start := time.Now()
		wantIs(t, "Release", lease.Release(ctx), context.DeadlineExceeded)
		if took := time.Since(start); took != 20*time.Millisecond {
			t.Errorf("Release took %v", took)
		}
		f.each(3, (*memnode.Node).Resume)
		sleep(time.Second)
		if n := f.keys(); n != 0 {
			t.Errorf("%d nodes keep the key after they came back", n)
		}
	})
}

func TestTheLeaseContextCarriesValuesAndOutlivesTheWait(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		type key struct{}
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "trace"))
		lease, err := f.locker().Acquire(ctx, "job")
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		if lease.Context().Err() != nil || lease.Context().Value(key{}) != "trace" {
			t.Errorf("context error %v, value %v", lease.Context().Err(), lease.Context().Value(key{}))
		}
	})
}

func TestAParentEndsTheContextButNotTheLock(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		parent, cancel := context.WithCancelCause(t.Context())
		lease := mustTry(t, f.locker(), "job", redlock.WithParent(parent))
		stop := errors.New("stop")
		cancel(stop)
		wantIs(t, "cause", ended(lease.Context()), stop)
		synctest.Wait()
		if f.keys() != 5 {
			t.Error("the end of the parent released the lock")
		}
		mustRelease(t, lease)
	})
}

func TestATicketMovesALease(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		first, second := f.locker(redlock.WithNamespace("app")), f.locker(redlock.WithNamespace("app"))
		lease := mustTry(t, first, "job")
		ticket := lease.Ticket()
		f.close(first)
		wantIs(t, "cause in the first process", context.Cause(lease.Context()), redlock.ErrClosed)
		resumed, err := second.Resume(t.Context(), ticket)
		if err != nil {
			t.Fatalf("Resume: %v", err)
		}
		sleep(time.Minute)
		if !resumed.Valid() || resumed.Name() != "job" || resumed.Ticket() != ticket {
			t.Errorf("resumed: Valid %v, Name %q, same ticket %v", resumed.Valid(), resumed.Name(), resumed.Ticket() == ticket)
		}
		mustRelease(t, resumed)
		_, err = second.Resume(t.Context(), ticket)
		wantIs(t, "Resume of a released lease", err, redlock.ErrLost)
	})
}

func TestResumeRefusesOtherTickets(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		foreign := mustTry(t, f.locker(redlock.WithNamespace("b")), "job").Ticket()
		l := f.locker(redlock.WithNamespace("a"))
		for what, ticket := range map[string]string{
			"of another namespace": foreign,
			"empty":                "",
			"not base64":           "???",
			"cut short":            foreign[:4],
		} {
			var config *redlock.ConfigError
			if _, err := l.Resume(t.Context(), ticket); !errors.As(err, &config) {
				t.Errorf("a ticket %s: error %v, want a *ConfigError", what, err)
			}
		}
	})
}

func TestCloseEndsLeasesAndLeavesTheirKeys(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		l := f.locker()
		lease := mustTry(t, l, "job")
		f.close(l)
		wantIs(t, "cause", context.Cause(lease.Context()), redlock.ErrClosed)
		wantIs(t, "Release after Close", lease.Release(t.Context()), redlock.ErrClosed)
		if f.keys() != 5 {
			t.Error("Close freed a lock under its holder")
		}
		sleep(11 * time.Second)
		if n := f.keys(); n != 0 {
			t.Errorf("%d nodes have the key after its TTL: something still renews it", n)
		}
		for what, call := range map[string]func() error{
			"TryAcquire": func() error { _, err := l.TryAcquire(t.Context(), "x"); return err },
			"Acquire":    func() error { _, err := l.Acquire(t.Context(), "x"); return err },
			"Status":     func() error { _, err := l.Status(t.Context(), "x"); return err },
			"Resume":     func() error { _, err := l.Resume(t.Context(), lease.Ticket()); return err },
			"Extend":     func() error { return lease.Extend(t.Context()) },
		} {
			wantIs(t, what+" after Close", call(), redlock.ErrClosed)
		}
		f.close(l)
	})
}
