package redlock_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/memnode"
	"github.com/quorumlock/quorumlock/redlock"
)

const (
	// pollCap is the longest pause of a waiting call with the default TTL, and slack what scheduling and the
	// asking add.
	pollCap = time.Second
	slack   = 50 * time.Millisecond
	// atOnce is the news, the taking, and two round trips to spare. No poll is that soon.
	atOnce = 4 * trip
	// afterHolding is the news, the longest that waiters hold back at this distance, and the taking.
	afterHolding = atOnce + trip + 8*time.Millisecond
)

func TestAFreedLockIsTakenAtOnceByWhoWaitedLongest(t *testing.T) {
	inWaitingRoom(t, func(t *testing.T, f *waitingRoom) {
		lease := mustTry(t, f.locker(), "job")
		waiting := []<-chan arrival{}
		for range 4 {
			waiting = append(waiting, waits(t.Context(), f.locker(), "job"))
		}
		sleep(300 * time.Millisecond) // before the first poll
		for i, next := range waiting {
			f.asks()
			freed := time.Now()
			mustRelease(t, lease)
			lease = takes(t, "the next waiter", next, freed, atOnce)
			sleep(20 * time.Millisecond)
			if n := f.asks(); n > 15 {
				t.Errorf("hand-over %d took %d operations, want three per node at most", i+1, n)
			}
		}
		mustRelease(t, lease)
		f.gone()
	})
}

// Announcements are hints. Without any, polls find every free lock.
func TestAFreeLockIsFoundByPolling(t *testing.T) {
	tests := map[string]struct {
		ttl, limit time.Duration
	}{
		"a long TTL":  {10 * time.Second, pollCap + slack},
		"a short TTL": {400 * time.Millisecond, 200*time.Millisecond + slack},
	}
	for sentence, tc := range tests {
		t.Run(sentence, func(t *testing.T) {
			for held := time.Duration(0); held < 2*tc.limit; held += tc.limit / 7 {
				inWaitingRoom(t, func(t *testing.T, f *waitingRoom) {
					f.loseAnnouncements()
					lease := mustTry(t, f.locker(), "job", redlock.WithTTL(tc.ttl))
					var waiting []<-chan arrival
					for range 3 {
						waiting = append(waiting, waits(t.Context(), f.locker(), "job", redlock.WithTTL(tc.ttl)))
					}
					sleep(held)
					for range waiting {
						freed := time.Now()
						mustRelease(t, lease)
						var got arrival
						select {
						case got = <-waiting[0]:
						case got = <-waiting[1]:
						case got = <-waiting[2]:
						}
						if got.err != nil || got.at.Sub(freed) > tc.limit {
							t.Fatalf("released after %v: taken after %v, error %v, want %v at most", held, got.at.Sub(freed), got.err, tc.limit)
						}
						lease = got.lease
					}
					mustRelease(t, lease)
				})
			}
		})
	}
}

// Nobody hears a release between the refusal and the moment from which on the nodes tell what happens.
func TestAReleaseBeforeTheSubscriptionIsNotMissed(t *testing.T) {
	const way = 20 * time.Millisecond // one; the refusal is there after 2, the nodes listen after 3 and say so after 4
	for released := 21 * time.Millisecond; released < 2*way; released += 3 * time.Millisecond {
		inWaitingRoom(t, func(t *testing.T, f *waitingRoom) {
			lease := mustTry(t, f.locker(), "job")
			f.each(5, func(n *memnode.Node) { n.Delay(way, way) })
			call := make(chan arrival, 1)
			l := f.locker()
			start := time.Now()
			go func() {
				lease, err := l.Acquire(t.Context(), "job")
				call <- arrival{lease, err, time.Now()}
			}()
			sleep(released)
			mustRelease(t, lease)
			takes(t, "the waiter", call, start, 4*way+4*way+trip) // the word of the nodes, then its home and the others
		})
	}
}

