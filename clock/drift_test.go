package clock_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/clock"
)

func TestDriftDeadline(t *testing.T) {
	const sent = clock.Instant(3 * time.Second)
	tests := map[string]struct {
		drift clock.Drift
		ttl   time.Duration
		want  time.Duration // after sent
	}{
		"perfect clocks":                     {clock.Drift{}, 10 * time.Second, 9998 * time.Millisecond},
		"the default rate":                   {clock.Drift{Rate: clock.DefaultRate}, 10 * time.Second, 9898 * time.Millisecond},
		"a node that may be set forward":     {clock.Drift{Step: time.Second}, 10 * time.Second, 8998 * time.Millisecond},
		"both":                               {clock.Drift{Rate: 0.1, Step: time.Second}, 10 * time.Second, 7998 * time.Millisecond},
		"chrony as it comes":                 {clock.Drift{Rate: 0.16}, 10 * time.Second, 8398 * time.Millisecond},
		"a TTL of the granularity":           {clock.Drift{}, clock.Granularity, 0},
		"a TTL too short for the step":       {clock.Drift{Step: time.Second}, 100 * time.Millisecond, -902 * time.Millisecond},
		"a TTL too short for the rate":       {clock.Drift{Rate: 0.9}, 10 * time.Millisecond, -time.Millisecond},
		"no TTL at all":                      {clock.Drift{Rate: 0.5}, 0, -2 * time.Millisecond},
		"what a rate takes is rounded up":    {clock.Drift{Rate: 0.25}, 1_000_000_001, 750_000_000 - 2_000_000},
		"a rate that takes less than 1 ns":   {clock.Drift{Rate: 1e-12}, time.Second, 998*time.Millisecond - 1},
		"a year":                             {clock.Drift{Rate: 0.5}, 365 * 24 * time.Hour, 365*12*time.Hour - 2*time.Millisecond},
		"the longest TTL with a quarter off": {clock.Drift{Rate: 0.25}, longest, longest/4*3 + 2 - 2_000_000},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tc.drift.Validity(tc.ttl); got != tc.want {
				t.Errorf("%+v.Validity(%v) = %v, want %v", tc.drift, tc.ttl, got, tc.want)
			}
			if got, want := tc.drift.Deadline(sent, tc.ttl), sent.Add(tc.want); got != want {
				t.Errorf("%+v.Deadline(%d, %v) = %d, want %d", tc.drift, sent, tc.ttl, got, want)
			}
		})
	}
}

// The end of time stays the end of time.
func TestDriftDeadlineSaturates(t *testing.T) {
	if got := (clock.Drift{}).Deadline(clock.Forever-5, time.Hour); got != clock.Forever {
		t.Errorf("Deadline(Forever-5, 1h) = %d, want Forever", got)
	}
	if got := (clock.Drift{Step: time.Hour}).Deadline(clock.Never+5, time.Second); got != clock.Never {
		t.Errorf("Deadline(Never+5, 1s) with a step of 1h = %d, want Never", got)
	}
}

// A deadline is never later than the formula says, and less than 1 ns earlier than that: what
// rounding costs is paid by the client. Both sides allow for the float's own 53 bits, which a TTL
// uses up after a hundred days.
func checkValidity(t *testing.T, d clock.Drift, ttl time.Duration) {
	t.Helper()
	exact := func(n int64) *big.Float { return new(big.Float).SetPrec(256).SetInt64(n) }
	want := new(big.Float).SetPrec(256).Sub(exact(1), exact(0).SetFloat64(d.Rate))
	want.Mul(want, exact(int64(ttl)))
	want.Sub(want, exact(int64(d.Step)))
	want.Sub(want, exact(int64(clock.Granularity)))

	got := d.Validity(ttl)
	excess, _ := new(big.Float).Sub(exact(int64(got)), want).Float64()
	slop := math.Ldexp(float64(ttl), -52)
	if excess > slop {
		t.Errorf("%+v.Validity(%d) = %d, generous by %g ns", d, ttl, got, excess)
	}
	if excess < -1-slop {
		t.Errorf("%+v.Validity(%d) = %d, short by %g ns", d, ttl, got, -excess)
	}
}

func TestDriftRoundingIsNeverGenerous(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		ttl := time.Duration(random.Int64() >> random.IntN(63))
		rate := random.Float64()
		if random.IntN(2) == 0 {
			rate = float64(random.IntN(1000)) / 1000
		}
		step := time.Duration(random.Int64() >> (1 + random.IntN(62)))
		checkValidity(t, clock.Drift{Rate: rate, Step: step}, ttl)
	}
}

func FuzzDrift(f *testing.F) {
	f.Add(0.01, int64(0), int64(10*time.Second))
	f.Add(0.999999999, int64(time.Second), int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, rate float64, step, ttl int64) {
		d := clock.Drift{Rate: rate, Step: time.Duration(step)}
		if d.Validate() != nil || ttl < 0 || step > math.MaxInt64/2 {
			t.Skip("not a drift, a TTL, or a step within 146 years")
		}
		checkValidity(t, d, time.Duration(ttl))
	})
}

// The package's guarantee, played through: a node whose clock is as fast as it may be, and set
// forward by as much as it may be, still has the key when a client whose clock is as slow as it may
// be gives up believing in it.
func TestDriftCoversTheWorstClocks(t *testing.T) {
	for _, rho := range []float64{0, 0.0005, 0.005, 0.05} {
		drift := clock.Drift{Rate: 1 - (1-rho)/(1+rho), Step: 20 * time.Millisecond}
		for _, ttl := range []time.Duration{30 * time.Millisecond, time.Second, 10 * time.Second, time.Hour} {
			trusted := float64(drift.Validity(ttl)) / (1 - rho) // in real time
			kept := (float64(ttl) - float64(drift.Step)) / (1 + rho)
			if trusted > kept {
				t.Errorf("clocks wrong by %g: a TTL of %v is trusted for %g ns and kept for %g ns", rho, ttl, trusted, kept)
			}
		}
	}
}

func TestDriftValidate(t *testing.T) {
	tests := map[string]struct {
		drift clock.Drift
		want  string // part of the error; empty for none
	}{
		"zero":                {clock.Drift{}, ""},
		"default":             {clock.Drift{Rate: clock.DefaultRate}, ""},
		"just below one":      {clock.Drift{Rate: math.Nextafter(1, 0)}, ""},
		"a step":              {clock.Drift{Step: time.Second}, ""},
		"a rate of one":       {clock.Drift{Rate: 1}, "rate 1 is not in [0, 1)"},
		"a rate below zero":   {clock.Drift{Rate: -0.01}, "rate -0.01 is not in [0, 1)"},
		"no number":           {clock.Drift{Rate: math.NaN()}, "rate NaN is not in [0, 1)"},
		"infinite":            {clock.Drift{Rate: math.Inf(1)}, "rate +Inf is not in [0, 1)"},
		"infinite below zero": {clock.Drift{Rate: math.Inf(-1)}, "rate -Inf is not in [0, 1)"},
		"a step back":         {clock.Drift{Step: -time.Second}, "step -1s is negative"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			err := tc.drift.Validate()
			if tc.want == "" && err != nil {
				t.Errorf("%+v.Validate() = %v, want nil", tc.drift, err)
			}
			if tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("%+v.Validate() = %v, want an error with %q", tc.drift, err, tc.want)
			}
		})
	}
}
