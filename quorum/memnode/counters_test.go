package memnode_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/memnode"
)

// draw takes a key and releases it, and returns its number.
func draw(t *testing.T, n *memnode.Node, key string, hint uint64, maxTTL time.Duration) uint64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	answers := n.Ask(ctx, []quorum.Op{
		{Kind: quorum.Acquire, Key: key, Value: "v", TTL: time.Second, Hint: hint, MaxTTL: maxTTL},
		{Kind: quorum.Release, Key: key, Value: "v"},
	})
	if answers[0].Verdict != quorum.Mine || answers[1].Verdict != quorum.Mine {
		t.Fatalf("answers %+v", answers)
	}
	return answers[0].Token
}

// Whatever happens to the clock, and whoever names a longer TTL, a number never comes back.
func TestNumbersNeverComeBack(t *testing.T) {
	const maxTTL = 10 * time.Second
	tests := map[string]func(t *testing.T, n *memnode.Node){
		"at once":                    func(*testing.T, *memnode.Node) {},
		"within the period":          func(*testing.T, *memnode.Node) { time.Sleep(time.Second) },
		"in the next period":         func(*testing.T, *memnode.Node) { time.Sleep(maxTTL) },
		"just before it is over":     func(*testing.T, *memnode.Node) { time.Sleep(2*maxTTL - 1) },
		"just when it is over":       func(*testing.T, *memnode.Node) { time.Sleep(2 * maxTTL) },
		"long after":                 func(*testing.T, *memnode.Node) { time.Sleep(time.Hour) },
		"with the clock set forward": func(_ *testing.T, n *memnode.Node) { n.StepClock(time.Hour) },
		"with the clock set back":    func(_ *testing.T, n *memnode.Node) { n.StepClock(-time.Hour) },
		"with it set back later": func(t *testing.T, n *memnode.Node) {
			n.StepClock(time.Hour)
			draw(t, n, "other", 1, maxTTL)
			n.StepClock(-time.Hour)
		},
		"after a restart with all data": func(_ *testing.T, n *memnode.Node) {
			n.Kill(true)
			time.Sleep(time.Hour)
			n.Restart()
		},
		"after a longer TTL":           func(t *testing.T, n *memnode.Node) { draw(t, n, "other", 1, time.Minute) },
		"after a longer TTL, and long": func(t *testing.T, n *memnode.Node) { draw(t, n, "other", 1, time.Minute); time.Sleep(time.Hour) },
		"after others, period by period": func(t *testing.T, n *memnode.Node) {
			for i := range 10 {
				time.Sleep(maxTTL / 2)
				draw(t, n, fmt.Sprint("other ", i), 1, maxTTL)
			}
		},
	}
	for name, meanwhile := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := memnode.New("mem-1", clock.Process())
				defer n.Close()
				first := draw(t, n, "key", 1_000_000, maxTTL)
				meanwhile(t, n)
				if second := draw(t, n, "key", 1, maxTTL); first != 1_000_000 || second <= first {
					t.Errorf("numbers %d and %d, want 1000000 and a larger one", first, second)
				}
			})
		})
	}
}

// A little longer TTL makes periods of nearly the same numbers, which are others all the same: the counter goes
// in what would be the next one.
func TestNumbersSurviveALittleLongerTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const maxTTL = 10 * time.Second
		n := memnode.New("mem-1", clock.Process())
		defer n.Close()
		number := int64(n.Time()/maxTTL) + 1
		time.Sleep(time.Duration(number*int64(maxTTL+1)) - n.Time()) // until the longer period of that number begins
		first := draw(t, n, "key", 1_000_000, maxTTL)
		draw(t, n, "other", 1, maxTTL+1)
		time.Sleep(quorum.CounterLives * maxTTL)
		if second := draw(t, n, "key", 1, maxTTL); second <= first {
			t.Errorf("numbers %d and %d, want a larger one", first, second)
		}
	})
}

// A node that has never heard of a key knows what its number can have been, and no more.
func TestFloorLeavesOutWhatIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const maxTTL = 10 * time.Second
		n := memnode.New("mem-1", clock.Process())
		defer n.Close()
		draw(t, n, "key", 1_000_000, maxTTL)
		if got := draw(t, n, "fresh", 5, maxTTL); got != 5 {
			t.Errorf("a fresh key in the same period got %d", got)
		}
		time.Sleep(maxTTL)
		if got := draw(t, n, "fresh in the next", 5, maxTTL); got != 5 {
			t.Errorf("a fresh key in the next period got %d", got)
		}
	})
}

// Keys that nobody asks for again do not pile up.
func TestCountersAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnode.New("mem-1", clock.Process())
		defer n.Close()
		for i := range 10_000 {
			draw(t, n, fmt.Sprint("key ", i), 5, 10*time.Millisecond)
			time.Sleep(time.Millisecond)
		}
		if left := n.Counted(); left > 200 {
			t.Errorf("%d counters are left of those of the last 20 ms", left)
		}
	})
}