func TestTheTimeOfADeadHolderIsAllThatWaitersLose(t *testing.T) {
	for _, lost := range []bool{false, true} {
		inWaitingRoom(t, func(t *testing.T, f *waitingRoom) {
			if lost {
				f.loseAnnouncements()
			}
			const ttl = 2500 * time.Millisecond
			mustTry(t, f.locker(), "job", redlock.WithTTL(ttl), redlock.WithoutRenewal())
			granted := time.Now()
			first := make(chan arrival, 6)
			for range 6 {
				l := f.locker()
				go func() {
					lease, err := l.Acquire(t.Context(), "job")
					first <- arrival{lease, err, time.Now()}
				}()
				sleep(100 * time.Millisecond)
			}
			got := <-first
			if took := got.at.Sub(granted); got.err != nil || took > ttl+100*time.Millisecond {
				t.Errorf("taken after %v, error %v, want %v at most", took, got.err, ttl+100*time.Millisecond)
			}
			for range 5 {
				mustRelease(t, got.lease)
				got = <-first
			}
		})
	}
}

// Who is named and does not come costs the others the time that they hold back, once.
func TestAWaiterThatDiesDelaysTheOthersOnce(t *testing.T) {
	tests := map[string]func(cancel func(), l *redlock.Locker){
		"its context ends":     func(cancel func(), _ *redlock.Locker) { cancel() },
		"its Locker is closed": func(_ func(), l *redlock.Locker) { _ = l.Close() },
	}
	for sentence, die := range tests {
		t.Run(sentence, func(t *testing.T) {
			inWaitingRoom(t, func(t *testing.T, f *waitingRoom) {
				lease := mustTry(t, f.locker(), "job")
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				mortal := f.locker()
				dead := waits(ctx, mortal, "job")
				next, last := waits(t.Context(), f.locker(), "job"), waits(t.Context(), f.locker(), "job")
				sleep(100 * time.Millisecond)
				die(cancel, mortal)
				if got := <-dead; got.err == nil {
					t.Fatal("the dead waiter has the lock")
				}
				freed := time.Now()
				mustRelease(t, lease)
				var lease2 *redlock.Lease
				var left <-chan arrival
				select {
				case got := <-next:
					lease2, left = got.lease, last
				case got := <-last:
					lease2, left = got.lease, next
				}
				if took := time.Since(freed); took > afterHolding {
					t.Errorf("taken after %v, want %v at most", took, afterHolding)
				}
				sleep(100 * time.Millisecond)
				freed = time.Now()
				mustRelease(t, lease2)
				mustRelease(t, takes(t, "the last one", left, freed, atOnce))
				f.gone()
			})
		})
	}
}

// The node whose word counts for most may be in any state.
func TestALockIsTakenWhateverItsHomeIsLike(t *testing.T) {
	const timeout = 500 * time.Millisecond // of a node, with the default TTL
	tests := map[string]struct {
		fault func(n *memnode.Node)
		limit time.Duration
	}{
		"down":               {func(n *memnode.Node) { n.Kill(true) }, afterHolding},
		"paused":             {(*memnode.Node).Pause, timeout + afterHolding},
		"cut off":            {(*memnode.Node).Cut, timeout + afterHolding},
		"slow":               {func(n *memnode.Node) { n.Delay(30*time.Millisecond, 30*time.Millisecond) }, 200 * time.Millisecond},
		"wiped":              {(*memnode.Node).Wipe, afterHolding},
		"deaf to announcing": {func(n *memnode.Node) { n.LoseAnnouncements(true) }, afterHolding},
		"with an orphan": {func(n *memnode.Node) {
			n.Wipe()
			n.Put("job", "orphan", time.Hour)
		}, pollCap + slack},
	}
	for sentence, tc := range tests {
		t.Run(sentence, func(t *testing.T) {
			for _, before := range []bool{true, false} {
				inWaitingRoom(t, func(t *testing.T, f *waitingRoom) {
					home := f.home("job")
					lease := mustTry(t, f.locker(), "job")
					if before { // the waiters come
						tc.fault(home)
					}
					first, second := waits(t.Context(), f.locker(), "job"), waits(t.Context(), f.locker(), "job")
					sleep(1600 * time.Millisecond)
					if !before {
						tc.fault(home)
					}
					freed := time.Now()
					mustRelease(t, lease)
					for range 2 {
						var got arrival
						select {
						case got = <-first:
						case got = <-second:
						}
						if took := got.at.Sub(freed); got.err != nil || took > tc.limit {
							t.Errorf("fault before they came: %v: taken after %v, error %v, want %v at most", before, took, got.err, tc.limit)
						}
						sleep(10 * time.Millisecond)
						freed = time.Now()
						mustRelease(t, got.lease)
					}
					home.Resume()
					home.Restore()
				})
			}
		})
	}
}

