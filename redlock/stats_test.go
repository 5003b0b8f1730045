package redlock_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/quorum/memnode"
	"github.com/quorumlock/quorumlock/redlock"
)

func TestStatsCountWhatHappened(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		l, rival := f.locker(redlock.WithTTL(3*time.Second)), f.locker()
		if s := l.Stats(); s.Held != 0 || len(s.Nodes) != 5 || s.Nodes[4].Node != "mem-5" {
			t.Errorf("stats of a fresh Locker: %+v", s)
		}
		first := mustTry(t, l, "first")
		mustTry(t, rival, "theirs")
		if _, err := l.TryAcquire(t.Context(), "theirs"); err == nil {
			t.Fatal("a held lock was acquired")
		}
		second := mustTry(t, l, "second", redlock.WithoutRenewal())
		sleep(1500 * time.Millisecond) // past the renewal of the first
		mustRelease(t, first)
		<-second.Context().Done()
		f.each(3, func(n *memnode.Node) { n.Cut() })
		if _, err := l.TryAcquire(t.Context(), "nobody's"); err == nil {
			t.Fatal("a lock was acquired on two nodes of five")
		}
		s := l.Stats()
		if s.Acquired != 2 || s.Renewed != 1 || s.RenewalsFailed != 0 || s.Released != 1 || s.Lost != 1 || s.Held != 0 || s.Renewing != 0 {
			t.Errorf("leases: %+v", s)
		}
		if s.MissedHeld != 1 || s.MissedNoQuorum != 1 || s.MissedSplit != 0 || s.MissedSlow != 0 {
			t.Errorf("attempts that missed: %+v", s)
		}
		if s.Nodes[0].Err == nil || s.Nodes[3].Err != nil {
			t.Errorf("errors of a node that is cut off and of one that is not: %v, %v", s.Nodes[0].Err, s.Nodes[3].Err)
		}
		for range 3 {
			_, _ = l.TryAcquire(t.Context(), "nobody's")
		}
		if s := l.Stats(); !s.Nodes[0].Down || s.Nodes[0].Undos == 0 || s.Nodes[3].Down {
			t.Errorf("a node that is cut off and one that is not: %+v", s.Nodes)
		}
	})
}

// Leases that are due at the same instant are all renewed, though not all at once.
func TestManyLeasesAreRenewed(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		const held = 4200 // more than are renewed at once
		l := f.locker(redlock.WithTTL(3 * time.Second))
		for i := range held {
			mustTry(t, l, fmt.Sprint("lease ", i))
		}
		f.each(5, func(n *memnode.Node) { n.Delay(time.Millisecond, time.Millisecond) })
		sleep(3500 * time.Millisecond)
		if s := l.Stats(); s.Held != held || s.Lost != 0 || s.Renewed < 3*held || s.RenewalsFailed != 0 {
			t.Errorf("stats = %+v, want all of %d leases held and renewed every second", s, held)
		}
	})
}
