package tokenmodel

import (
	"fmt"
	"slices"
	"strings"
)

// A Trace is a way from the beginning to a broken promise.
type Trace struct {
	Steps  []string // what happened, one step each
	Broken string   // which promise the last step breaks
}

// String returns the numbered steps, a line each, and what they break.
func (t *Trace) String() string {
	var b strings.Builder
	for i, text := range t.Steps {
		fmt.Fprintf(&b, "%2d. %s\n", i+1, text)
	}
	fmt.Fprintf(&b, "broken: %s", t.Broken)
	return b.String()
}

// trace retells how the state with the given fingerprint was reached, and which step breaks a promise there.
//
// Only fingerprints are kept, and those of states in their standard form. So it starts anew, and of the
// steps that are possible takes one to a state with the fingerprint that comes next.
func (e *explorer) trace(last uint64) *Trace {
	var path []uint64
	for at := last; at != 0; at = e.reached.parent(at) {
		path = append(path, at)
	}
	slices.Reverse(path)
	var s state
	t := &Trace{}
	for _, goal := range path[1:] {
		s = e.follow(t, s, goal)
	}
	e.w.expand(&s, func(st step, to *state) {
		if wrong := e.w.wrong(&s, st.client); st.kind == returns && wrong != "" && t.Broken == "" {
			t.Steps = append(t.Steps, describe(st, &s, to))
			t.Broken = wrong
		}
	})
	return t
}

// follow adds a step that leads from s to the goal, and returns the state there.
func (e *explorer) follow(t *Trace, s state, goal uint64) state {
	arrived := s
	found := false
	e.w.expand(&s, func(st step, to *state) {
		if !found && to != nil && to.pack(e.w).fingerprint() == goal {
			t.Steps = append(t.Steps, describe(st, &s, to))
			arrived, found = *to, true
		}
	})
	return arrived
}

// describe tells a step between two states.
func describe(st step, from, to *state) string {
	who, token := name(st.client), from.clients[st.client].token
	switch st.kind {
	case begins:
		return who + " begins: asks every node for its vote"
	case returns:
		return fmt.Sprintf("%s returns token %d", who, token)
	case ends:
		return who + " gives up or dies"
	case hears:
		return fmt.Sprintf("%s hears from node %d: %s", who, st.node+1, heard(from.votes[st.client][st.node].reply))
	}
	text := fmt.Sprintf("node %d %s", st.node+1, onNode(st, from, to))
	if st.keep {
		text += " (the reply is lost)"
	}
	return text
}

// onNode tells what a node does in a step.
func onNode(st step, from, to *state) string {
	before, after := from.nodes[st.node], to.nodes[st.node]
	who, token := name(st.client), from.clients[st.client].token
	switch st.kind {
	case votes:
		return fmt.Sprintf("votes for %s: counter %d -> %d", who, before.counter, after.counter)
	case succeeds:
		return fmt.Sprintf("replaces %s's key by that of %s: counter %d -> %d", name(before.holder-1), who, before.counter, after.counter)
	case repeats:
		return fmt.Sprintf("is asked again by %s, whose key it has: counter %d", who, before.counter)
	case raises:
		return fmt.Sprintf("raises its counter to %s's token %d: %d -> %d", who, token, before.counter, after.counter)
	case reaches:
		return fmt.Sprintf("raises its counter for %s, whose key is not there: %d -> %d", who, before.counter, after.counter)
	case expires:
		return fmt.Sprintf("drops the key of %s", who)
	case disuses:
		return fmt.Sprintf("drops a counter that was long not used: %d -> %d", before.counter, after.counter)
	case forgets:
		return "forgets all it knows"
	case reopens:
		return fmt.Sprintf("votes again, with floor %d", after.counter)
	}
	return "does something unknown"
}

func heard(reply value) string {
	if reply == low {
		return "it has voted, with a lower counter"
	}
	return fmt.Sprintf("yours, counter %d", reply)
}
