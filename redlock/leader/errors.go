package leader

import (
	"context"
	"errors"
	"fmt"

	"github.com/quorumlock/quorumlock/redlock"
)

// Errors are named by what they say of the election. Compare with [errors.Is].
var (
	// ErrNotLeader means that this Elector does not lead now: do not act for the role.
	ErrNotLeader = errors.New("leader: not the leader")
	// ErrNoLeader means that nobody leads now.
	ErrNoLeader = errors.New("leader: nobody leads")
	// ErrResigned is the cause of a term's end if the leader was told to give up, here or by a request.
	ErrResigned = errors.New("leader: resigned")
	// ErrUnhealthy is the cause of a term's end if the health check failed. It is wrapped, with the reason.
	ErrUnhealthy = errors.New("leader: unhealthy")
	// ErrRunning means that Run was called while another call of it runs on the same Elector.
	ErrRunning = errors.New("leader: already running")
	// ErrNotRunning means that Run does not run, so that this Elector never leads.
	ErrNotRunning = errors.New("leader: not running")
	// ErrClosed means that the Elector was closed.
	ErrClosed = errors.New("leader: closed")
	// ErrPanicked stands for the error of work that has panicked or has ended its goroutine.
	ErrPanicked = errors.New("leader: the work panicked")
)

// configError makes joined faults a [*redlock.ConfigError], and no faults nil.
func configError(faults ...error) error {
	if err := errors.Join(faults...); err != nil {
		return &redlock.ConfigError{Err: err}
	}
	return nil
}

// checkContext returns what is wrong with a caller's context.
func checkContext(ctx context.Context) error {
	if ctx == nil {
		return configError(errors.New("ctx is nil: use context.Background()"))
	}
	return contextError(ctx)
}

// contextError is why ctx has ended: its error, with the cause if there is another one. It is nil if it lives.
func contextError(ctx context.Context) error {
	err := ctx.Err()
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); !errors.Is(err, cause) {
		return fmt.Errorf("leader: %w: %w", err, cause)
	}
	return fmt.Errorf("leader: %w", err)
}

// hopeless reports whether a campaign that failed with err fails the next time too, whatever the nodes do.
func hopeless(err error) bool {
	_, config := errors.AsType[*redlock.ConfigError](err)
	return config || errors.Is(err, redlock.ErrClosed)
}
