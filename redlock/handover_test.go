package redlock_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorumlock/quorumlock/quorum/memnode"
	"github.com/quorumlock/quorumlock/redlock"
)

// queue starts n calls of l, one after the other, and hands out who has got the lock, in order.
func queue(t *testing.T, l *redlock.Locker, who string, n int, hold time.Duration, turns chan<- string, opts ...redlock.AcquireOption) {
	t.Helper()
	for i := range n {
		go func() {
			lease, err := l.Acquire(t.Context(), "job", opts...)
			if err != nil {
				t.Errorf("%s, call %d: %v", who, i, err)
				turns <- "failed"
				return
			}
			turns <- who + string(rune('0'+i))
			sleep(hold)
			if err := lease.Release(t.Context()); err != nil {
				t.Errorf("%s, call %d: Release: %v", who, i, err)
			}
		}()
		sleep(trip / 10)
	}
}

func TestCallsOfOneLockerTakeTheLockInOrderAndNeverLetItGo(t *testing.T) {
	inWaitingRoom(t, func(t *testing.T, f *waitingRoom) {
		const calls = 30
		l := f.locker()
		lease := mustTry(t, l, "job")
		turns := make(chan string, calls)
		queue(t, l, "a", calls, 2*time.Millisecond, turns)
		sleep(50 * time.Millisecond) // the first of them does not ask at the moment
		f.removals()
		mustRelease(t, lease)
		for i := range calls {
			if i == calls-1 {
				if n := f.removals(); n != 0 {
					t.Errorf("a node's key was removed %d times while somebody held or was handed the lock", n)
				}
			}
			if got := <-turns; got != "a"+string(rune('0'+i)) {
				t.Errorf("turn %d is that of %q", i, got)
			}
		}
		if s := l.Stats(); s.HandedOver != calls || s.Acquired != calls+1 {
			t.Errorf("HandedOver %d of %d, want all but the first", s.HandedOver, s.Acquired)
		}
		f.gone()
	})
}

// A Locker keeps a lock among its own calls for so many hand-overs, or so long, while others wait.
func TestHandOversAreBounded(t *testing.T) {
	tests := map[string]struct {
		hold, ttl time.Duration
		most      int // leases in a row
	}{
		"by their number": {2 * time.Millisecond, 10 * time.Second, 9},
		"by the TTL":      {400 * time.Millisecond, time.Second, 4},
	}
	for sentence, tc := range tests {
		t.Run(sentence, func(t *testing.T) {
			inWaitingRoom(t, func(t *testing.T, f *waitingRoom) {
				const calls = 30
				a, b := f.locker(redlock.WithTTL(tc.ttl)), f.locker(redlock.WithTTL(tc.ttl))
				lease := mustTry(t, a, "job")
				turns := make(chan string, 2*calls)
				queue(t, a, "a", calls, tc.hold, turns)
				sleep(5 * trip)
				queue(t, b, "b", 4, tc.hold, turns)
				sleep(5 * trip)
				mustRelease(t, lease)
				var inRow, most, served int
				for i := range calls + 4 {
					if turn := <-turns; turn[0] == 'a' {
						inRow++
					} else {
						inRow, served = 0, served+1
					}
					if served < 4 {
						most = max(most, inRow)
					}
					if i == 2*tc.most && served == 0 {
						t.Errorf("after %d turns the other one has not had any", i+1)
					}
				}
				if most > tc.most || most < 2 {
					t.Errorf("one had up to %d turns in a row while the other waited, want %d at most, and more than one", most, tc.most)
				}
				sleep(tc.hold)
				f.gone()
			})
		})
	}
}

// aroundAHandOver returns moments before, in and after a hand-over that begins at 0, and many times the one at
// which the heir is told, when what it sees first is left to chance.
func aroundAHandOver() []time.Duration {
	moments := slices.Repeat([]time.Duration{trip}, 40)
	for at := time.Duration(0); at <= 3*trip; at += trip / 8 {
		moments = append(moments, at)
	}
	return moments
}

