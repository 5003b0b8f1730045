package stampede

import (
	"errors"
	"fmt"
	"strings"
)

// Errors are named by what the caller should do. Compare with [errors.Is].
var (
	// ErrNotFound means that the source has no such value. Loaders return it, possibly wrapped; callers get
	// it, also from an entry that remembers it, see [WithNegativeTTL].
	ErrNotFound = errors.New("stampede: not found")
	// ErrFenced means that the claim was not the caller's any more: it ran out, or the value was put or
	// invalidated meanwhile. Nothing was stored. Read again.
	ErrFenced = errors.New("stampede: claim is void")
	// ErrUnavailable means that too few lock nodes, or not the data node, answered, under [FailClosed].
	ErrUnavailable = errors.New("stampede: cache unavailable")
	// ErrClosed means that the Cache was closed.
	ErrClosed = errors.New("stampede: closed")
)

// A LoadError means that a load failed: here, in another goroutine, or in another process. All who waited
// for that load get it, once. It is always a pointer.
type LoadError struct {
	// Key is the value's key.
	Key string
	// Err is what the loader returned. Of a load in another process it has the text alone.
	Err error
	// Remote means that another process loaded.
	Remote bool
}

// Error names the key and the reason.
func (e *LoadError) Error() string {
	if e.Remote {
		return fmt.Sprintf("stampede: loading %q in another process: %v", e.Key, e.Err)
	}
	return fmt.Sprintf("stampede: loading %q: %v", e.Key, e.Err)
}

// Unwrap returns what the loader returned.
func (e *LoadError) Unwrap() error { return e.Err }

// A PanicError is the panic of a loader, which ends that load alone. It is always a pointer.
type PanicError struct {
	// Value is what the loader panicked with, or nil if it left by runtime.Goexit.
	Value any
	// Stack is where.
	Stack []byte
}

// Error tells the panic's value, without the stack.
func (e *PanicError) Error() string {
	if e.Value == nil {
		return "the loader ended its goroutine"
	}
	return fmt.Sprintf("the loader panicked: %v", e.Value)
}

// A ConfigError means a value breaks a rule: the program or its settings have to change. Its text names
// every such value and rule. It is always a pointer.
type ConfigError struct{ Err error }

// Error lists the broken rules, on one line.
func (e *ConfigError) Error() string {
	return "stampede: " + strings.ReplaceAll(e.Err.Error(), "\n", "; ")
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
