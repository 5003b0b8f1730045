package chaos

import "fmt"

// FencedRegister holds if the register that a lock protects was never harmed by a stale holder: it takes no
// write whose token is smaller than one that it has seen, at a read or at a write that it took, and no
// write that wipes out another which its writer had not read.
//
// The events of the register have to be in the order in which it carried them out: it records them itself,
// before it lets the next one in.
var FencedRegister = newInvariant("fenced-register", "the register takes no stale write and loses no update",
	func(h History) []Violation {
		stale, lost := registerViolations(h)
		return append(stale, lost...)
	})

// LostUpdates counts the writes that wiped out another which their writers had not read: what a lock costs
// without fencing.
func LostUpdates(h History) int {
	_, lost := registerViolations(h)
	return len(lost)
}

// A registerLog is what a name's writes have left.
type registerLog struct {
	seen    Event // with the greatest token
	content Event // the write that put the data there; no Kind before the first
	basis   map[leaseID]string
}

func registerViolations(h History) (stale, lost []Violation) {
	registers := make(map[string]*registerLog)
	for _, e := range h {
		if e.Kind != Read && e.Kind != Wrote {
			continue
		}
		r := registers[e.Name]
		if r == nil {
			r = &registerLog{basis: make(map[leaseID]string)}
			registers[e.Name] = r
		}
		if e.Kind == Wrote && !e.Held {
			continue
		}
		if e.Kind == Wrote && e.Token < r.seen.Token && e.Token != 0 {
			stale = append(stale, staleWrite(r.seen, e))
		}
		if e.Kind == Wrote && r.loses(e) {
			lost = append(lost, lostUpdate(r.content, e))
		}
		r.take(e)
	}
	return stale, lost
}

// loses reports whether the write rests on other data than what it replaces. One whose lease has read
// nothing rests on nothing.
func (r *registerLog) loses(write Event) bool {
	basis, known := r.basis[write.id()]
	return known && r.content.Kind != "" && basis != r.content.Data
}

func (r *registerLog) take(e Event) {
	if e.Token >= r.seen.Token {
		r.seen = e
	}
	if e.Kind == Wrote {
		r.content = e
	}
	r.basis[e.id()] = e.Data
}

func staleWrite(seen, write Event) Violation {
	return Violation{
		At: write.At,
		Text: fmt.Sprintf("the register of %q took %q from %v with token %d, after token %d of %v at %v",
			write.Name, write.Data, write.id(), write.Token, seen.Token, seen.id(), seen.At),
		Events: []Event{seen, write},
	}
}

func lostUpdate(content, write Event) Violation {
	return Violation{
		At: write.At,
		Text: fmt.Sprintf("the register of %q lost %q of %v: %v wrote %q without having read it",
			write.Name, content.Data, content.id(), write.id(), write.Data),
		Events: []Event{content, write},
	}
}
