package fence

import (
	"errors"
	"fmt"
)

// ErrStale means that somebody with a newer token has been at the resource: you no longer hold the lock.
// Stop, and throw away what you have computed. Trying again with the same token never helps. Details are
// in [*StaleError].
var ErrStale = errors.New("fence: stale token")

// A StaleError is an [ErrStale] with its details. It is always a pointer.
type StaleError struct {
	// Resource is what refused.
	Resource string
	// Token is the one that was presented.
	Token uint64
	// Newest is a larger one that the resource has admitted, the largest when it was asked.
	Newest uint64
}

// Error names the resource and both tokens.
func (e *StaleError) Error() string {
	return fmt.Sprintf("%v: %q has seen token %d, newer than %d: the lock has passed to another holder",
		ErrStale, e.Resource, e.Newest, e.Token)
}

// Is makes errors.Is(err, ErrStale) true.
func (e *StaleError) Is(target error) bool { return target == ErrStale }

// Check is the rule that every guard keeps: token is admitted if it is at least newest, the largest one
// that the resource has admitted so far (0 for none); then it is the newest. It returns nil, a
// [*StaleError] or an [ErrBadToken].
//
// A guard of your own has to make one step of Check and keeping the newest, and for a write one step of
// these and the write.
func Check(resource string, token, newest uint64) error {
	if err := validateToken(token); err != nil {
		return err
	}
	if token < newest {
		return &StaleError{Resource: resource, Token: token, Newest: newest}
	}
	return nil
}
