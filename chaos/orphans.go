package chaos

import "fmt"

// NoOrphans holds if no lock was found on any node once the clients had stopped: every [Found] after the last
// [Ended] is an orphan. Whoever looks has to wait first for what may rightly be there: keys of clients
// that stopped without a release, and keys on nodes that could not be reached, until their TTL.
//
// A history that does not end is a violation too, as it has no last look.
var NoOrphans = newInvariant("no-orphans", "no key remains after all clients have stopped", orphans)

func orphans(h History) []Violation {
	var (
		violations []Violation
		ended      bool
		last       Event
	)
	for _, e := range h {
		last = e
		switch e.Kind {
		case Ended:
			ended, violations = true, nil // what was found before may have been somebody's
		case Found:
			violations = append(violations, Violation{
				At:     e.At,
				Text:   fmt.Sprintf("node %s still has %q with value %q, for %v more", e.Node, e.Name, e.Value, e.Remaining),
				Events: []Event{e},
			})
		}
	}
	if !ended {
		return []Violation{{At: last.At, Text: "the history does not end, so nobody looked after its end"}}
	}
	return violations
}