// A holder whose key is not on the home node must not make those who wait ask all the time.
func TestAWaiterDoesNotSpinForAKeyThatItsHomeDoesNotHave(t *testing.T) {
	inWaitingRoom(t, func(t *testing.T, f *waitingRoom) {
		lease := mustTry(t, f.locker(), "job", redlock.WithoutRenewal())
		sleep(10 * trip)
		f.home("job").Wipe()
		call := waits(t.Context(), f.locker(), "job")
		f.asks()
		sleep(4 * time.Second)
		if n := f.asks(); n > 200 {
			t.Errorf("a waiter asked for %d operations in 4s", n)
		}
		mustRelease(t, lease)
		mustRelease(t, takes(t, "the waiter", call, time.Now(), pollCap+slack))
	})
}

func TestAStampedeAtHomeHasOneWinnerAndNoSplit(t *testing.T) {
	inWaitingRoom(t, func(t *testing.T, f *waitingRoom) {
		var group sync.WaitGroup
		var mu sync.Mutex
		var won, held, split int
		for range 20 {
			l := f.locker(redlock.WithHomeFirst())
			group.Go(func() {
				_, err := l.TryAcquire(t.Context(), "job")
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					won++
				case errors.Is(err, redlock.ErrHeld):
					held++
				default:
					t.Errorf("TryAcquire: %v", err)
				}
				split += int(l.Stats().MissedSplit) //nolint:gosec // small
			})
		}
		group.Wait()
		sleep(100 * time.Millisecond)
		n := f.asks()
		t.Logf("20 clients asked for %d operations", n)
		if won != 1 || held != 19 || split != 0 || n > 24 {
			t.Errorf("%d won, %d were refused, %d split and %d operations; want 1, 19, 0 and 24: one each, and the winner's other four",
				won, held, split, n)
		}
	})
}

// An orphan where a stampede is decided costs one poll.
func TestAnOrphanAtHomeDoesNotBlockAFreeLock(t *testing.T) {
	inWaitingRoom(t, func(t *testing.T, f *waitingRoom) {
		f.home("job").Put("job", "orphan", time.Hour)
		l := f.locker(redlock.WithHomeFirst())
		mustRelease(t, takes(t, "the caller", waits(t.Context(), l, "job"), time.Now(), pollCap+slack))
		mustRelease(t, mustTryPlain(t, f.locker()))
	})
}

func mustTryPlain(t *testing.T, l *redlock.Locker) *redlock.Lease {
	t.Helper()
	return mustTry(t, l, "job")
}

func TestSplitsBackOff(t *testing.T) {
	inWaitingRoom(t, func(t *testing.T, f *waitingRoom) {
		const while = 400 * time.Millisecond
		for i, other := range []string{"a", "a", "b", "b"} {
			f.nodes[i].Put("job", other, while)
		}
		events := &record{}
		l := f.locker(redlock.WithHooks(events.hooks()))
		start := time.Now()
		mustRelease(t, takes(t, "the caller", waits(t.Context(), l, "job"), start, while+2*slack+250*time.Millisecond))
		stats := l.Stats()
		if stats.MissedSplit == 0 || stats.MissedSplit > 60 {
			t.Errorf("it split %d times in %v, want some, and not many", stats.MissedSplit, while)
		}
		told := 0
		for _, line := range events.take() {
			if line == "split job" {
				told++
			}
		}
		if uint64(told) != stats.MissedSplit { //nolint:gosec // not negative
			t.Errorf("hooks told of %d splits, and Stats count %d", told, stats.MissedSplit)
		}
	})
}

