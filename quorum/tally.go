package quorum

// An Outcome is what the votes counted so far say about a question.
type Outcome uint8

const (
	// Undecided means votes still out can turn it either way.
	Undecided Outcome = iota
	// Reached means enough nodes said yes; no later vote changes that.
	Reached
	// Missed means too few nodes are left to reach it; no later vote changes that.
	Missed
)

// String returns the outcome's name in lower case.
func (o Outcome) String() string {
	switch o {
	case Undecided:
		return "undecided"
	case Reached:
		return "reached"
	case Missed:
		return "missed"
	}
	return "unknown"
}

// Majority returns the smallest number of n nodes of which any two such groups share a node:
// n/2 + 1, in integer division.
func Majority(n int) int { return n/2 + 1 }

// A Tally counts the yes and no votes of Size nodes on one question, of which Need must say yes. It
// is a value without I/O or clock. Its zero value, with no nodes and no need, is reached.
//
// Invariants: 0 <= Yes, 0 <= No, Yes+No <= Size, as long as each node votes once.
type Tally struct {
	Size, Need int
	Yes, No    int
}

// Vote counts one node's vote and returns the outcome so far.
func (t *Tally) Vote(yes bool) Outcome {
	if yes {
		t.Yes++
	} else {
		t.No++
	}
	return t.Outcome()
}

// Outcome judges the votes so far.
func (t Tally) Outcome() Outcome {
	switch {
	case t.Yes >= t.Need:
		return Reached
	case t.No > t.Size-t.Need:
		return Missed
	}
	return Undecided
}
