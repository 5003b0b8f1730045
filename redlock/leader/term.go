package leader

import (
	"context"
	"errors"
	"time"

	"github.com/quorumlock/quorumlock/redlock"
)

// A Term is one time of leading a role, from the election to the work's return. It is a value; copies are the
// same term. Its methods may be called from several goroutines. Its zero value is no term, and never valid.
type Term struct {
	// Role is the Elector's.
	Role string
	// Token is the fencing token: greater than that of every earlier term of the role, and below 2^53. Show
	// it to whatever the leader acts on; see package fence.
	Token uint64
	// Started is when the Elector was elected, by the clock of this machine.
	Started time.Time

	lease *redlock.Lease
}

// Context is the one that the work is called with. It has the values of Run's context. It ends with that, with
// the lease, or when the leader has to give up; [context.Cause] is then the cause of Run's context,
// [redlock.ErrLost], [redlock.ErrClosed], [ErrResigned], [ErrUnhealthy], [ErrClosed], or, after the work has
// returned, [redlock.ErrReleased]. A Term that is none has a context that has ended.
func (t Term) Context() context.Context {
	if t.lease == nil {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(ErrNotLeader)
		return ctx
	}
	return t.lease.Context()
}

// Valid reports whether at this moment nobody else can lead. It asks nobody, and is exact also where the
// context's end is a little late. It stays true while work that has to give up is being waited for.
func (t Term) Valid() bool { return t.lease != nil && t.lease.Valid() }

// Remaining is how long the term holds if the lease is not renewed, and 0 once it is over.
func (t Term) Remaining() time.Duration {
	if t.lease == nil {
		return 0
	}
	return t.lease.Remaining()
}

// An Ended tells of a term that is over.
type Ended struct {
	Term Term
	// Cause is why the context of the term ended before the work returned, as [Term.Context] lists it. It is
	// nil if the work returned by itself, or panicked.
	Cause error
	// Err is what the work returned, or [ErrPanicked].
	Err error
	// Release is why it could not be confirmed that the role is free, which may then last for the TTL. It is
	// [redlock.ErrLost] if the lease ended before the work did.
	Release error
}

// ending is what the pause after the term depends on.
func (e Ended) ending() ending {
	switch {
	case errors.Is(e.Cause, redlock.ErrLost):
		return endLost
	case e.Cause != nil:
		return endYielded
	case e.Err != nil:
		return endFailed
	case errors.Is(e.Release, redlock.ErrLost):
		return endLost
	}
	return endReturned
}

// A tenure is a term as its Elector sees it.
type tenure struct {
	term   Term
	cancel context.CancelCauseFunc // ends the term's context
	done   chan struct{}           // closed once the role has been given up

	release error     // of the lease; read after done
	ended   time.Time // when the context has; guarded by the Elector's mu
}

func (t *tenure) lease() *redlock.Lease { return t.term.lease }
