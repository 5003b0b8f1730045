package chaos

import "time"

// A Scenario is one experiment, as data.
type Scenario struct {
	_ struct{}

	// Name is short, and names files; About says in a sentence what is shown.
	Name, About string
	// Nodes is how many nodes there are.
	Nodes int
	// Schedule is what goes wrong.
	Schedule Schedule
	// For is how long it runs.
	For time.Duration
	// Holds must hold on the run's history. Breaks must not: a scenario whose assumptions are broken on
	// purpose fails if its judges do not see that.
	Holds, Breaks []Invariant
	// Least is what a run must have done to count.
	Least Coverage
}

// Coverage is what a run has done: the answer to "did this show anything?".
type Coverage struct {
	// Acquired counts leases; Contended those that had to be taken from under somebody's nose: attempts on
	// the same lock overlapped with them.
	Acquired  int `json:"acquired"`
	Contended int `json:"contended"`
	// Faults counts, by kind, the faults that took effect.
	Faults map[FaultKind]int `json:"faults"`
}
