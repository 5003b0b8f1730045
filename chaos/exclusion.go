package chaos

import (
	"fmt"
	"slices"
	"time"
)

// MutualExclusion holds if no two leases on a name were valid at once. A lease counts from the moment it was
// given to the last one at which its client was told that it is valid; leases that touch do not overlap.
//
// It does not need tokens, and a client that stands still cannot break it: whoever asks its lease after a
// pause is told that it has ended.
var MutualExclusion = newInvariant("mutual-exclusion", "no two leases on a name are valid at once",
	perName(overlapping))

// maxPairs bounds how many overlaps are told of one name. Where nothing excludes anything each lease
// overlaps with each.
const maxPairs = 10_000

// overlapping returns every pair of claims that overlap, in order of the later start. The claims are in
// order, so that whoever is alive when one starts overlaps with it: a claim of one moment comes before
// those that begin at it.
func overlapping(name string, claims []claim) []Violation {
	var (
		violations []Violation
		live       []claim // those that may still overlap with one that starts now or later
	)
	for _, c := range claims {
		live = slices.DeleteFunc(live, func(other claim) bool { return other.end <= c.start })
		for _, other := range live {
			if len(violations) == maxPairs {
				return violations
			}
			violations = append(violations, overlap(name, other, c))
		}
		live = append(live, c)
	}
	return violations
}

func overlap(name string, a, b claim) Violation {
	return Violation{
		At:     b.start,
		Text:   fmt.Sprintf("%q was held twice for %v: by %v and by %v", name, overlapLength(a, b), a, b),
		Events: []Event{*a.given, *a.last, *b.given, *b.last},
	}
}

// overlapLength is how long both claims were alive. It is zero for a claim that is only known to have
// been alive at one moment.
func overlapLength(a, b claim) time.Duration { return min(a.end, b.end) - max(a.start, b.start) }