// Where nodes do not announce, or let nobody listen, waiting calls ask now and then.
func TestALockIsTakenWhereNothingIsAnnounced(t *testing.T) {
	tests := map[string]func(n quorum.Node) quorum.Node{
		"nodes that are no announcers":    func(n quorum.Node) quorum.Node { return mute{n} },
		"nodes that let nobody subscribe": func(n quorum.Node) quorum.Node { return silent{n} },
		"a minority that announces": func(n quorum.Node) quorum.Node {
			if n.Name() == "mem-1" || n.Name() == "mem-2" {
				return n
			}
			return mute{n}
		},
	}
	for sentence, as := range tests {
		t.Run(sentence, func(t *testing.T) {
			inWaitingRoom(t, func(t *testing.T, f *waitingRoom) {
				lease := mustTry(t, f.locker(), "job")
				call := waits(t.Context(), f.seen(as), "job")
				sleep(3 * time.Second)
				freed := time.Now()
				mustRelease(t, lease)
				// The pause is 100ms at most, and as the home asked first is alternated with all, that is it.
				mustRelease(t, takes(t, "the waiter", call, freed, 100*time.Millisecond+slack))
				f.gone()
			})
		})
	}
}

func TestStatsAndHooksTellOfWaiting(t *testing.T) {
	inWaitingRoom(t, func(t *testing.T, f *waitingRoom) {
		var mu sync.Mutex
		var events []redlock.AcquiredEvent
		l := f.locker(redlock.WithHooks(redlock.Hooks{Acquired: func(e redlock.AcquiredEvent) {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, e)
		}}))
		lease := mustTry(t, f.locker(), "job")
		first, second := waits(t.Context(), l, "job"), waits(t.Context(), l, "job")
		if s := l.Stats(); s.Waiting != 2 || s.Acquired != 0 {
			t.Errorf("Waiting %d, Acquired %d, want 2 and 0", s.Waiting, s.Acquired)
		}
		sleep(200 * time.Millisecond)
		mustRelease(t, lease)
		got := <-first
		sleep(100 * time.Millisecond)
		if s := l.Stats(); s.Waiting != 1 || s.Acquired != 1 || s.HandedOver != 0 {
			t.Errorf("Waiting %d, Acquired %d, HandedOver %d, want 1, 1 and 0", s.Waiting, s.Acquired, s.HandedOver)
		}
		mustRelease(t, got.lease)
		next := <-second
		s := l.Stats()
		if s.Waiting != 0 || s.Acquired != 2 || s.HandedOver != 1 || s.MissedHeld == 0 {
			t.Errorf("Waiting %d, Acquired %d, HandedOver %d, MissedHeld %d, want 0, 2, 1 and some",
				s.Waiting, s.Acquired, s.HandedOver, s.MissedHeld)
		}
		mustRelease(t, next.lease)
		if len(events) != 2 || events[0].HandedOver || !events[1].HandedOver || events[0].Attempts < 2 {
			t.Fatalf("Acquired told %+v", events)
		}
		if s.Waited != events[0].Waited+events[1].Waited || s.WaitedMost != events[1].Waited || s.WaitedMost < 300*time.Millisecond {
			t.Errorf("Waited %v, WaitedMost %v; the events say %v and %v", s.Waited, s.WaitedMost, events[0].Waited, events[1].Waited)
		}
	})
}

func TestWhoTriesOnceDoesNotStandInLine(t *testing.T) {
	inWaitingRoom(t, func(t *testing.T, f *waitingRoom) {
		l := f.locker()
		lease := mustTry(t, f.locker(), "job")
		call := waits(t.Context(), l, "job")
		start := time.Now()
		_, err := l.TryAcquire(t.Context(), "job")
		wantIs(t, "TryAcquire of a held lock", err, redlock.ErrHeld)
		if took := time.Since(start); took > 2*trip {
			t.Errorf("TryAcquire took %v, want a round trip", took)
		}
		mustRelease(t, lease)
		mustRelease(t, takes(t, "the waiter", call, time.Now(), atOnce))
	})
}
