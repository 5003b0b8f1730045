package main

import (
	"cmp"
	"slices"
	"time"
)

// A hold is the time in which one worker had the lock: from the moment it was told so to its call of
// release, or to the end of the lease's validity if that came first. Times count from the start of the
// demo, all on one monotonic clock.
type hold struct {
	worker   int
	from, to time.Duration
	released bool // not lost
}

// An overlap is two workers that had the lock at once.
type overlap struct{ first, second hold }

// overlaps returns every hold that begins before an earlier one has ended, with the one it meets.
// There are none if the lock is one.
func overlaps(holds []hold) []overlap {
	var found []overlap
	var latest hold // of those seen, the one that ends last
	for i, h := range inOrder(holds) {
		if i > 0 && h.from < latest.to {
			found = append(found, overlap{latest, h})
		}
		if i == 0 || h.to > latest.to {
			latest = h
		}
	}
	return found
}

// handOvers returns the times from each release to the next acquisition. Lost leases are left out: what
// follows one is not a handing over.
func handOvers(holds []hold) []time.Duration {
	var gaps []time.Duration
	ordered := inOrder(holds)
	for i := 1; i < len(ordered); i++ {
		if ordered[i-1].released {
			gaps = append(gaps, max(ordered[i].from-ordered[i-1].to, 0))
		}
	}
	return gaps
}

// startedWithin counts the holds that began in [from, to).
func startedWithin(holds []hold, from, to time.Duration) int {
	n := 0
	for _, h := range holds {
		if h.from >= from && h.from < to {
			n++
		}
	}
	return n
}

// inOrder returns the holds sorted by their begin.
func inOrder(holds []hold) []hold {
	return slices.SortedStableFunc(slices.Values(holds), func(a, b hold) int { return cmp.Compare(a.from, b.from) })
}

// percentile returns the smallest of the values that at least the share p, in (0, 1], of them does not
// exceed, and 0 of none.
func percentile(values []time.Duration, p float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := int(p*float64(len(sorted))+0.999999) - 1
	return sorted[min(max(rank, 0), len(sorted)-1)]
}
