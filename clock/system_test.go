package clock_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorumlock/quorumlock/clock"
)

// Real clocks in real time: they advance, and never go backwards.
func TestClocksAdvance(t *testing.T) {
	clocks := map[string]func() clock.Clock{
		"System":  clock.System,
		"Process": clock.Process,
		"Skewed":  func() clock.Clock { return clock.NewSkewed(clock.System()) },
	}
	for name, newClock := range clocks {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			start, last := c.Now(), c.Now()
			for range 10_000 {
				now := c.Now()
				if now.Before(last) {
					t.Fatalf("clock went from %d back to %d", last, now)
				}
				last = now
			}
			timer := c.NewTimer(time.Millisecond)
			<-timer.C()
			if got := c.Now().Sub(start); got < time.Millisecond {
				t.Errorf("clock advanced by %v when a timer of 1ms has fired", got)
			}
			timer.Reset(time.Hour)
			if !timer.Stop() {
				t.Error("Stop of a timer that has an hour to go says that it is over")
			}
		})
	}
}

// The machine's clock runs as fast as Go's own, and all of a program shares its origin.
func TestSystemIsOneClock(t *testing.T) {
	a, b := clock.System(), clock.System()
	first := a.Now()
	second := b.Now()
	if between := second.Sub(first); between < 0 || between > time.Minute {
		t.Errorf("two clocks of one machine are %v apart", between)
	}
}

func TestProcessFollowsTheBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.Process()
		if got := c.Now(); got != 0 {
			t.Errorf("clock starts at %d, want 0", got)
		}
		time.Sleep(1000 * time.Hour)
		if got, want := c.Now(), clock.Instant(1000*time.Hour); got != want {
			t.Errorf("clock says %d after 1000h, want %d", got, want)
		}
		timer := c.NewTimer(time.Hour)
		<-timer.C()
		if got, want := c.Now(), clock.Instant(1001*time.Hour); got != want {
			t.Errorf("clock says %d when a timer of 1h has fired, want %d", got, want)
		}
	})
}
