package chaos

import (
	"fmt"
	"time"
)

// EveryKeyExpires holds if each key that was seen on a node, at a look ([Found]) or at a change of it
// ([Changed]), had a TTL, and none above lifetime: a lock that lives on without its holder for longer than
// was asked is not free when it should be. A lifetime of zero asks for any TTL.
//
// Where clocks of nodes are set back, keys live longer; lifetime has to allow for it.
func EveryKeyExpires(lifetime time.Duration) Invariant {
	about := "every key has a TTL"
	if lifetime > 0 {
		about += fmt.Sprintf(", of %v at most", lifetime)
	}
	return newInvariant("every-key-expires", about, func(h History) []Violation {
		var violations []Violation
		for _, e := range h {
			if e.Kind != Found && e.Kind != Changed {
				continue
			}
			if e.Remaining < 0 || lifetime > 0 && e.Remaining > lifetime {
				violations = append(violations, Violation{At: e.At, Text: livesTooLong(e), Events: []Event{e}})
			}
		}
		return violations
	})
}

func livesTooLong(e Event) string {
	if e.Next != "" {
		e.Value = e.Next // which is what a hand-over has left
	}
	if e.Remaining < 0 {
		return fmt.Sprintf("%q on node %s, with value %q, has no TTL", e.Name, e.Node, e.Value)
	}
	return fmt.Sprintf("%q on node %s, with value %q, lives for %v more", e.Name, e.Node, e.Value, e.Remaining)
}
