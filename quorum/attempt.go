package quorum

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Why says how an attempt missed.
type Why uint8

const (
	// Silent: too few nodes answered to decide.
	Silent Why = iota + 1
	// Held: one other value is on a majority of the nodes.
	Held
	// Split: enough nodes answered, and no value has a majority of them. Several claimants met.
	Split
	// Slow: enough nodes said yes, but so late that too little of the lease was left.
	Slow
	// Gone: enough nodes answered, and too few of them still hold the value.
	Gone
)

// A MissError says why a question did not get the votes it needed. It is always a pointer.
type MissError struct {
	Why Why
	// Holder is the value on a majority of the nodes, with Held.
	Holder string
	// AtHome means that only the key's home node was asked, with Held: the value is there.
	AtHome bool
	// Unlisted means that the key's home node has granted the claim, or has not answered yet, so that it does
	// not list the waiter, and nobody will name it.
	Unlisted bool
	// RetryAfter is the time after which enough nodes will be free if nobody extends or releases,
	// reckoned from the nodes that answered; NoExpiry if they say never, or too few answered.
	RetryAfter time.Duration
	// Left is the validity that was left, with Slow.
	Left time.Duration
	// Size counts the nodes, Need those whose vote was needed.
	Size, Need int
	// Nodes holds the reason of each node that failed to answer, in the engine's order.
	Nodes []*NodeError
}

// Error says what was missing, then each node's reason.
func (e *MissError) Error() string {
	var text strings.Builder
	switch e.Why {
	case Held:
		if e.AtHome {
			text.WriteString("another value is on the home node")
			break
		}
		text.WriteString("another value is on a majority of the nodes")
	case Split:
		text.WriteString("no value has a majority of the nodes")
	case Slow:
		fmt.Fprintf(&text, "the votes came so late that %v of validity were left", e.Left)
	case Gone:
		text.WriteString("too few nodes still hold the value")
	default:
		fmt.Fprintf(&text, "%d of %d nodes have failed to answer, and %d are needed", len(e.Nodes), e.Size, e.Need)
	}
	for _, node := range e.Nodes {
		text.WriteString("; ")
		text.WriteString(node.Error())
	}
	return text.String()
}

// Unwrap returns the nodes' reasons.
func (e *MissError) Unwrap() []error {
	errs := make([]error, len(e.Nodes))
	for i, node := range e.Nodes {
		errs[i] = node
	}
	return errs
}

// Permanent reports whether so many nodes failed for reasons that do not mend themselves that no
// later attempt can succeed until somebody acts.
func (e *MissError) Permanent() bool {
	n := 0
	for _, node := range e.Nodes {
		if node.Permanent {
			n++
		}
	}
	return n > e.Size-e.Need
}

// An attempt is the record of the nodes' votes on one question. It is a value without I/O or clock.
type attempt struct {
	mine     Tally    // who holds the value
	answered Tally    // who said anything at all
	others   []Answer // that say another value is there
	refused  []int    // the nodes of those
	failed   failures
}

// failures holds the reason of each node that failed, by node; nil for the others. It is empty while none has.
type failures []*NodeError

// add notes why one of size nodes failed.
func (f *failures) add(size, node int, why *NodeError) {
	if *f == nil {
		*f = make(failures, size)
	}
	(*f)[node] = why
}

// list returns the reasons that there are, in the engine's order.
func (f failures) list() []*NodeError {
	return slices.DeleteFunc(slices.Clone(f), func(e *NodeError) bool { return e == nil })
}

func newAttempt(size, need int) *attempt {
	return &attempt{
		mine:     Tally{Size: size, Need: need},
		answered: Tally{Size: size, Need: need},
	}
}

// add counts the vote of a node, which is called name. Each node votes once.
func (a *attempt) add(node int, name string, ans Answer) {
	a.mine.Vote(ans.Verdict == Mine)
	a.answered.Vote(ans.Answered())
	switch ans.Verdict {
	case Other:
		a.others = append(a.others, ans)
		a.refused = append(a.refused, node)
	case Failed:
		a.failed.add(a.mine.Size, node, nodeError(name, ans.Err))
	}
}

// done reports whether nothing more can be learnt that matters: the votes are reached, or they are
// missed and it is also clear why: whether enough nodes answered, and whether one other value has a
// majority of them.
func (a *attempt) done() bool {
	switch a.mine.Outcome() {
	case Reached:
		return true
	case Missed:
		return a.answered.Outcome() == Missed || a.answered.Outcome() == Reached && a.rivalKnown()
	}
	return false
}

// rivalKnown reports whether the votes still out cannot change whether another value has a majority.
func (a *attempt) rivalKnown() bool {
	_, most := a.rival()
	out := a.mine.Size - a.mine.Yes - a.mine.No
	q := Majority(a.mine.Size)
	return most >= q || most+out < q
}

// miss judges an attempt that is done and not reached.
func (a *attempt) miss() *MissError {
	e := &MissError{
		Why:        Split,
		RetryAfter: a.retryAfter(),
		Size:       a.answered.Size,
		Need:       a.answered.Need,
		Nodes:      a.failed.list(),
	}
	if a.answered.Outcome() != Reached {
		e.Why = Silent
	} else if holder, n := a.rival(); n >= Majority(a.mine.Size) {
		e.Why, e.Holder = Held, holder
	}
	return e
}

// lists reports whether a node can have noted who asked: it has refused, or will not say.
func (a *attempt) lists(node int) bool {
	return slices.Contains(a.refused, node) || a.failed != nil && a.failed[node] != nil
}

// rival returns the other value seen on the most nodes.
func (a *attempt) rival() (value string, nodes int) {
	for _, x := range a.others {
		n := 0
		for _, y := range a.others {
			if x.Holder == y.Holder {
				n++
			}
		}
		if n > nodes {
			value, nodes = x.Holder, n
		}
	}
	return value, nodes
}

// retryAfter is the need-th smallest time left over all nodes: ours are about to be released, and
// silent ones count as never free.
func (a *attempt) retryAfter() time.Duration {
	if a.answered.Yes < a.mine.Need {
		return NoExpiry
	}
	left := make([]time.Duration, a.answered.Yes)
	for i, ans := range a.others {
		left[i] = ans.Remaining
	}
	slices.Sort(left)
	return left[a.mine.Need-1]
}

// A removal is the record of the nodes' votes on a release. Nodes that had nothing to remove count as
// removed, but say nothing about the lock: another value may be there, perhaps an earlier one of ours
// that is still being removed. So a majority that has really removed it is waited for, as long as one
// can still come about. It is a value without I/O or clock.
type removal struct {
	Tally
	removed int // by nodes that were asked
	failed  failures
}

func newRemoval(size int) *removal {
	return &removal{Tally: Tally{Size: size, Need: Majority(size)}}
}

func (t *removal) add(name string, v vote) {
	t.Vote(v.answer.Answered())
	switch {
	case !v.answer.Answered():
		t.failed.add(t.Size, v.node, nodeError(name, v.answer.Err))
	case !v.clean:
		t.removed++
	}
}

func (t *removal) done() bool {
	return t.removed >= t.Need || t.Outcome() == Missed || t.Yes+t.No == t.Size
}
