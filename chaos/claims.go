package chaos

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// A leaseID is one attempt of a client and, if it succeeded, its lease.
type leaseID struct {
	client string
	lease  int
}

func (e *Event) id() leaseID { return leaseID{client: e.Client, lease: e.Lease} }

// String returns a name such as "c3/17".
func (id leaseID) String() string { return fmt.Sprintf("%s/%d", id.client, id.lease) }

// A claim is a lease, from the moment it was given to the last one at which its client saw that it was
// valid. That is less than what the lease promised, and all that can be proven: two claims on one name
// that overlap are two clients that both believed, rightly by what they were told, to be alone.
type claim struct {
	id      leaseID
	name    string
	invoked time.Duration // the attempt
	start   time.Duration
	end     time.Duration // never before start
	token   uint64
	given   *Event // Acquired, in the history
	last    *Event // the proof that it was valid at its end
}

// String returns the claim for a person to read, such as "c3/17 [1s, 2s]".
func (c claim) String() string { return fmt.Sprintf("%v [%v, %v]", c.id, c.start, c.end) }

// proves reports whether the event shows that its lease was valid at its time. Reading and writing do not:
// a client can stand still between its look at the lease and what it does then, against all locks.
func (e *Event) proves() bool {
	switch e.Kind {
	case Acquired, Extended:
		return true
	case Observed, ReleaseInvoked:
		return e.Held
	}
	return false
}

// claimsByName returns the claims on each name, in order of their starts.
func claimsByName(h History) map[string][]claim {
	var (
		byName = make(map[string][]claim)
		latest = make(map[leaseID]claimRef)
	)
	for i := range h {
		e := &h[i]
		switch {
		case e.Kind == AcquireInvoked:
			latest[e.id()] = claimRef{invoked: e.At}
		case e.Kind == Acquired:
			ref, known := latest[e.id()]
			if !known {
				ref.invoked = e.At
			}
			ref.name, ref.number = e.Name, len(byName[e.Name])+1
			latest[e.id()] = ref
			byName[e.Name] = append(byName[e.Name], newClaim(e, ref.invoked))
		case e.proves():
			if ref := latest[e.id()]; ref.number > 0 {
				c := &byName[ref.name][ref.number-1]
				c.end, c.last = e.At, e
			}
		}
	}
	for _, claims := range byName {
		inOrder(claims)
	}
	return byName
}

// A claimRef is an attempt and, once it has succeeded, which of its name's claims it is, from 1.
type claimRef struct {
	invoked time.Duration
	name    string
	number  int
}

func newClaim(e *Event, invoked time.Duration) claim {
	return claim{
		id: e.id(), name: e.Name, token: e.Token,
		invoked: invoked, start: e.At, end: e.At,
		given: e, last: e,
	}
}

// inOrder sorts claims by their starts. Those of one moment come before longer ones.
func inOrder(claims []claim) {
	slices.SortStableFunc(claims, func(a, b claim) int {
		if a.start != b.start {
			return cmp.Compare(a.start, b.start)
		}
		return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(a.token, b.token))
	})
}

// names returns the keys in order, so that judges say the same thing twice.
func names[K cmp.Ordered, V any](byName map[K]V) []K { return slices.Sorted(maps.Keys(byName)) }
