package chaos

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A FaultKind is a way in which a node, a link or a client fails. One vocabulary serves every [Cluster];
// a cluster that cannot make a fault says so when a scenario asks for it.
type FaultKind string

// The faults.
const (
	// Of a node.
	Kill      FaultKind = "kill"       // it dies and comes back with its memory
	KillWiped FaultKind = "kill-wiped" // it dies and comes back empty: it forgets
	Wipe      FaultKind = "wipe"       // it forgets everything and runs on
	Pause     FaultKind = "pause"      // it stops, and carries out late what arrived meanwhile
	ClockRate FaultKind = "clock-rate" // its clock runs at rate Amount
	ClockStep FaultKind = "clock-step" // its clock steps by By
	// The share Amount of what it announces gets lost, and nobody is told.
	LoseAnnouncements FaultKind = "lose-announcements"

	// Of the link between one client, or all, and a node.
	Delay     FaultKind = "delay"      // By in each direction, with as much jitter
	SlowReply FaultKind = "slow-reply" // By on replies only, with as much jitter
	Stall     FaultKind = "stall"      // nothing passes, and arrives afterwards
	CutAsks   FaultKind = "cut-asks"   // requests are held until the end, replies pass
	CutReply  FaultKind = "cut-reply"  // requests pass, replies are held until the end
	Cut       FaultKind = "cut"        // both are held until the end
	Reset     FaultKind = "reset"      // connections are reset
	DropReply FaultKind = "drop-reply" // the operation is carried out and its reply lost
	Duplicate FaultKind = "duplicate"  // requests arrive twice, the second time late
	// The connection on which the client hears announcements is reset.
	CutSubscriber FaultKind = "cut-subscriber"

	// Of a client.
	StopClient    FaultKind = "stop-client"    // the process stands still; its clock does not
	SuspendClient FaultKind = "suspend-client" // the machine sleeps: Go's monotonic clock stands still
	ClientRate    FaultKind = "client-rate"    // its clock runs at rate Amount
	OtherNodes    FaultKind = "other-nodes"    // it uses another list of nodes: a misconfiguration
)

// A Fault is one thing that goes wrong, from At for a while.
type Fault struct {
	Kind FaultKind `json:"kind"`
	// At is when, since the run began. A reactive fault begins with the first event of the kind On by
	// a client after At instead, and hits who that event tells of.
	At time.Duration `json:"at"`
	On Kind          `json:"on,omitempty"`
	// For is how long. Faults that are over at once, such as Wipe, ignore it.
	For time.Duration `json:"for,omitempty"`
	// Nodes are the nodes that it hits, by index; Clients the clients. For faults of a link, empty
	// Clients means all.
	Nodes   []int `json:"nodes,omitempty"`
	Clients []int `json:"clients,omitempty"`
	// By and Amount are how much; see the kinds.
	By     time.Duration `json:"by,omitempty"`
	Amount float64       `json:"amount,omitempty"`
}

// A Schedule is everything that goes wrong in a run. It is data: the same schedule is played by every
// cluster, written into reports, and shrunk.
type Schedule []Fault

// forgets reports whether a node forgets something.
func (s Schedule) forgets() bool {
	return slices.ContainsFunc(s, func(f Fault) bool { return f.Kind == KillWiped || f.Kind == Wipe })
}

// kinds is every kind of fault, and what it hits.
var kinds = map[FaultKind]victim{
	Kill: nodes, KillWiped: nodes, Wipe: nodes, Pause: nodes, ClockRate: nodes, ClockStep: nodes,
	LoseAnnouncements: nodes,
	Delay:             links, SlowReply: links, Stall: links, CutAsks: links, CutReply: links, Cut: links,
	Reset: links, DropReply: links, Duplicate: links, CutSubscriber: links,
	StopClient: clients, SuspendClient: clients, ClientRate: clients, OtherNodes: clients,
}

// A victim is what a kind of fault hits.
type victim uint8

const (
	nodes victim = iota + 1
	links
	clients
)

// validate returns what is wrong with the fault in a run of so many nodes and clients.
func (f Fault) validate(nodeCount, clientCount int) error {
	switch {
	case kinds[f.Kind] == 0:
		return errors.New("unknown kind of fault")
	case f.At < 0 || f.For < 0:
		return fmt.Errorf("it begins at %v and lasts %v: neither may be negative", f.At, f.For)
	case (f.Kind == ClockRate || f.Kind == ClientRate) && f.Amount <= 0:
		return fmt.Errorf("rate %v is not positive", f.Amount)
	case f.Kind == LoseAnnouncements && (f.Amount <= 0 || f.Amount > 1):
		return fmt.Errorf("share %v: want more than 0, and 1 at most", f.Amount)
	}
	return f.validateVictims(nodeCount, clientCount)
}

func (f Fault) validateVictims(nodeCount, clientCount int) error {
	hits := kinds[f.Kind]
	switch {
	case (hits != clients || f.Kind == OtherNodes) && len(f.Nodes) == 0:
		return errors.New("it names no node")
	case hits == clients && len(f.Clients) == 0 && f.On == "":
		return errors.New("it names no client")
	case outside(f.Nodes, nodeCount):
		return fmt.Errorf("nodes %v: there are %d, from 0 on", f.Nodes, nodeCount)
	case outside(f.Clients, clientCount):
		return fmt.Errorf("clients %v: there are %d, from 0 on", f.Clients, clientCount)
	}
	return nil
}

func outside(list []int, count int) bool {
	return slices.ContainsFunc(list, func(i int) bool { return i < 0 || i >= count })
}

// String returns the fault as a line, such as "2s for 1s: pause of nodes [0 3]".
func (f Fault) String() string {
	var text strings.Builder
	fmt.Fprint(&text, f.At)
	if f.On != "" {
		fmt.Fprintf(&text, " or later, on the next %q", string(f.On))
	}
	if f.For > 0 {
		fmt.Fprintf(&text, " for %v", f.For)
	}
	fmt.Fprintf(&text, ": %s", f.Kind)
	if len(f.Nodes) > 0 {
		fmt.Fprintf(&text, " of nodes %v", f.Nodes)
	}
	if len(f.Clients) > 0 {
		fmt.Fprintf(&text, " of clients %v", f.Clients)
	}
	if f.By != 0 {
		fmt.Fprintf(&text, " by %v", f.By)
	}
	if f.Amount != 0 {
		fmt.Fprintf(&text, " at %v", f.Amount)
	}
	return text.String()
}
