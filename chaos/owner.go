package chaos

import "fmt"

// OwnerOnly holds if the nodes' own account ([Changed]) shows that nobody touched the key of another: a
// release or an extension changes a key only where its own value is, and an acquisition or a heal stores only
// where nothing is or its own value. A hand-over puts another value where the one is that it was asked for, or
// prolongs the life of that other value. Of other operations it is asked that they leave the values of
// others alone. Changes in nobody's name (no Value) are those of faults, and do not count.
var OwnerOnly = newInvariant("owner-only", "no client changes a key that holds another's value", trespasses)

func trespasses(h History) []Violation {
	var violations []Violation
	for _, e := range h {
		if e.Kind == Changed && e.Value != "" && !mayChange(e) {
			violations = append(violations, Violation{
				At:     e.At,
				Text:   fmt.Sprintf("%s of %q with value %q changed node %s, which had value %q", e.Op, e.Name, e.Value, e.Node, e.Before),
				Events: []Event{e},
			})
		}
	}
	return violations
}

func mayChange(e Event) bool {
	switch e.Op {
	case "release", "extend":
		return e.Before == e.Value
	case "handover":
		return e.Next != "" && e.Next != e.Value && (e.Before == e.Value || e.Before == e.Next)
	}
	return e.Before == "" || e.Before == e.Value
}
