package stampede

import "time"

// An Entry is a value with where it came from. Callers of one process that shared a load share its value: treat
// what it refers to as read-only, or copy it.
type Entry[V any] struct {
	Value V
	// Token is the fencing token of the lease under which the value was loaded, see [Load]. It is 0 for values
	// that were put, or loaded without a lease.
	Token uint64
	// Age is how long ago the value was stored.
	Age time.Duration
	// Source tells where it came from.
	Source Source
}

// A Source is where a value came from.
type Source uint8

const (
	// Hit: it was there, and fresh.
	Hit Source = iota + 1
	// Stale: it was there, and past its time.
	Stale
	// Loaded: this call's loader made it.
	Loaded
	// Waited: the load of another caller made it, here or in another process, while this call waited.
	Waited
)

// String is the source's name.
func (s Source) String() string {
	switch s {
	case Hit:
		return "hit"
	case Stale:
		return "stale"
	case Loaded:
		return "loaded"
	case Waited:
		return "waited"
	}
	return "unknown"
}
