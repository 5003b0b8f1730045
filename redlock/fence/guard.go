package fence

import (
	"context"
	"errors"
	"fmt"
)

// MaxResourceBytes is the longest name of a resource.
const MaxResourceBytes = 512

// A Guard keeps the newest token of each resource. Its methods may be called from several goroutines.
type Guard interface {
	// Register presents a token before a read that may lead to a write. Once it has returned nil, no
	// smaller token is admitted to the resource, and whatever was written with one can be read. On a
	// [*StaleError] the caller has lost the lock. On any other error it is not known whether the token
	// was registered: do not read, or register again.
	Register(ctx context.Context, resource string, token uint64) error
}

// A WriteGuard is a Guard that can also keep newer tokens away while something is written.
type WriteGuard interface {
	Guard
	// Write presents a token and, if it is admitted, calls write once. While write runs, no other
	// token is registered for the resource and nothing else is written to it. write has to stop when
	// its context ends. It must not present a token for the same resource, which would wait for
	// itself. The error is that of write, or a refusal, in which case write was not called.
	Write(ctx context.Context, resource string, token uint64, write func(ctx context.Context) error) error
}

var (
	_ WriteGuard = (*Memory)(nil)
	_ WriteGuard = (*Table)(nil)
	_ Guard      = (*Redis)(nil)
)

// validate returns the rules that a presented token and its resource break.
func validate(resource string, token uint64) error {
	return errors.Join(validateResource(resource), validateToken(token))
}

func validateResource(resource string) error {
	switch {
	case resource == "":
		return errors.New("fence: the name of the resource is empty")
	case len(resource) > MaxResourceBytes:
		return fmt.Errorf("fence: resource %.32q... of %d bytes is over %d", resource, len(resource), MaxResourceBytes)
	}
	return nil
}
