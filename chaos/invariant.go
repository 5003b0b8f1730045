package chaos

import "time"

// An Invariant is a property that a history has or has not.
type Invariant struct {
	_ struct{}

	// Name is short, such as "mutual-exclusion"; About says it in a sentence.
	Name, About string
	// Check returns every violation in the history, and nil if it has the property. It is a pure function,
	// and does not keep the history.
	Check func(History) []Violation
}

// A Violation is one place where a history breaks an invariant.
type Violation struct {
	// Invariant is the name of the broken one.
	Invariant string `json:"invariant"`
	// At is when.
	At time.Duration `json:"at"`
	// Text says what happened, in one line.
	Text string `json:"text"`
	// Events are the events that show it.
	Events []Event `json:"events,omitempty"`
}

// A History is the events of one run, in the order in which they were recorded. Its times never
// decrease.
type History []Event
