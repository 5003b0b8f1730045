package redlock_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/quorum/quorumtest/faultproxy"
	"github.com/quorumlock/quorumlock/redlock"
)

// A holder that is cut off from all nodes learns of its loss before a rival can have the lock.
func TestProveAHolderIsNeverToldLate(t *testing.T) {
	lab := newLab(t, 5)
	holder, rival := lab.locker(redlock.WithTTL(2*time.Second)), lab.direct(redlock.WithTTL(20*time.Second))
	names := scaled(20, 200)
	leases := make([]*redlock.Lease, names)
	for i := range leases {
		leases[i] = mustTry(t, holder, fmt.Sprintf("cut-%d", i))
	}
	told := make([]time.Time, names)
	taken := make([]time.Time, names)
	var group sync.WaitGroup
	for i, lease := range leases {
		group.Go(func() {
			<-lease.Context().Done()
			told[i] = time.Now()
			wantIs(t, "cause", context.Cause(lease.Context()), redlock.ErrLost)
		})
		group.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			won, err := rival.Acquire(ctx, lease.Name())
			taken[i] = time.Now()
			if lease.Valid() {
				t.Errorf("%s: a rival has the lock while its holder's lease is valid", lease.Name())
			}
			if err != nil {
				t.Errorf("rival: %v", err)
				return
			}
			if err := won.Release(t.Context()); err != nil {
				t.Errorf("rival's release: %v", err)
			}
		})
	}
	for _, proxy := range lab.proxies {
		proxy.Hold(faultproxy.Both)
	}
	group.Wait()
	worst := time.Hour
	for i := range leases {
		worst = min(worst, taken[i].Sub(told[i]))
	}
	t.Logf("%d names: the worst margin between the holder's context ending and a rival's lock is %v", names, worst)
	// When this test's goroutines get to look at their watches is up to the machine.
	if proving() && worst < 0 {
		t.Errorf("a rival had the lock %v before its holder was told", -worst)
	}
	for _, proxy := range lab.proxies {
		proxy.Heal()
	}
}

// A renewal keeps a lock through the loss and return of any minority.
func TestProveRenewalOutlivesRestarts(t *testing.T) {
	lab := newLab(t, 5)
	l := lab.direct(redlock.WithTTL(time.Second))
	lease := mustTry(t, l, "long-job")
	for i := range scaled(2, 20) {
		server := lab.servers[i%5]
		must(t, server.Kill())
		hold(t, lease, 700*time.Millisecond)
		must(t, server.Restart(t.Context()))
		awaitVotes(t, lease, 5)
	}
	mustRelease(t, lease)
	lab.awaitFree("long-job", 500*time.Millisecond)
}

// hold lets a lease live for d, in which it must not end.
func hold(t *testing.T, lease *redlock.Lease, d time.Duration) {
	t.Helper()
	select {
	case <-lease.Context().Done():
		t.Fatalf("the lease ended: %v", context.Cause(lease.Context()))
	case <-time.After(d):
	}
}

// awaitVotes waits until so many nodes stand by a lease: those that lost it were healed.
func awaitVotes(t *testing.T, lease *redlock.Lease, votes int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); lease.Votes() < votes; {
		if time.Now().After(deadline) {
			t.Fatalf("%d votes, want %d", lease.Votes(), votes)
		}
		hold(t, lease, 10*time.Millisecond)
	}
}
