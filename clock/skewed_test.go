package clock_test

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorumlock/quorumlock/clock"
)

func TestSkewedNow(t *testing.T) {
	type step struct {
		rate    float64 // set if not negative
		suspend time.Duration
		sleep   time.Duration // of the clock below
		want    time.Duration // what Now moves by
	}
	const s = time.Second
	tests := map[string][]step{
		"agrees until told otherwise":      {{-1, 0, s, s}, {-1, 0, 1, 1}},
		"runs fast":                        {{1.01, 0, 100 * s, 101 * s}},
		"runs slow":                        {{0.5, 0, 100 * s, 50 * s}},
		"a new rate counts from now on":    {{2, 0, s, 2 * s}, {0.5, 0, s, s / 2}, {1, 0, s, s}},
		"stands still":                     {{0, 0, time.Hour, 0}, {1, 0, s, s}},
		"never runs backwards":             {{-0.5, 0, time.Hour, time.Hour}},
		"a suspend comes at once":          {{-1, 9 * s, 0, 9 * s}, {-1, 0, s, s}},
		"a suspend is not scaled":          {{2, 9 * s, s, 11 * s}},
		"a suspend shows on a still clock": {{0, 9 * s, s, 9 * s}},
		"a suspend is never taken back":    {{-1, -9 * s, s, s}},
	}
	for name, script := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				skewed := clock.NewSkewed(clock.Process())
				for i, step := range script {
					before := skewed.Now()
					if step.rate >= 0 {
						skewed.SetRate(step.rate)
					}
					if step.suspend != 0 {
						skewed.Suspend(step.suspend)
					}
					time.Sleep(step.sleep)
					if got := skewed.Now().Sub(before); got != step.want {
						t.Errorf("step %d %+v: clock moved by %v, want %v", i, step, got, step.want)
					}
				}
			})
		})
	}
}

func TestSkewedRateBelowZeroStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		skewed := clock.NewSkewed(clock.Process())
		skewed.SetRate(-1)
		time.Sleep(time.Hour)
		if got := skewed.Now(); got != 0 {
			t.Errorf("clock at rate -1 moved to %d in an hour, want 0", got)
		}
	})
}

func TestSkewedStartsWhereItsBaseIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := clock.Process()
		time.Sleep(time.Minute)
		if got, want := clock.NewSkewed(base).Now(), base.Now(); got != want {
			t.Errorf("clock starts at %d over a base at %d", got, want)
		}
	})
}

func TestSkewedTimer(t *testing.T) {
	tests := map[string]struct {
		rate float64
		d    time.Duration
		want time.Duration // on the clock below
	}{
		"right":                {1, 10 * time.Second, 10 * time.Second},
		"fast":                 {2, 10 * time.Second, 5 * time.Second},
		"slow":                 {0.5, 10 * time.Second, 20 * time.Second},
		"over at once":         {2, 0, 0},
		"over already":         {2, -time.Second, 0},
		"never early by a bit": {2, 3, 2},
		"nor by less":          {1.01, 1, 1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				skewed := clock.NewSkewed(clock.Process())
				skewed.SetRate(tc.rate)
				start := time.Now()
				timer := skewed.NewTimer(tc.d)
				defer timer.Stop()
				<-timer.C()
				if got := time.Since(start); got != tc.want {
					t.Errorf("timer of %v at rate %v fired after %v, want %v", tc.d, tc.rate, got, tc.want)
				}
				timer.Reset(tc.d)
				start = time.Now()
				<-timer.C()
				if got := time.Since(start); got != tc.want {
					t.Errorf("timer reset to %v at rate %v fired after %v, want %v", tc.d, tc.rate, got, tc.want)
				}
			})
		})
	}
}

func TestSkewedTimerOfAStillClockNeverFires(t *testing.T) {
	for _, d := range []time.Duration{0, 1, time.Hour, longest} {
		synctest.Test(t, func(t *testing.T) {
			skewed := clock.NewSkewed(clock.Process())
			skewed.SetRate(0)
			timer := skewed.NewTimer(d)
			time.Sleep(1000 * time.Hour)
			select {
			case <-timer.C():
				t.Errorf("timer of %v fired on a clock that stands still", d)
			default:
			}
			if !timer.Stop() {
				t.Errorf("timer of %v: Stop says that it is over", d)
			}
		})
	}
}

// A suspend does not wake the timers: that is why code that waits looks at Now.
func TestSkewedTimerSleepsThroughASuspend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		skewed := clock.NewSkewed(clock.Process())
		timer := skewed.NewTimer(10 * time.Second)
		start := time.Now()
		skewed.Suspend(time.Hour)
		<-timer.C()
		if got := time.Since(start); got != 10*time.Second {
			t.Errorf("timer of 10s fired %v after a suspend, want 10s", got)
		}
	})
}

// Whoever waits for an instant in the way that [clock.Clock] asks for gets there, and does not spin on
// timers that fire a little early, at a virtual time that stands still meanwhile.
func TestSkewedTimersReachAnInstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(5, 6))
		skewed := clock.NewSkewed(clock.Process())
		for range 2000 {
			rate := 0.5 + random.Float64()
			skewed.SetRate(rate)
			d := time.Duration(1 + random.Int64N(int64(time.Hour))>>random.IntN(42))
			until := skewed.Now().Add(d)
			waits := 0
			for ; skewed.Now().Before(until); waits++ {
				if waits == 3 {
					t.Fatalf("at rate %v, after %d timers for %v, %v are left", rate, waits, d, until.Sub(skewed.Now()))
				}
				timer := skewed.NewTimer(until.Sub(skewed.Now()))
				<-timer.C()
			}
		}
	})
}

func TestSkewedIsMonotone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(7, 8))
		skewed := clock.NewSkewed(clock.Process())
		last := skewed.Now()
		for range 10_000 {
			switch random.IntN(4) {
			case 0:
				skewed.SetRate(random.Float64()*3 - 1)
			case 1:
				skewed.Suspend(time.Duration(random.Int64N(2_000_000) - 1_000_000))
			default:
				time.Sleep(time.Duration(random.Int64N(1_000_000_000) >> random.IntN(30)))
			}
			now := skewed.Now()
			if now.Before(last) {
				t.Fatalf("clock went from %d back to %d", last, now)
			}
			last = now
		}
	})
}

func TestSkewedIsShared(t *testing.T) {
	skewed := clock.NewSkewed(clock.Process())
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range 500 {
				skewed.SetRate(float64(i) / 250)
				skewed.Suspend(1)
				skewed.NewTimer(time.Hour).Stop()
				skewed.Now()
			}
		})
	}
	all.Wait()
	if got := skewed.Now(); got < 2000 {
		t.Errorf("clock says %d after 2000 suspends of 1 ns", got)
	}
}
