package chaos

import (
	"fmt"
	"time"

	"github.com/anishathalye/porcupine"
)

// Agree holds if two judges that share no idea come to the same verdict on each name: the sweep over
// intervals of [MutualExclusion], with tokens in the order of the leases, and the search of [Linearizable].
// Where they differ, one of them is wrong, and so may be any other verdict of it.
func Agree(search time.Duration) Invariant {
	return newInvariant("judges-agree", "the sweep and the search for an order come to the same verdict",
		perName(func(name string, claims []claim) []Violation {
			return compare(name, claims, fits(name, claims),
				porcupine.CheckOperationsTimeout(lockModel, operationsOf(name, claims), search))
		}))
}

// compare tells where the verdicts on one name differ. A search that did not end has none.
func compare(name string, claims []claim, fits bool, found porcupine.CheckResult) []Violation {
	if found == porcupine.Unknown || fits == (found == porcupine.Ok) {
		return nil
	}
	return []Violation{{
		At: claims[0].start,
		Text: fmt.Sprintf("judges disagree on %q with %s: the sweep holds it to be legal: %t, the search for an order says %s",
			name, count(len(claims), "lease"), fits, found),
	}}
}

// fits reports whether no claims overlap and tokens grow from each to the next.
func fits(name string, claims []claim) bool {
	greatest := uint64(0)
	for _, c := range claims {
		if c.token != 0 && c.token <= greatest {
			return false
		}
		greatest = max(greatest, c.token)
	}
	return len(overlapping(name, claims)) == 0
}
