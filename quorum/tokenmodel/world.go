package tokenmodel

import (
	"errors"
	"fmt"
)

// An Order says which of two grants is the later one, whose token must be larger. In either order
// tokens are unique.
type Order uint8

const (
	// BeginOrder compares two grants if one was returned before the other's client sent anything.
	BeginOrder Order = iota
	// ReturnOrder compares any two grants: the later one is the one that was returned later.
	ReturnOrder
)

// A World is a protocol, its surroundings, and what is demanded of it. Nodes and Clients are required. With the
// rest at its zero value, no clock is to be trusted, no node forgets, and the protocol is the one designed.
type World struct {
	Nodes   int // 1 to 5
	Clients int // 1 to 3; each tries once, see the package documentation

	// Clocks says that clocks keep the bounds of the lock: a key stays on its node for as long as its
	// client, before it has returned, counts on it, and a quarantine outlasts every vote given before it.
	// Without Clocks a key may vanish at any moment.
	Clocks bool

	// Forgets is how many times some node loses all it knows, 0 to 2, one after the other.
	Forgets int

	// HandOver says that a client that has returned may hand its key on a node over to another one.
	HandOver bool

	// Order is what is demanded of tokens.
	Order Order

	// Ceiling is the largest token, at most 30; the numbers in traces are then easy to follow. A run with
	// a ceiling leaves out votes with a counter beyond it. With 0, tokens have no bounds: only their order
	// is kept, and between any two there is always room for a third.
	Ceiling int

	// Lean leaves out what adds states and, as the package documentation argues, no outcome: a request that
	// arrives is answered at once, or else it does not arrive; keys go when their client does; and clients may
	// raise counters before a majority has voted for them.
	Lean bool

	// Flaws are the rules that are left out.
	Flaws Flaws

	orders [][]uint8 // all orders of the clients
}

// Flaws turn the protocol into one that was considered, or is easily written by mistake.
type Flaws struct {
	// NoWriteBack: a client returns the largest counter that it was told by a majority, and raises none.
	NoWriteBack bool
	// RaiseAnywhere: without rule R1 a raise is carried out, and counts, also where the client has no key.
	RaiseAnywhere bool
	// AcceptLarger: without rule R2 a raise counts also where the counter is larger than the token.
	AcceptLarger bool
	// CountExpired: a node counts although its vote has run out, as long as a majority of other votes has not.
	CountExpired bool
	// NoQuarantine: a node that forgot need not wait until votes from before are over. It votes again with
	// the floor of the others all the same.
	NoQuarantine bool
	// NoFloor: a node that forgot votes again without the floor of the others.
	NoFloor bool
	// StandStill: a vote may leave the counter as it is.
	StandStill bool
	// LoseFloor: a counter that expired for lack of use starts at zero again.
	LoseFloor bool
}

// validate reports all that is wrong with the world, and prepares it.
func (w *World) validate() error {
	var errs []error
	within := func(what string, n, least, most int) {
		if n < least || n > most {
			errs = append(errs, fmt.Errorf("%s %d is not within %d to %d", what, n, least, most))
		}
	}
	within("Nodes", w.Nodes, 1, maxNodes)
	within("Clients", w.Clients, 1, maxClients)
	within("Forgets", w.Forgets, 0, 2)
	within("Ceiling", w.Ceiling, 0, topValue)
	if f := w.Flaws; w.Lean && (f.NoWriteBack || f.RaiseAnywhere || f.AcceptLarger || f.CountExpired) {
		errs = append(errs, fmt.Errorf("a lean world does not fit flaws %+v: its reasons need R1, R2, and votes counted as designed", f))
	}
	if len(errs) == 0 {
		w.orders = permutations(w.Clients)
	}
	return errors.Join(errs...)
}

// majority returns the smallest number of nodes of which any two such groups share one.
func (w *World) majority() int { return w.Nodes/2 + 1 }

// permutations returns all orders of 0 to n-1.
func permutations(n int) [][]uint8 {
	if n <= 0 {
		return [][]uint8{nil}
	}
	var all [][]uint8
	for _, shorter := range permutations(n - 1) {
		for at := range n {
			order := append([]uint8(nil), shorter[:at]...)
			order = append(order, uint8(n-1))
			all = append(all, append(order, shorter[at:]...))
		}
	}
	return all
}
