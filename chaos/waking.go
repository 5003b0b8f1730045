package chaos

import (
	"fmt"
	"time"
)

// Waking holds if at no time, faults or not, a lock stays free for longer than idle while somebody asks for it.
// It is for runs in which a majority of the nodes is healthy all the time. What is free is as [Liveness] says;
// somebody asks as long as an attempt is under way.
//
// A client that stands still may have won the lock without knowing it, for as long as a ttl: waits that may come
// of that are excused.
func Waking(idle, ttl time.Duration) Invariant {
	return newInvariant("waking", fmt.Sprintf("a free lock that somebody asks for is taken within %v, faults or not", idle),
		func(h History) []Violation {
			var violations []Violation
			pauses := pausesOf(h)
			for _, wait := range waits(h, 0, 0) {
				if wait.For > idle && !mayBeWon(pauses, wait, ttl) {
					violations = append(violations, Violation{At: wait.At, Text: wait.String()})
				}
			}
			return violations
		})
}

// mayBeWon reports whether a client that stood still may have had the lock in a part of the wait.
func mayBeWon(pauses []pause, w Wait, ttl time.Duration) bool {
	for _, p := range pauses {
		if p.from <= w.At+w.For && w.At <= p.to+ttl {
			return true
		}
	}
	return false
}
