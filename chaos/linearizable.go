package chaos

import (
	"fmt"
	"hash/maphash"
	"io"
	"time"

	"github.com/anishathalye/porcupine"
)

// Linearizable holds if the acquisitions and the ends of the leases on each name can be put into one order,
// each somewhere between its invocation and its return, that a lock could have gone through: it is free when
// it is taken, and tokens grow. Attempts that failed are left out, since a lock may always refuse.
//
// It says the same as [MutualExclusion] by another way, and tokens on top: search is how long it may look
// for an order of one name's operations. A search that does not end in time is a violation.
func Linearizable(search time.Duration) Invariant {
	return newInvariant("linearizable", "the leases fit into an order that one lock could have gone through",
		perName(func(name string, claims []claim) []Violation {
			operations := operationsOf(name, claims)
			switch porcupine.CheckOperationsTimeout(lockModel, operations, search) {
			case porcupine.Ok:
				return nil
			case porcupine.Illegal:
				return []Violation{misfit(name, claims, operations, search)}
			}
			return []Violation{{
				At:   claims[0].start,
				Text: fmt.Sprintf("%q: no verdict on %s within %v", name, count(len(claims), "lease"), search),
			}}
		}))
}

// A lockOp is one step of a lock: a lease is given, or ends.
type lockOp struct {
	name  string
	lease int // index of the claim
	ends  bool
	token uint64
	label string
}

// A lockState is all that matters of a lock between two steps.
type lockState struct {
	holder int // index of the claim; free without one
	token  uint64
}

const free = -1

var stateSeed = maphash.MakeSeed()

// lockModel is a lock as one would like it to be.
var lockModel = porcupine.Model{
	Partition: byName,
	Init:      func() any { return lockState{holder: free} },
	Step: func(state, input, _ any) (bool, any) {
		return advance(state.(lockState), input.(lockOp))
	},
	Hash:              func(state any) uint64 { return maphash.Comparable(stateSeed, state.(lockState)) },
	DescribeOperation: func(input, _ any) string { return input.(lockOp).String() },
	DescribeState:     func(state any) string { return state.(lockState).String() },
}

func advance(s lockState, op lockOp) (legal bool, next lockState) {
	if op.ends {
		return s.holder == op.lease, lockState{holder: free, token: s.token}
	}
	grows := op.token == 0 || op.token > s.token
	return s.holder == free && grows, lockState{holder: op.lease, token: max(s.token, op.token)}
}

// String returns the step for a picture.
func (op lockOp) String() string {
	switch {
	case op.ends:
		return op.label + " ends"
	case op.token == 0:
		return op.label + " acquires"
	}
	return fmt.Sprintf("%s acquires with token %d", op.label, op.token)
}

// String returns the state for a picture.
func (s lockState) String() string {
	if s.holder == free {
		return fmt.Sprintf("free, last token %d", s.token)
	}
	return fmt.Sprintf("held, token %d", s.token)
}

// operationsOf returns two operations for each claim: it is given between the question and its start, and
// ends at its end or later. How much later is nobody's business; the operation has to return some time.
func operationsOf(name string, claims []claim) []porcupine.Operation {
	var (
		operations []porcupine.Operation
		clients    = make(map[string]int)
	)
	for i, c := range claims {
		if _, known := clients[c.id.client]; !known {
			clients[c.id.client] = len(clients)
		}
		op := lockOp{name: name, lease: i, token: c.token, label: c.id.String()}
		given := porcupine.Operation{
			ClientId: clients[c.id.client], Input: op,
			Call: int64(c.invoked), Return: int64(c.start),
		}
		op.ends = true
		ended := porcupine.Operation{
			ClientId: clients[c.id.client], Input: op,
			Call: int64(c.end), Return: int64(c.end + 1),
		}
		operations = append(operations, given, ended)
	}
	return operations
}

func byName(operations []porcupine.Operation) [][]porcupine.Operation {
	parts := make(map[string][]porcupine.Operation)
	for _, o := range operations {
		name := o.Input.(lockOp).name
		parts[name] = append(parts[name], o)
	}
	var list [][]porcupine.Operation
	for _, name := range names(parts) {
		list = append(list, parts[name])
	}
	return list
}

// misfit tells of the first lease that is left over when as many as possible are put in order.
func misfit(name string, claims []claim, operations []porcupine.Operation, search time.Duration) Violation {
	_, info := porcupine.CheckOperationsVerbose(lockModel, operations, search)
	var longest []porcupine.Operation
	for _, orders := range info.PartialLinearizationsOperations() {
		for _, order := range orders {
			if len(order) > len(longest) {
				longest = order
			}
		}
	}
	placed := make(map[int]bool)
	for _, o := range longest {
		placed[o.Input.(lockOp).lease] = true
	}
	for i, c := range claims {
		if !placed[i] {
			return Violation{
				At:     c.start,
				Text:   fmt.Sprintf("%q: no order has room for %v with token %d, given at %v", name, c.id, c.token, c.start),
				Events: []Event{*c.given, *c.last},
			}
		}
	}
	return Violation{At: claims[0].start, Text: fmt.Sprintf("%q: the leases fit into no order", name)}
}

// Visualize writes a page of HTML that shows the leases on each name as operations, with the longest order
// that was found for them, and the faults.
func Visualize(h History, w io.Writer) error {
	var operations []porcupine.Operation
	claims := claimsByName(h)
	for _, name := range names(claims) {
		operations = append(operations, operationsOf(name, claims[name])...)
	}
	_, info := porcupine.CheckOperationsVerbose(lockModel, operations, time.Minute)
	info.AddAnnotations(faultAnnotations(h))
	if err := porcupine.Visualize(lockModel, info, w); err != nil {
		return fmt.Errorf("drawing the history: %w", err)
	}
	return nil
}

// faultAnnotations draws each fault as a band.
func faultAnnotations(h History) []porcupine.Annotation {
	var (
		bands []porcupine.Annotation
		open  = make(map[Event]int) // who it befell, and the index of its band
	)
	for _, e := range h {
		victim := Event{Fault: e.Fault, Node: e.Node, Client: e.Client}
		switch e.Kind {
		case FaultBegan:
			open[victim] = len(bands)
			bands = append(bands, porcupine.Annotation{
				Tag: "faults", Start: int64(e.At), End: int64(h[len(h)-1].At),
				Description: fmt.Sprintf("%s %s%s", e.Fault, e.Node, e.Client),
			})
		case FaultEnded:
			if i, known := open[victim]; known {
				bands[i].End = int64(e.At)
				delete(open, victim)
			}
		}
	}
	return bands
}
