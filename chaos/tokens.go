package chaos

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// TokenOrder holds if the fencing tokens of a name follow the order of its leases: a lease that was given
// before another was asked for has the smaller token, and no two have the same. It needs no clocks, so it
// has to hold where mutual exclusion does not. Leases without a token (0) do not count.
var TokenOrder = newInvariant("token-order", "a later lease on a name has a greater token",
	perName(func(name string, claims []claim) []Violation {
		claims = numbered(claims)
		return append(sameTokens(name, claims), backwards(name, claims)...)
	}))

// numbered returns the claims with a token.
func numbered(claims []claim) []claim {
	return slices.DeleteFunc(slices.Clone(claims), func(c claim) bool { return c.token == 0 })
}

func sameTokens(name string, claims []claim) []Violation {
	var (
		violations []Violation
		owner      = make(map[uint64]claim)
	)
	for _, c := range claims {
		other, taken := owner[c.token]
		if taken {
			violations = append(violations, tokenViolation(name, "has the token of", other, c))
		}
		owner[c.token] = c
	}
	return violations
}

// backwards compares each lease with the one of the greatest token that was given before this one was asked
// for.
func backwards(name string, claims []claim) []Violation {
	var (
		violations []Violation
		greatest   claim
		given      = claims // in order of their starts
		asked      = slices.Clone(claims)
	)
	slices.SortStableFunc(asked, func(a, b claim) int { return cmp.Compare(a.invoked, b.invoked) })
	for _, c := range asked {
		for ; len(given) > 0 && given[0].start < c.invoked; given = given[1:] {
			if given[0].token > greatest.token {
				greatest = given[0]
			}
		}
		if greatest.token > c.token {
			violations = append(violations, tokenViolation(name, "was asked for later, with a smaller token, than", greatest, c))
		}
	}
	return violations
}

func tokenViolation(name, how string, earlier, later claim) Violation {
	return Violation{
		At: later.start,
		Text: fmt.Sprintf("%q: %v with token %d, given at %v, %s %v with token %d, given at %v",
			name, later.id, later.token, later.start, how, earlier.id, earlier.token, earlier.start),
		Events: []Event{*earlier.given, *later.given},
	}
}

// FullyGranted holds if no lease was given with less than the votes it needs, or with no time left. A client that
// stood still between the lease and the record of it is excused: its lease may have ended since.
func FullyGranted(votes int) Invariant {
	return newInvariant("fully-granted", fmt.Sprintf("no lease is given without time or with less than %s", count(votes, "vote")),
		func(h History) []Violation {
			var (
				violations []Violation
				pauses     = pausesOf(h)
				asked      = make(map[leaseID]time.Duration)
			)
			for _, e := range h {
				if e.Kind == AcquireInvoked {
					asked[e.id()] = e.At
				}
				under := e.Kind == Acquired && (e.Remaining <= 0 || e.Votes < votes)
				if under && !stoodStill(pauses, e.Client, asked[e.id()], e.At) {
					violations = append(violations, Violation{At: e.At, Text: underGranted(e), Events: []Event{e}})
				}
			}
			return violations
		})
}

func underGranted(e Event) string {
	return fmt.Sprintf("%v was given %q with %s and %v left", e.id(), e.Name, count(e.Votes, "vote"), max(e.Remaining, time.Duration(0)))
}
