package chaos

import "time"

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
