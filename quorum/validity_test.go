package quorum_test

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
)

// naiveValidUntil is the largest promised instant that at least need promises reach.
func naiveValidUntil(promises []clock.Instant, need int) clock.Instant {
	best := clock.Never
	for _, t := range promises {
		reach := 0
		for _, p := range promises {
			if p >= t {
				reach++
			}
		}
		if need >= 1 && reach >= need {
			best = max(best, t)
		}
	}
	return best
}

func checkValidUntil(t *testing.T, promises []clock.Instant, need int) {
	t.Helper()
	before := slices.Clone(promises)
	got := quorum.ValidUntil(promises, need)
	if want := naiveValidUntil(promises, need); got != want {
		t.Fatalf("ValidUntil(%d, need %d) = %d, want %d", promises, need, got, want)
	}
	if !slices.Equal(promises, before) {
		t.Fatalf("ValidUntil(%d, need %d) turned its argument into %d", before, need, promises)
	}
	// The definition it stands for: need promises stand until then, and no longer.
	if got == clock.Never {
		return
	}
	if n := quorum.Standing(promises, got-1); n < need {
		t.Fatalf("%d promises of %d stand just before %d, which is ValidUntil with need %d", n, promises, got, need)
	}
	if n := quorum.Standing(promises, got); n >= need {
		t.Fatalf("%d promises of %d still stand at %d, which is ValidUntil with need %d", n, promises, got, need)
	}
}

// Every fleet of up to five nodes, each of which promised one of four instants.
func TestValidUntilAgreesWithItsNaiveTwin(t *testing.T) {
	domain := []clock.Instant{clock.Never, -1, 7, 8}
	for n := range 6 {
		promises := make([]clock.Instant, n)
		for code := range 1 << (2 * n) {
			for i := range promises {
				promises[i] = domain[code>>(2*i)&3]
			}
			for need := -1; need <= n+1; need++ {
				checkValidUntil(t, promises, need)
			}
		}
	}
}

func TestValidUntilOfLargeFleets(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 10))
	for range 5000 {
		promises := make([]clock.Instant, random.IntN(20))
		spread := 1 + random.Int64N(40)
		for i := range promises {
			promises[i] = clock.Instant(random.Int64N(spread))
		}
		checkValidUntil(t, promises, random.IntN(len(promises)+2))
	}
}

func TestValidUntil(t *testing.T) {
	const never = clock.Never
	tests := map[string]struct {
		promises []clock.Instant
		need     int
		want     clock.Instant
	}{
		"one old promise is outvoted":             {[]clock.Instant{15, 17, 10}, 2, 15},
		"one long promise does not help":          {[]clock.Instant{10, 10, 99}, 2, 10},
		"no promise of the third node":            {[]clock.Instant{15, 17, never}, 2, 15},
		"promises of too few":                     {[]clock.Instant{15, never, never}, 2, never},
		"all of them are needed":                  {[]clock.Instant{15, 17, 10}, 3, 10},
		"one more than a majority is needed":      {[]clock.Instant{1, 2, 3, 4, 5}, 4, 2},
		"a single node":                           {[]clock.Instant{8}, 1, 8},
		"more than the stack has room for":        {[]clock.Instant{9, 8, 7, 6, 5, 4, 3, 2, 1}, 5, 5},
		"no nodes":                                {nil, 1, never},
		"no need would be met by nobody":          {[]clock.Instant{8}, 0, never},
		"a need of more than there are is not":    {[]clock.Instant{8, 8}, 3, never},
		"promises that have run out are promises": {[]clock.Instant{-9, -8, never}, 2, -9},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := quorum.ValidUntil(tc.promises, tc.need); got != tc.want {
				t.Errorf("ValidUntil(%d, need %d) = %d, want %d", tc.promises, tc.need, got, tc.want)
			}
		})
	}
}

func TestStanding(t *testing.T) {
	promises := []clock.Instant{clock.Never, 4, 5, 6, clock.Forever}
	tests := map[string]struct {
		now  clock.Instant
		want int
	}{
		"before all of them":                    {3, 4},
		"a promise does not reach its own end":  {5, 2},
		"after all but the endless one":         {100, 1},
		"at the end of time nothing stands":     {clock.Forever, 0},
		"no promise is none at the start, too":  {clock.Never, 4},
		"just before an end":                    {clock.Instant(5) - 1, 3},
		"before 0, where clocks may start, too": {-100, 4},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := quorum.Standing(promises, tc.now); got != tc.want {
				t.Errorf("Standing(%d, %d) = %d, want %d", promises, tc.now, got, tc.want)
			}
		})
	}
}

func FuzzValidUntil(f *testing.F) {
	f.Add([]byte("aaaaaaaabbbbbbbbcccccccc"), int8(2))
	f.Add([]byte{}, int8(0))
	f.Fuzz(func(t *testing.T, data []byte, need int8) {
		var promises []clock.Instant
		for ; len(data) >= 8 && len(promises) < 32; data = data[8:] {
			promises = append(promises, clock.Instant(binary.LittleEndian.Uint64(data)))
		}
		checkValidUntil(t, promises, int(need))
	})
}