// Whatever happens to a call while the lock is handed to it, nothing stays held for nobody, and the next one has
// the lock at once.
func TestAnHeirThatLeaves(t *testing.T) {
	for _, after := range aroundAHandOver() {
		inWaitingRoom(t, func(t *testing.T, f *waitingRoom) {
			l := f.locker()
			lease := mustTry(t, l, "job")
			ctx, cancel := context.WithCancel(t.Context())
			heir, next := waits(ctx, l, "job"), waits(t.Context(), l, "job")
			sleep(50 * time.Millisecond)
			go func() { sleep(after); cancel() }()
			released := time.Now()
			mustRelease(t, lease)
			got := <-heir
			if got.err == nil {
				released = time.Now()
				mustRelease(t, got.lease)
			} else {
				wantIs(t, "the heir", got.err, context.Canceled)
			}
			got = <-next
			if took := got.at.Sub(released); got.err != nil || took > 20*time.Millisecond+3*trip {
				t.Errorf("the heir left after %v: the next one has the lock after %v, error %v", after, took, got.err)
			}
			if got.err == nil {
				mustRelease(t, got.lease)
			}
			f.gone()
		})
	}
}

func TestClosingALockerThatHandsOverLeavesNothing(t *testing.T) {
	for _, after := range aroundAHandOver() {
		inWaitingRoom(t, func(t *testing.T, f *waitingRoom) {
			l := f.locker()
			lease := mustTry(t, l, "job")
			heir := waits(t.Context(), l, "job")
			sleep(50 * time.Millisecond)
			closed := make(chan error, 1)
			go func() { sleep(after); closed <- l.Close() }()
			_ = lease.Release(t.Context())
			got := <-heir
			if err := <-closed; err != nil {
				t.Errorf("Close: %v", err)
			}
			if got.err == nil {
				return // it is closed with a lease that somebody has
			}
			wantIs(t, "the heir", got.err, redlock.ErrClosed)
			if after < trip/8 {
				return // closed before the release, perhaps
			}
			sleep(time.Second)
			if n := f.keys(); n > 0 {
				t.Errorf("closed after %v: %d nodes keep the key for nobody", after, n)
			}
		})
	}
}

// A hand-over that does not come about leaves the lock free, and its heir takes it by itself.
func TestAHandOverThatMisses(t *testing.T) {
	tests := map[string]struct {
		fault func(f *waitingRoom)
		limit time.Duration
		err   error
	}{
		"a majority is wiped": {func(f *waitingRoom) { f.each(3, (*memnode.Node).Wipe) }, 20 * time.Millisecond, nil},
		"a majority does not answer for a while": {func(f *waitingRoom) {
			f.each(3, (*memnode.Node).Cut)
			go func() { sleep(600 * time.Millisecond); f.each(3, (*memnode.Node).Restore) }()
		}, 600*time.Millisecond + 2*pollCap, redlock.ErrNoQuorum},
	}
	for sentence, tc := range tests {
		t.Run(sentence, func(t *testing.T) {
			inWaitingRoom(t, func(t *testing.T, f *waitingRoom) {
				l := f.locker()
				lease := mustTry(t, l, "job")
				heir := waits(t.Context(), l, "job")
				sleep(50 * time.Millisecond)
				tc.fault(f)
				released := time.Now()
				if err := lease.Release(t.Context()); !errors.Is(err, tc.err) {
					t.Errorf("Release: %v, want %v", err, tc.err)
				}
				next := takes(t, "the heir", heir, released, tc.limit)
				if s := l.Stats(); s.HandedOver != 0 {
					t.Errorf("HandedOver %d, want none", s.HandedOver)
				}
				mustRelease(t, next)
				f.gone()
			})
		})
	}
}

