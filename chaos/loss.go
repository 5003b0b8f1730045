package chaos

import (
	"fmt"
	"time"
)

// LostInTime holds if clients learn in time that a lease has ended, and for good:
//   - once it was [Lost], found to have ended, or released, no lease is valid again;
//   - it is Lost no more than late after the last word on its validity ([Acquired], [Observed], [Extended])
//     has run out. A client that stood still ([StopClient], [SuspendClient]) at that time has late from
//     when it went on, and 250ms at least if its machine slept.
//
// The history has to tell every extension, also those that renewal makes by itself, and its clients have to
// watch the contexts of their leases.
func LostInTime(late time.Duration) Invariant {
	return newInvariant("lost-in-time", fmt.Sprintf("a lease that has ended is lost within %v, and stays lost", late),
		func(h History) []Violation {
			var (
				violations []Violation
				stops      = pausesOf(h)
				terms      = make(map[leaseID]*term)
			)
			for _, e := range h {
				t := terms[e.id()]
				switch {
				case e.Kind == Acquired:
					t = &term{late: late, pauses: stops}
					terms[e.id()] = t
				case t == nil:
					continue
				}
				if text := t.next(e); text != "" {
					violations = append(violations, Violation{At: e.At, Text: text, Events: []Event{t.word, e}})
				}
			}
			return violations
		})
}

// A term is what a client knows of how long its lease is valid.
type term struct {
	late   time.Duration
	pauses []pause

	word    Event // the last that said how long
	ended   Event // by which the client knows that it has ended; no Kind before
	settled bool  // it was lost or released, or is reported as overdue
}

// next takes what happened to the lease, and returns what is wrong with it.
func (t *term) next(e Event) string {
	switch {
	case e.proves() && t.ended.Kind != "":
		return fmt.Sprintf("%v on %q was valid again after %s at %v", e.id(), e.Name, t.ended.Kind, t.ended.At)
	case e.proves():
		if e.Remaining > 0 {
			t.word = e
		}
		return ""
	}
	return t.end(e)
}

// end takes an event that may end the term. By the time at which its client finds by itself that a lease
// has ended, it should have been Lost, unless that is due only now.
func (t *term) end(e Event) string {
	settles := true
	switch e.Kind {
	case Lost, ReleaseInvoked:
	case Observed:
		settles = false
	case Released, ReleaseFailed:
		t.settled = true // whoever releases is told nothing more
	default:
		return ""
	}
	overdue := !t.settled && t.word.Kind != "" && e.At > t.limit()
	t.settled = t.settled || settles || overdue
	if t.ended.Kind == "" {
		t.ended = e
	}
	if !overdue {
		return ""
	}
	return fmt.Sprintf("%v on %q was not lost before %v, though it had ended by %v",
		e.id(), e.Name, e.At, t.word.At+t.word.Remaining)
}

// wakes is how long a process may take to notice that its machine was asleep: its timers do not tell it.
const wakes = 250 * time.Millisecond

// limit is the latest time at which the lease has to be lost.
func (t *term) limit() time.Duration {
	limit := t.word.At + t.word.Remaining + t.late
	for _, p := range t.pauses {
		late := t.late
		if p.why == SuspendClient {
			late = max(late, wakes)
		}
		mine := p.client == "" || p.client == t.word.Client
		if mine && p.from <= limit && p.to+late > limit {
			limit = p.to + late
		}
	}
	return limit
}

// A pause is a time in which a client, or all of them, stood still.
type pause struct {
	why      FaultKind
	client   string // empty for all
	from, to time.Duration
}

// pausesOf returns all pauses, in order. One without an end lasts to the end of the history.
func pausesOf(h History) []pause {
	var pauses []pause
	for _, e := range h {
		switch {
		case e.Fault != StopClient && e.Fault != SuspendClient:
		case e.Kind == FaultBegan:
			pauses = append(pauses, pause{why: e.Fault, client: e.Client, from: e.At, to: h[len(h)-1].At})
		case e.Kind == FaultEnded:
			if p := open(pauses, e); p != nil {
				p.to = e.At
			}
		}
	}
	return pauses
}

// open returns the latest pause that the event may end.
func open(pauses []pause, end Event) *pause {
	for i := len(pauses) - 1; i >= 0; i-- {
		if p := &pauses[i]; p.why == end.Fault && p.client == end.Client {
			return p
		}
	}
	return nil
}
