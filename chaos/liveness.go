package chaos

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Liveness holds if, after all faults have ended ([Healed]), no lock stays free for longer than idle while
// somebody asks for it. Clients that try and come back within a second have asked all the while.
//
// A lock is free once its holder has released it or knows that it is lost, or would have lost it by the
// last word on its validity; that the nodes may keep the key until its TTL is part of what idle allows for.
//
// A history that never heals is a violation too, as there is nothing to judge in it.
func Liveness(idle time.Duration) Invariant {
	return newInvariant("liveness", fmt.Sprintf("a free lock that somebody asks for is taken within %v", idle),
		func(h History) []Violation {
			healed, ok := healing(h)
			if !ok {
				return []Violation{{Text: "the faults never end, so nothing shows that the lock recovers"}}
			}
			var violations []Violation
			for _, wait := range waits(h, healed, comeback) {
				if wait.For > idle {
					violations = append(violations, Violation{At: wait.At, Text: wait.String()})
				}
			}
			return violations
		})
}

// A Wait is a time in which a lock was free and asked for, and nobody got it.
type Wait struct {
	Name string        `json:"name,omitempty"`
	At   time.Duration `json:"at,omitempty"`
	For  time.Duration `json:"for"`
}

// String returns the wait as a sentence.
func (w Wait) String() string {
	return fmt.Sprintf("%q was free and asked for, and nobody got it for %v", w.Name, w.For)
}

// LongestWait returns the longest wait after the faults of a history have ended, and the zero Wait if
// there is none.
func LongestWait(h History) Wait {
	var longest Wait
	healed, ok := healing(h)
	if !ok {
		return longest
	}
	for _, wait := range waits(h, healed, comeback) {
		if longest.Name == "" || wait.For > longest.For {
			longest = wait
		}
	}
	return longest
}

// healing returns when the last fault has ended.
func healing(h History) (time.Duration, bool) {
	for _, e := range slices.Backward(h) {
		if e.Kind == Healed {
			return e.At, true
		}
	}
	return 0, false
}

// waits returns every wait on every name, cut off at the time of healing. Who asks again within back of a refusal
// has asked all the while.
func waits(h History, healed, back time.Duration) []Wait {
	var found []Wait
	attempts := attemptsByName(h)
	for _, name := range names(attempts) {
		found = append(found, waitsOf(name, attempts[name], healed, back)...)
	}
	return found
}

// waitsOf walks from lease to lease on one lock. The attempts are in the order in which they began.
func waitsOf(name string, attempts []attempt, healed, back time.Duration) []Wait {
	var (
		found []Wait
		open  []attempt // those that began so far, without those that were over when the lock became free
		free  = healed
	)
	for _, lease := range append(leasesOf(attempts), attempt{outcome: forever}) {
		for len(attempts) > 0 && attempts[0].begin < lease.outcome {
			open, attempts = append(open, attempts[0]), attempts[1:]
		}
		found = append(found, asking(name, open, free, lease.outcome, back)...)
		free = max(free, lease.end)
		open = slices.DeleteFunc(open, func(a attempt) bool { return a.outcome <= free })
	}
	return found
}

// leasesOf returns the attempts that got a lease, in the order in which they got it.
func leasesOf(attempts []attempt) []attempt {
	leases := slices.DeleteFunc(slices.Clone(attempts), func(a attempt) bool { return !a.acquired })
	slices.SortStableFunc(leases, func(a, b attempt) int { return cmp.Compare(a.outcome, b.outcome) })
	return leases
}

const (
	// forever is after every history.
	forever time.Duration = 1<<63 - 1
	// comeback is the time within which a client that was refused asks again, if it still wants the lock.
	comeback = time.Second
)

// asking returns when somebody asked between two times. The attempts are in the order in which they began.
func asking(name string, attempts []attempt, from, to, back time.Duration) []Wait {
	var (
		list []Wait
		last time.Duration // the end of the last one
	)
	for _, a := range attempts {
		begin, end := max(a.begin, from), min(a.outcome, to)
		switch {
		case begin >= end:
			continue
		case len(list) == 0 || begin > last+back:
			list, last = append(list, Wait{Name: name, At: begin}), end
		}
		last = max(last, end)
		list[len(list)-1].For = last - list[len(list)-1].At
	}
	return list
}
