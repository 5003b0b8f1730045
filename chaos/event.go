package chaos

import "time"

// Kind says what an [Event] tells.
type Kind string

// The kinds of events. Those that begin something are recorded before it happens, and those that end it
// after. What lies between is longer in the history than it was, and a lease, which lasts from Acquired to the
// last proof of its validity, is shorter: a judge that finds two of them at once has found two.
const (
	// AcquireInvoked: a client is about to ask for the lock. Acquired or Refused ends it.
	AcquireInvoked Kind = "acquire-invoked"
	// Acquired: the client has a lease. Votes, Token and Remaining are the lease's.
	Acquired Kind = "acquired"
	// Refused: the client has no lease. Err says why.
	Refused Kind = "refused"
	// Observed: the client has asked its lease whether it is valid; Held is the answer, Remaining the
	// time left by the client's own clock.
	Observed Kind = "observed"
	// ExtendInvoked: a client is about to extend its lease. Extended or ExtendFailed ends it.
	ExtendInvoked Kind = "extend-invoked"
	// Extended: the lease was extended; Remaining is what it has now.
	Extended Kind = "extended"
	// ExtendFailed: it was not; Err says why.
	ExtendFailed Kind = "extend-failed"
	// Lost: the lease's context has ended without a release. Err is its cause.
	Lost Kind = "lost"
	// ReleaseInvoked: a client is about to release its lease; Held says whether it was valid at that
	// moment. Released or ReleaseFailed ends it.
	ReleaseInvoked Kind = "release-invoked"
	// Released: the release is confirmed.
	Released Kind = "released"
	// ReleaseFailed: it is not, and the lock may be held until its TTL. Err says why.
	ReleaseFailed Kind = "release-failed"
	// Read: the client has read the protected register under its lease: Data, with Token.
	Read Kind = "read"
	// Wrote: the client has tried to write Data to the register under its lease, with Token. Held says
	// whether the register took it.
	Wrote Kind = "wrote"
	// FaultBegan and FaultEnded: something was broken, or mended, on Node or Client. Fault says what.
	FaultBegan Kind = "fault-began"
	FaultEnded Kind = "fault-ended"
	// FaultMet: a fault was met by an operation: it took effect.
	FaultMet Kind = "fault-met"
	// Changed: a node has changed a key. Op says by which operation of whose Value, Before what was there, and
	// Next what is there after a hand-over ("handover").
	Changed Kind = "changed"
	// Found: the key was on the node when somebody looked: its Value and Remaining. A negative Remaining
	// means that the key has no TTL.
	Found Kind = "found"
	// Healed: all faults have ended for good. What is judged about a healthy fleet is judged after it.
	Healed Kind = "healed"
	// Ended: the clients have stopped. Only looks at the nodes follow.
	Ended Kind = "ended"
	// Looked: every node was looked at, and whatever was there is told by Found events before this one.
	Looked Kind = "looked"
)

// An Event is one line of a [History]. Fields that its kind does not speak of are zero.
type Event struct {
	// At is the time of the run's one clock, since the run began. It is not the clock of any client or
	// node.
	At time.Duration `json:"at"`
	// Kind says what happened.
	Kind Kind `json:"kind"`
	// Client names the client, such as "c3".
	Client string `json:"client,omitempty"`
	// Lease numbers the client's attempts, from 1: all events of one attempt and of its lease carry it.
	Lease int `json:"lease,omitempty"`
	// Name is the lock's name.
	Name string `json:"name,omitempty"`
	// Deadline is when the context of an attempt ends, and 0 if it does not; Renewed says of a lease that it
	// renews itself.
	Deadline time.Duration `json:"deadline,omitempty"`
	Renewed  bool          `json:"renewed,omitempty"`
	// Held, Votes, Token and Remaining are the lease's or the key's; see the kinds.
	Held  bool   `json:"held,omitempty"`
	Votes int    `json:"votes,omitempty"`
	Token uint64 `json:"token,omitempty"`
	// Levelled says of a lease that the nodes gave it different numbers at first, so that its token took one more
	// round trip.
	Levelled  bool          `json:"levelled,omitempty"`
	Remaining time.Duration `json:"remaining,omitempty"`
	// Node names the node.
	Node string `json:"node,omitempty"`
	// Fault is the kind of fault.
	Fault FaultKind `json:"fault,omitempty"`
	// Op, Value, Before and Next are of a change: the operation, the value it was asked for, the value that
	// was there and, after a hand-over, the one that is there now.
	Op     string `json:"op,omitempty"`
	Value  string `json:"value,omitempty"`
	Before string `json:"before,omitempty"`
	Next   string `json:"next,omitempty"`
	// Data is the register's content.
	Data string `json:"data,omitempty"`
	// Err is an error's text.
	Err string `json:"err,omitempty"`
}
