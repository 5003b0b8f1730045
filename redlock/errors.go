package redlock

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/quorumlock/quorumlock/quorum"
)

// Errors are named by what the caller should do. Compare with [errors.Is].
var (
	// ErrHeld means enough nodes answered and somebody else has the lock, or several claimants have
	// met and none won. Waiting and trying again is reasonable. Details are in [*HeldError].
	ErrHeld = errors.New("redlock: held by another owner")
	// ErrNoQuorum means too few nodes answered in time to decide. Trying again at once only adds load.
	// The joined [*NodeError] values say why, node by node.
	ErrNoQuorum = errors.New("redlock: no quorum")
	// ErrLost means the lease has ended without being released: stop the work, somebody else may have
	// the lock. A lost lease stays lost.
	ErrLost = errors.New("redlock: lease lost")
	// ErrReleased means the lease was released. It is the cause of its context's end.
	ErrReleased = errors.New("redlock: lease released")
	// ErrClosed means the Locker was closed.
	ErrClosed = errors.New("redlock: closed")
)

// A NodeError is one node's failure to answer: its name, the server's code if it gave one, and whether
// the failure mends itself.
type NodeError = quorum.NodeError

// A HeldError is an [ErrHeld] with its details. It is always a pointer.
type HeldError struct {
	// Name is the lock's name.
	Name string
	// Holder is the label of whoever has a majority of the nodes; see [WithHolder]. It is empty if
	// nobody has, or if another library holds the lock.
	Holder string
	// RetryAfter is when enough nodes will be free if the holder neither extends nor releases: an upper
	// bound for a useful wait, not a promise. It is 0 if that is not known.
	RetryAfter time.Duration
	// Split means that nobody has a majority: several claimants met, or leftovers of attempts stand in
	// the way. A short random wait resolves it.
	Split bool
}

// Error names the lock and, if known, its holder.
func (e *HeldError) Error() string {
	switch {
	case e.Split:
		return fmt.Sprintf("%v: %q is contended, and nobody has a majority yet", ErrHeld, e.Name)
	case e.Holder != "":
		return fmt.Sprintf("%v: %q is held by %s", ErrHeld, e.Name, e.Holder)
	}
	return fmt.Sprintf("%v: %q", ErrHeld, e.Name)
}

// Is makes errors.Is(err, ErrHeld) true.
func (e *HeldError) Is(target error) bool { return target == ErrHeld }

// A ConfigError means a value breaks a rule: the program or its settings have to change. Its text names
// every such value and rule. It is always a pointer.
type ConfigError struct{ Err error }

// Error lists the broken rules, on one line.
func (e *ConfigError) Error() string {
	return "redlock: " + strings.ReplaceAll(e.Err.Error(), "\n", "; ")
}

// Unwrap returns the broken rules, joined.
func (e *ConfigError) Unwrap() error { return e.Err }

// configError makes joined faults a *ConfigError, and no faults nil.
func configError(faults ...error) error {
	if err := errors.Join(faults...); err != nil {
		return &ConfigError{Err: err}
	}
	return nil
}

// fromEngine says in this package's words why a question to the nodes failed.
func (l *Locker) fromEngine(name string, err error) error {
	var miss *quorum.MissError
	switch {
	case errors.Is(err, quorum.ErrClosed), errors.Is(err, ErrClosed):
		return ErrClosed
	case !errors.As(err, &miss):
		return fmt.Errorf("redlock: %q: %w", name, err)
	}
	switch miss.Why {
	case quorum.Held, quorum.Split:
		held := &HeldError{Name: name, Holder: holderOf(miss.Holder), Split: miss.Why == quorum.Split}
		if miss.RetryAfter != quorum.NoExpiry {
			held.RetryAfter = miss.RetryAfter
		}
		return held
	case quorum.Gone:
		return fmt.Errorf("%w: %q: %w", ErrLost, name, miss)
	}
	return fmt.Errorf("%w for %q: %w", ErrNoQuorum, name, miss)
}
