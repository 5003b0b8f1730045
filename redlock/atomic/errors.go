package atomic

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Errors are named by what the caller should do. Compare with [errors.Is]. Errors that are none of these are
// failures of which it is known that nothing was written: the server refused, was not reached, or the context
// had ended before anything was sent. Trying again later is reasonable.
var (
	// ErrLimit means that the limit is reached: do without, or wait. Details are in [*LimitError].
	ErrLimit = errors.New("atomic: limit reached")
	// ErrShort means that less is in stock than was asked for, and nothing was written: ask for less, or come
	// back when there is more. Details are in [*ShortError].
	ErrShort = errors.New("atomic: stock is short")
	// ErrConflict means that the order id has been used for another quantity: it is not the same order, so give
	// it an id of its own. Nothing was written. Details are in [*ConflictError].
	ErrConflict = errors.New("atomic: order id used for another quantity")
	// ErrCorrupt means that a key holds what no recipe wrote there, and nothing was written now: trying again
	// changes nothing until somebody repairs or deletes the key. Details are in [*CorruptError].
	ErrCorrupt = errors.New("atomic: unusable stored value")
	// ErrUnknown means that the call was sent and its reply was lost: it may have been carried out, or still be.
	// The package documentation says for each recipe what a repeat does.
	ErrUnknown = errors.New("atomic: unknown whether carried out")
)

// A LimitError is an [ErrLimit] with its details. It is always a pointer.
type LimitError struct {
	// Key is the counter, or the key of the window's hits.
	Key string
	// Limit is the maximum or the limit that the call was made with.
	Limit int64
	// Count is the value of the counter, which did not change, or the number of hits in the window, with
	// this one.
	Count int64
	// RetryAfter is how long the window still lasts, rounded up: a hit after that is in a later window. It is 0
	// for a counter, whose end nobody knows.
	RetryAfter time.Duration
}

// Error names the key, the count and the limit.
func (e *LimitError) Error() string {
	if e.RetryAfter > 0 {
		return fmt.Sprintf("%v: hit %d of %q is over the limit of %d; retry in %v", ErrLimit, e.Count, e.Key, e.Limit, e.RetryAfter)
	}
	return fmt.Sprintf("%v: counter %q is at %d, and may not go over %d", ErrLimit, e.Key, e.Count, e.Limit)
}

// Is makes errors.Is(err, ErrLimit) true.
func (e *LimitError) Is(target error) bool { return target == ErrLimit }

// A ShortError is an [ErrShort] with its details. It is always a pointer.
type ShortError struct {
	// Stock is the key of the stock.
	Stock string
	// Quantity is what was asked for, Left what there is.
	Quantity, Left int64
	// Missing means that the stock key does not exist: it was never set, has expired or was evicted. A stock
	// that is sold out exists, and is 0.
	Missing bool
}

// Error names the stock, what is left and what was asked for.
func (e *ShortError) Error() string {
	if e.Missing {
		return fmt.Sprintf("%v: key %q, asked for %d, does not exist", ErrShort, e.Stock, e.Quantity)
	}
	return fmt.Sprintf("%v: %d left in %q, asked for %d", ErrShort, e.Left, e.Stock, e.Quantity)
}

// Is makes errors.Is(err, ErrShort) true.
func (e *ShortError) Is(target error) bool { return target == ErrShort }

// A ConflictError is an [ErrConflict] with its details. It is always a pointer.
type ConflictError struct {
	// ID is the order id.
	ID string
	// Reserved is the quantity that the id stands for, Quantity the one asked for now.
	Reserved, Quantity int64
}

// Error names the order and both quantities.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("%v: order %q has %d reserved, asked for %d", ErrConflict, e.ID, e.Reserved, e.Quantity)
}

// Is makes errors.Is(err, ErrConflict) true.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// A CorruptError is an [ErrCorrupt] with its details. It is always a pointer.
type CorruptError struct {
	// Key is the key that holds the value.
	Key string
	// Type is the type of the key, such as "list", if that is what is wrong with it.
	Type string
	// Value is the beginning of the value, 64 bytes at most, if that is what is wrong.
	Value string
	// Want says in words what has to be there.
	Want string
}

// Error names the key, what it holds and what it should.
func (e *CorruptError) Error() string {
	if e.Type != "" {
		return fmt.Sprintf("%v: key %q is of type %s, want %s", ErrCorrupt, e.Key, e.Type, e.Want)
	}
	return fmt.Sprintf("%v: key %q holds %q, want %s", ErrCorrupt, e.Key, e.Value, e.Want)
}

// Is makes errors.Is(err, ErrCorrupt) true.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

// A ConfigError means a value breaks a rule: the program or its settings have to change. Nothing was written.
// Its text names every such value and rule. It is always a pointer.
type ConfigError struct{ Err error }

// Error lists the broken rules, on one line.
func (e *ConfigError) Error() string {
	return "atomic: " + strings.ReplaceAll(e.Err.Error(), "\n", "; ")
}

// Unwrap returns the broken rules, joined.
func (e *ConfigError) Unwrap() error { return e.Err }
