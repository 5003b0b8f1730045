package chaos_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/chaos"
)

// pausedHolders is a scenario in which clients read, modify and write, and one after the other stands still for
// longer than its TTL while it holds the lock.
func pausedHolders(fencing chaos.Fencing) chaos.Scenario {
	const ttl = time.Second
	s := chaos.Scenario{
		Name: "paused-holder", About: "holders stand still for longer than their TTL between reading and writing",
		Nodes: 5, For: 8 * time.Second, Calm: 2 * time.Second,
		Holds: []chaos.Invariant{chaos.WellFormed, chaos.MutualExclusion, chaos.TokenOrder, chaos.OwnerOnly},
		Least: chaos.Coverage{Acquired: 20, Contended: 10, Numbered: 20, Faults: map[chaos.FaultKind]int{chaos.StopClient: 3}},
	}
	s.Load.Clients, s.Load.TTL = 3, ttl
	s.Load.Work = chaos.Contend(chaos.Manner{Rest: 100 * time.Millisecond, Hold: 100 * time.Millisecond, Register: fencing})
	for at := time.Duration(0); at < s.For; at += 2 * time.Second {
		s.Schedule = append(s.Schedule, chaos.Fault{Kind: chaos.StopClient, On: chaos.Acquired, At: at, For: 3 * ttl / 2})
	}
	if fencing == chaos.Fenced {
		s.Holds = append(s.Holds, chaos.FencedRegister)
		s.Least.Fenced = 1
	} else {
		s.Breaks = []chaos.Invariant{chaos.FencedRegister}
	}
	return s
}

// A lock cannot keep a holder that stands still from writing when it goes on. A register that looks at tokens can.
func TestPausedHoldersLoseNoUpdateIfFenced(t *testing.T) {
	var table strings.Builder
	for _, s := range simulators {
		for name, fencing := range map[string]chaos.Fencing{"unfenced": chaos.Unfenced, "fenced": chaos.Fenced} {
			lost, refused := 0, 0
			for _, seed := range seeds(t, 3) {
				r, h := s.play(t, seed, pausedHolders(fencing), chaos.Network{})
				if !r.OK() {
					var text strings.Builder
					_ = r.WriteText(&text)
					t.Errorf("%s, %s, seed %d:\n%s", s.name, name, seed, text.String())
				}
				lost += chaos.LostUpdates(h)
				refused += r.Covered.Fenced
			}
			fmt.Fprintf(&table, "%-7s %-9s %4d lost updates, %4d writes refused\n", s.name, name, lost, refused)
			if (lost > 0) != (fencing == chaos.Unfenced) {
				t.Errorf("%s, %s: %d lost updates", s.name, name, lost)
			}
		}
	}
	t.Logf("\n%s", table.String())
}

// Times of day differ from machine to machine, by hours and centuries. Tokens follow the nodes' all the same.
func TestWrongTimesOfDayDoNoLastingHarm(t *testing.T) {
	for _, s := range simulators {
		levelled := 0
		for _, seed := range seeds(t, 4) {
			scenario := pausedHolders(chaos.Fenced)
			scenario.Schedule, scenario.Least.Faults, scenario.Least.Fenced = nil, nil, 0
			began := uint64(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()) //nolint:gosec // it is positive
			r, h := s.play(t, seed, scenario, chaos.Network{})
			if !r.OK() {
				t.Fatalf("%s, seed %d does not hold", s.name, seed)
			}
			levelled += r.Covered.Levelled
			for _, e := range h {
				latest := began + uint64((e.At+time.Second+time.Millisecond)/time.Microsecond) + uint64(e.Lease) //nolint:gosec // positive
				if e.Kind == chaos.Acquired && e.Token > latest {
					t.Fatalf("%s, seed %d: token %d at %v is more than a second ahead of the nodes' time", s.name, seed, e.Token, e.At)
				}
			}
		}
		if levelled == 0 {
			t.Errorf("%s: no hints disagreed", s.name)
		}
	}
}
