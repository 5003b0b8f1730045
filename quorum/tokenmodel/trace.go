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
			t.Steps = append(t.Steps, e.w.describe(st, &s, to))
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
			t.Steps = append(t.Steps, e.w.describe(st, &s, to))
			arrived, found = *to, true
		}
	})
	return arrived
}

// describe tells a step between two states.
func (w *World) describe(st step, from, to *state) string {
	client, at := name(st.client), fmt.Sprintf("node %d", st.node+1)
	before, after := from.nodes[st.node].counter, to.nodes[st.node].counter
	lost := ""
	if st.keep {
		lost = " (the reply is lost)"
	}
	switch st.kind {
	case begins:
		return client + " begins: asks every node for its vote"
	case votes:
		return fmt.Sprintf("%s votes for %s: counter %d -> %d%s", at, client, before, after, lost)
	case succeeds:
		return fmt.Sprintf("%s hands %s's key over to %s: counter %d -> %d%s", at, name(from.nodes[st.node].holder-1), client, before, after, lost)
	case repeats:
		return fmt.Sprintf("%s is asked again by %s, which it holds for: counter %d%s", at, client, before, lost)
	case raises:
		return fmt.Sprintf("%s raises its counter to %s's token %d: %d -> %d%s", at, client, from.clients[st.client].token, before, after, lost)
	case refuses:
		return fmt.Sprintf("%s refuses to raise its counter for %s, whose key is not there", at, client)
	case reaches:
		return fmt.Sprintf("%s raises its counter for %s, whose key is not there: %d -> %d", at, client, before, after)
	case hears:
		return fmt.Sprintf("%s hears from %s: %s", client, at, heard(from.votes[st.client][st.node].reply))
	case returns:
		return fmt.Sprintf("%s returns token %d", client, from.clients[st.client].token)
	case ends:
		return client + " gives up or dies"
	case expires:
		return fmt.Sprintf("%s's key on %s vanishes", client, at)
	case disuses:
		return fmt.Sprintf("%s drops a counter that was long not used: %d -> %d", at, before, after)
	case forgets:
		return at + " forgets all it knows"
	case reopens:
		return fmt.Sprintf("%s votes again, with floor %d", at, after)
	}
	return "something unknown happens"
}

func heard(reply value) string {
	if reply == low {
		return "it has voted, with a lower counter"
	}
	return fmt.Sprintf("yours, counter %d", reply)
}
