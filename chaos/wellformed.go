package chaos

import "fmt"

// WellFormed holds if the history can be judged at all: its times never decrease, each attempt begins once and
// has one outcome, and whatever is told of a lease follows its acquisition and names the same lock. The other
// judges overlook what they cannot place; this one does not.
var WellFormed = newInvariant("well-formed", "the history makes sense", func(h History) []Violation {
	var (
		violations []Violation
		previous   Event
		lives      = make(map[leaseID]*life)
	)
	for _, e := range h {
		text := ""
		if e.At < previous.At {
			text = fmt.Sprintf("%s at %v follows %s at %v", e.Kind, e.At, previous.Kind, previous.At)
		} else if ofLease(e.Kind) {
			text = live(lives, e)
		}
		if text != "" {
			violations = append(violations, Violation{At: e.At, Text: text, Events: []Event{e}})
		}
		previous = e
	}
	return violations
})

// A life is how far an attempt has come.
type life struct {
	name     string
	outcome  Kind
	released bool
}

// ofLease reports whether events of the kind belong to an attempt or its lease.
func ofLease(kind Kind) bool {
	switch kind {
	case AcquireInvoked, Acquired, Refused, Observed, ExtendInvoked, Extended, ExtendFailed, Lost,
		ReleaseInvoked, Released, ReleaseFailed, Read, Wrote:
		return true
	}
	return false
}

// live takes the next event of an attempt, and returns what is wrong with it.
func live(lives map[leaseID]*life, e Event) string {
	l := lives[e.id()]
	switch {
	case e.Client == "" || e.Lease <= 0 || e.Name == "":
		return fmt.Sprintf("%s does not say of whose attempt on what", e.Kind)
	case e.Kind == AcquireInvoked && l != nil:
		return fmt.Sprintf("%v began twice", e.id())
	case e.Kind == AcquireInvoked:
		lives[e.id()] = &life{name: e.Name}
		return ""
	case l == nil:
		return fmt.Sprintf("%s of %v, which never began", e.Kind, e.id())
	case l.name != e.Name:
		return fmt.Sprintf("%s of %v on %q, which began on %q", e.Kind, e.id(), e.Name, l.name)
	}
	return l.next(e)
}

func (l *life) next(e Event) string {
	switch e.Kind {
	case Acquired, Refused:
		if l.outcome != "" {
			return fmt.Sprintf("%v was %s, and then %s", e.id(), l.outcome, e.Kind)
		}
		l.outcome = e.Kind
		return ""
	case Released, ReleaseFailed:
		if !l.released {
			return fmt.Sprintf("%s of %v, whose release never began", e.Kind, e.id())
		}
	case ReleaseInvoked:
		l.released = true
	}
	if l.outcome != Acquired {
		return fmt.Sprintf("%s of %v, which was never acquired", e.Kind, e.id())
	}
	return ""
}
