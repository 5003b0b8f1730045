package clock_test

import (
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/clock"
)

const (
	shortest time.Duration = math.MinInt64
	longest  time.Duration = math.MaxInt64
)

func TestInstantAdd(t *testing.T) {
	tests := map[string]struct {
		t    clock.Instant
		d    time.Duration
		want clock.Instant
	}{
		"forward":                             {5, 3, 8},
		"back":                                {5, -8, -3},
		"nothing":                             {5, 0, 5},
		"Never stays, forward":                {clock.Never, time.Hour, clock.Never},
		"Never stays, back":                   {clock.Never, -time.Hour, clock.Never},
		"Forever stays, forward":              {clock.Forever, time.Hour, clock.Forever},
		"Forever stays, back":                 {clock.Forever, -time.Hour, clock.Forever},
		"a sum past the end is Forever":       {clock.Forever - 5, 6, clock.Forever},
		"a sum at the end is Forever":         {clock.Forever - 5, 5, clock.Forever},
		"a sum just before the end":           {clock.Forever - 5, 4, clock.Forever - 1},
		"a sum before the start is Never":     {clock.Never + 5, -6, clock.Never},
		"a sum at the start is Never":         {clock.Never + 5, -5, clock.Never},
		"a sum just after the start":          {clock.Never + 5, -4, clock.Never + 1},
		"the longest duration to an instant":  {1, longest, clock.Forever},
		"the shortest duration to an instant": {-1, shortest, clock.Never},
		"the shortest duration that fits":     {1, shortest, clock.Never + 1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tc.t.Add(tc.d); got != tc.want {
				t.Errorf("Instant(%d).Add(%d) = %d, want %d", tc.t, tc.d, got, tc.want)
			}
		})
	}
}

func TestInstantSub(t *testing.T) {
	tests := map[string]struct {
		t, u clock.Instant
		want time.Duration
	}{
		"forward":                       {8, 5, 3},
		"back":                          {5, 8, -3},
		"the same":                      {5, 5, 0},
		"until Forever":                 {clock.Forever, 5, longest},
		"until Forever, from before 0":  {clock.Forever, -5, longest},
		"until Never":                   {clock.Never, 5, shortest},
		"until Never, from before 0":    {clock.Never, -5, shortest},
		"from Never to Forever":         {clock.Forever, clock.Never, longest},
		"from Forever to Never":         {clock.Never, clock.Forever, shortest},
		"Forever is as far as itself":   {clock.Forever, clock.Forever, 0},
		"Never is as far as itself":     {clock.Never, clock.Never, 0},
		"a difference above all others": {clock.Forever - 1, -2, longest},
		"a difference below all others": {clock.Never + 1, 2, shortest},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tc.t.Sub(tc.u); got != tc.want {
				t.Errorf("Instant(%d).Sub(%d) = %d, want %d", tc.t, tc.u, got, tc.want)
			}
		})
	}
}

func TestInstantBefore(t *testing.T) {
	ordered := []clock.Instant{clock.Never, clock.Never + 1, -1, 0, 1, clock.Forever - 1, clock.Forever}
	for i, a := range ordered {
		for j, b := range ordered {
			if got, want := a.Before(b), i < j; got != want {
				t.Errorf("Instant(%d).Before(%d) = %v, want %v", a, b, got, want)
			}
		}
	}
}

// FuzzInstant compares the arithmetic with that of numbers which cannot overflow.
func FuzzInstant(f *testing.F) {
	for _, a := range []int64{math.MinInt64, math.MinInt64 + 1, -1, 0, 1, math.MaxInt64 - 1, math.MaxInt64} {
		f.Add(a, int64(7))
		f.Add(int64(-7), a)
		f.Add(a, a)
	}
	f.Fuzz(func(t *testing.T, a, b int64) {
		ends := clock.Instant(a) == clock.Never || clock.Instant(a) == clock.Forever
		want := a
		if !ends {
			want = clamp(new(big.Int).Add(big.NewInt(a), big.NewInt(b)))
		}
		if got := clock.Instant(a).Add(time.Duration(b)); int64(got) != want {
			t.Errorf("Instant(%d).Add(%d) = %d, want %d", a, b, got, want)
		}
		if ends && a != b {
			want = a // as far as can be
		} else {
			want = clamp(new(big.Int).Sub(big.NewInt(a), big.NewInt(b)))
		}
		if got := clock.Instant(a).Sub(clock.Instant(b)); int64(got) != want {
			t.Errorf("Instant(%d).Sub(%d) = %d, want %d", a, b, got, want)
		}
	})
}

// clamp returns the closest number to n that fits.
func clamp(n *big.Int) int64 {
	switch {
	case n.IsInt64():
		return n.Int64()
	case n.Sign() < 0:
		return math.MinInt64
	}
	return math.MaxInt64
}