// A hand-over removes what it does not replace, on nodes that are late too.
func TestAHandOverLeavesNoOldValue(t *testing.T) {
	inWaitingRoom(t, func(t *testing.T, f *waitingRoom) {
		l := f.locker()
		lease := mustTry(t, l, "job", redlock.WithoutRenewal())
		heir := waits(t.Context(), l, "job", redlock.WithoutRenewal())
		sleep(50 * time.Millisecond)
		f.each(2, func(n *memnode.Node) { n.DropReplies(1) })
		f.nodes[1].Pause()
		mustRelease(t, lease)
		next := takes(t, "the heir", heir, time.Now(), atOnce)
		sleep(2 * time.Second)
		f.nodes[1].Resume()
		sleep(2 * time.Second)
		var values []string
		for _, n := range f.nodes {
			for _, held := range n.Keys() {
				values = append(values, held.Value)
			}
		}
		slices.Sort(values)
		if values = slices.Compact(values); len(values) != 1 {
			t.Errorf("nodes keep %d values, want one", len(values))
		}
		mustRelease(t, next)
		f.gone()
	})
}

func TestALostLeaseAndAMinimalHoldAreNotHandedOver(t *testing.T) {
	tests := map[string]struct {
		opts  []redlock.AcquireOption
		hold  time.Duration
		least time.Duration // from the grant on
		most  time.Duration
		err   error
	}{
		"a lost lease":   {[]redlock.AcquireOption{redlock.WithMaxHold(100 * time.Millisecond), redlock.WithMinValidity(50 * time.Millisecond)}, 150 * time.Millisecond, 150 * time.Millisecond, 150*time.Millisecond + atOnce + trip, redlock.ErrLost},
		"a minimal hold": {[]redlock.AcquireOption{redlock.WithMinHold(300 * time.Millisecond)}, 20 * time.Millisecond, 300*time.Millisecond - trip, 300*time.Millisecond + pollCap + slack, nil},
	}
	for sentence, tc := range tests {
		t.Run(sentence, func(t *testing.T) {
			inWaitingRoom(t, func(t *testing.T, f *waitingRoom) {
				l := f.locker()
				granted := time.Now()
				lease := mustTry(t, l, "job", tc.opts...)
				call := waits(t.Context(), l, "job")
				sleep(tc.hold - time.Since(granted))
				if err := lease.Release(t.Context()); !errors.Is(err, tc.err) {
					t.Errorf("Release: %v, want %v", err, tc.err)
				}
				got := <-call
				if took := got.at.Sub(granted); got.err != nil || took < tc.least || took > tc.most {
					t.Errorf("taken %v after the grant, error %v, want between %v and %v", took, got.err, tc.least, tc.most)
				}
				if s := l.Stats(); s.HandedOver != 0 {
					t.Errorf("HandedOver %d, want none", s.HandedOver)
				}
				mustRelease(t, got.lease)
				f.gone()
			})
		})
	}
}

// Whoever releases a lock that others wait for does not take it again before them.
func TestWhoReleasesIsCourteous(t *testing.T) {
	inWaitingRoom(t, func(t *testing.T, f *waitingRoom) {
		a, b := f.locker(), f.locker()
		for range 20 {
			lease, err := a.Acquire(t.Context(), "job")
			if err != nil {
				t.Fatal(err)
			}
			other := waits(t.Context(), b, "job")
			sleep(1100 * time.Millisecond) // every node has it on its list
			mustRelease(t, lease)
			again := make(chan arrival, 1)
			go func() {
				lease, err := a.Acquire(t.Context(), "job")
				again <- arrival{lease, err, time.Now()}
			}()
			select {
			case got := <-other:
				sleep(2 * trip)
				mustRelease(t, got.lease)
				got = <-again
				mustRelease(t, got.lease)
			case got := <-again:
				t.Error("who released the lock has it again before who waited for it")
				mustRelease(t, got.lease)
				got = <-other
				mustRelease(t, got.lease)
			}
			synctest.Wait()
			sleep(20 * time.Millisecond)
		}
	})
}
