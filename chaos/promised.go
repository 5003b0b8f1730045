package chaos

import (
	"fmt"
	"time"
)

// Promised holds if leases keep what they said:
//   - an extension that succeeded leaves ttl, less what it took and less margin;
//   - no later word on a lease's validity ends it earlier by more than margin;
//   - no lease is Lost before its last word has run out, but for margin.
//
// margin is what drift takes off a TTL, and how far clients' clocks are off over one. A client that stood still
// meanwhile may find that its lease has ended, and is excused.
func Promised(ttl, margin time.Duration) Invariant {
	return newInvariant("promised", "a lease is valid for as long as it said, and an extension prolongs it",
		func(h History) []Violation {
			var (
				violations []Violation
				pauses     = pausesOf(h)
				words      = make(map[leaseID]*word)
			)
			for _, e := range h {
				w := words[e.id()]
				switch {
				case e.Kind == AcquireInvoked:
					words[e.id()] = &word{least: ttl - margin, margin: margin}
					continue
				case e.Kind == ReleaseInvoked:
					delete(words, e.id())
					continue
				case w == nil:
					continue
				}
				text := w.next(e)
				if text != "" && !stoodStill(pauses, e.Client, e.At-ttl, e.At) {
					violations = append(violations, Violation{At: e.At, Text: text, Events: []Event{w.last, e}})
				}
				w.last = e
			}
			return violations
		})
}

// A word is what a lease has said of its end.
type word struct {
	least, margin time.Duration
	asked         time.Duration // when the extension under way began
	extending     bool
	until         time.Duration
	last          Event
}

// next takes an event of the lease, and returns what is wrong with it.
func (w *word) next(e Event) string {
	switch e.Kind {
	case ExtendInvoked:
		w.asked, w.extending = e.At, true
	case ExtendFailed:
		w.extending = false
	case Extended:
		took := e.At - w.asked
		short := w.extending && e.Remaining < w.least-took
		w.extending = false
		if short {
			return fmt.Sprintf("%v on %q was extended within %v, and has no more than %v left", e.id(), e.Name, took, e.Remaining)
		}
		return w.say(e)
	case Acquired, Observed:
		return w.say(e)
	case Lost:
		if e.At < w.until-w.margin {
			return fmt.Sprintf("%v on %q was lost at %v, though it was to be valid until %v", e.id(), e.Name, e.At, w.until)
		}
	}
	return ""
}

// say takes a new word on the lease's end.
func (w *word) say(e Event) string {
	before, now := w.until, e.At+e.Remaining
	w.until = now
	if now < before-w.margin && e.At < before-w.margin {
		return fmt.Sprintf("%v on %q was to be valid until %v, and now until %v only", e.id(), e.Name, before, now)
	}
	return ""
}

// stoodStill reports whether the client did at some time between the two.
func stoodStill(pauses []pause, client string, from, to time.Duration) bool {
	for _, p := range pauses {
		if (p.client == "" || p.client == client) && p.from <= to && p.to >= from {
			return true
		}
	}
	return false
}

// Kept holds if no lease that renews itself is lost while everything is healthy: one that was acquired after
// [Healed] is valid until its client releases it, or the run ends.
var Kept = newInvariant("kept", "once all faults are over, a lease that is renewed is not lost", func(h History) []Violation {
	var (
		violations []Violation
		healthy    bool
		renewed    = make(map[leaseID]Event)
	)
	for _, e := range h {
		switch {
		case e.Kind == Healed:
			healthy = true
		case e.Kind == Ended:
			healthy = false
		case e.Kind == Acquired && e.Renewed && healthy:
			renewed[e.id()] = e
		case e.Kind == ReleaseInvoked:
			delete(renewed, e.id())
		}
		given, watched := renewed[e.id()]
		if watched && healthy && (e.Kind == Lost || e.Kind == Observed && !e.Held) {
			violations = append(violations, Violation{
				At: e.At, Text: fmt.Sprintf("%v on %q, which renews itself, was lost: %s", e.id(), e.Name, e.Err),
				Events: []Event{given, e},
			})
			delete(renewed, e.id())
		}
	}
	return violations
})

// Punctual holds if an attempt returns no more than late after the end of its context, but for clients that
// stood still.
func Punctual(late time.Duration) Invariant {
	return newInvariant("punctual", fmt.Sprintf("an attempt returns within %v of its context's end", late),
		func(h History) []Violation {
			var (
				violations []Violation
				pauses     = pausesOf(h)
				asked      = make(map[leaseID]Event)
			)
			for _, e := range h {
				switch e.Kind {
				case AcquireInvoked:
					asked[e.id()] = e
				case Acquired, Refused:
					a := asked[e.id()]
					if a.Deadline != 0 && e.At > a.Deadline+late && !stoodStill(pauses, e.Client, a.At, e.At) {
						violations = append(violations, Violation{
							At: e.At, Text: fmt.Sprintf("%v on %q had until %v, and returned at %v", e.id(), e.Name, a.Deadline, e.At),
							Events: []Event{a, e},
						})
					}
				}
			}
			return violations
		})
}
