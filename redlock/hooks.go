package redlock

import (
	"context"
	"log/slog"
	"time"
)

// Hooks tell the program what happens to its locks. Each func may be nil, and costs nothing then; it
// may be called from several goroutines at once, and should return soon, since it may delay the
// operation that it tells about. No hook delays the end of a lease's context, and none is called by Valid
// or another method that only looks. A hook must not close the Locker.
type Hooks struct {
	_ struct{}

	// Acquired: a lease was won.
	Acquired func(AcquiredEvent)
	// Held: an attempt found the lock held by somebody else.
	Held func(HeldEvent)
	// Split: an attempt met others, and nobody won.
	Split func(SplitEvent)
	// Renewed: a lease was extended, by renewal or by Extend.
	Renewed func(RenewedEvent)
	// Jeopardy: the first of possibly several extensions in a row has failed. The lease still holds.
	Jeopardy func(JeopardyEvent)
	// Lost: a lease has ended without a release. Its context has ended already.
	Lost func(LostEvent)
	// Released: a lease was released.
	Released func(ReleasedEvent)
	// Healed: a held key was brought to a node that did not have it: one that lost it, or that refused it
	// when the lease was won, for a leftover of somebody else's.
	Healed func(HealedEvent)
	// NodeDown: a node has failed to answer several times in a row. It is asked less often until it
	// answers.
	NodeDown func(NodeEvent)
	// NodeUp: a node that was down has answered.
	NodeUp func(NodeEvent)
}

// An AcquiredEvent tells of a new lease.
type AcquiredEvent struct {
	Name     string
	Votes    int           // nodes that have granted it so far
	Validity time.Duration // left when it was won
	Attempts int           // at the nodes, including the one that won, if one did
	Waited   time.Duration // from the call to the lease
	// HandedOver means that the lock came from another call of the same Locker, which released it.
	HandedOver bool
	Token      uint64 // see [Lease.Token]
	// Levelled means that the nodes gave different numbers at first, so that the token took one more round trip.
	Levelled bool
}

// A HeldEvent tells of an attempt on a held lock.
type HeldEvent struct {
	Name       string
	Holder     string        // its label, if known
	RetryAfter time.Duration // see [HeldError]
	Attempt    int           // 1 for the first
}

// A SplitEvent tells of an attempt that nobody won.
type SplitEvent struct {
	Name    string
	Attempt int // 1 for the first
}

// A RenewedEvent tells of an extension.
type RenewedEvent struct {
	Name     string
	Votes    int           // nodes whose promise stands
	Validity time.Duration // left after it
}

// A JeopardyEvent tells of a failed extension.
type JeopardyEvent struct {
	Name     string
	Validity time.Duration // left: when it is used up the lease is lost
	Err      error
}

// A LostEvent tells of a lease that ended without a release.
type LostEvent struct {
	Name string
	Held time.Duration // since it was acquired
	Err  error         // wraps [ErrLost] and says why
}

// A ReleasedEvent tells of a release.
type ReleasedEvent struct {
	Name string
	Held time.Duration // since it was acquired
	Err  error         // why it could not be confirmed, if so; the keys then run out by themselves
}

// A HealedEvent tells of a key that was brought to a node.
type HealedEvent struct{ Name, Node string }

// A NodeEvent tells of a node.
type NodeEvent struct {
	Node string
	Err  error // with NodeDown: the last failure
}

// LogHooks returns hooks that write every event to logger: what needs a person's eye as a warning,
// the rest for debugging. Fields are named as in the events.
func LogHooks(logger *slog.Logger) Hooks {
	warn := func(msg string, args ...any) { logger.Log(context.Background(), slog.LevelWarn, msg, args...) }
	debug := func(msg string, args ...any) { logger.Log(context.Background(), slog.LevelDebug, msg, args...) }
	return Hooks{
		Acquired: func(e AcquiredEvent) {
			debug("lock acquired", "name", e.Name, "votes", e.Votes, "validity", e.Validity,
				"attempts", e.Attempts, "waited", e.Waited, "handed_over", e.HandedOver, "token", e.Token)
		},
		Held: func(e HeldEvent) {
			debug("lock held by another owner", "name", e.Name, "holder", e.Holder,
				"retry_after", e.RetryAfter, "attempt", e.Attempt)
		},
		Split: func(e SplitEvent) { debug("lock contended", "name", e.Name, "attempt", e.Attempt) },
		Renewed: func(e RenewedEvent) {
			debug("lease renewed", "name", e.Name, "votes", e.Votes, "validity", e.Validity)
		},
		Jeopardy: func(e JeopardyEvent) {
			warn("lease in jeopardy", "name", e.Name, "validity", e.Validity, "err", e.Err)
		},
		Lost: func(e LostEvent) { warn("lease lost", "name", e.Name, "held", e.Held, "err", e.Err) },
		Released: func(e ReleasedEvent) {
			if e.Err != nil {
				warn("release not confirmed", "name", e.Name, "held", e.Held, "err", e.Err)
				return
			}
			debug("lock released", "name", e.Name, "held", e.Held)
		},
		Healed:   func(e HealedEvent) { debug("lock healed on node", "name", e.Name, "node", e.Node) },
		NodeDown: func(e NodeEvent) { warn("lock node down", "node", e.Node, "err", e.Err) },
		NodeUp:   func(e NodeEvent) { warn("lock node up", "node", e.Node) },
	}
}
