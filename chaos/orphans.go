package chaos

import "fmt"

// NoOrphans holds if no lock was found on any node once the clients had stopped: every [Found] after the last
// [Ended] is an orphan, up to the [Looked] that says that all nodes were looked at. Whoever looks has to wait first for what may rightly be there: keys of clients
// that stopped without a release, and keys on nodes that could not be reached, until their TTL.
//
// A history that does not end, or after whose end nobody looked, is a violation too.
var NoOrphans = newInvariant("no-orphans", "no key remains after all clients have stopped", orphans)

func orphans(h History) []Violation {
	var (
		violations []Violation
		ended      bool
		looked     bool
		last       Event
	)
	for _, e := range h {
		last = e
		switch e.Kind {
		case Ended:
			ended, looked, violations = true, false, nil // what was found before may have been somebody's
		case Looked:
			looked = ended
		case Found:
			violations = append(violations, Violation{
				At:     e.At,
				Text:   fmt.Sprintf("node %s still has %q with value %q, for %v more", e.Node, e.Name, e.Value, e.Remaining),
				Events: []Event{e},
			})
		}
	}
	switch {
	case !ended:
		return []Violation{{At: last.At, Text: "the history does not end, so nobody looked after its end"}}
	case !looked:
		return append(violations, Violation{At: last.At, Text: "nobody looked at all nodes after the end"})
	}
	return violations
}
