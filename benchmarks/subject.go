package benchmarks

import (
	"context"
	"time"
)

// A Subject is a kind of lock that can be measured.
type Subject interface {
	// Name is short and unique: it labels rows and lines.
	Name() string
	// About says version and settings.
	About() string
	// Fits reports whether the lock can be had on that many nodes.
	Fits(nodes int) bool
	// Open makes a client on the nodes of a site. ctx bounds the opening alone.
	Open(ctx context.Context, site Site) (Client, error)
}

// A Site is where the nodes are, and what all subjects agree on.
type Site struct {
	Addrs []string      // host:port, one per node
	TTL   time.Duration // how long a lock lives that nobody extends
}

// A Client takes locks. Its methods are called from several goroutines.
type Client interface {
	// Acquire waits until it has the lock, or ctx ends.
	Acquire(ctx context.Context, name string) (Hold, error)
	// Close ends the client. Locks that are held then may stay until their TTL.
	Close() error
}

// A Hold is a lock that is held.
type Hold interface {
	// Extend makes the lock live for its TTL from now.
	Extend(ctx context.Context) error
	// Release gives the lock back.
	Release(ctx context.Context) error
}

// A Renewed is a Hold that renews itself, and knows whether it still holds.
type Renewed interface {
	Hold
	Valid() bool
}

// A Hoster is a Subject whose nodes are not Redis servers: it brings its own.
type Hoster interface {
	Subject
	Host(ctx context.Context, nodes int) (Servers, error)
}

// Servers are the nodes of a scenario. Whoever started them closes them.
type Servers interface {
	Addrs() []string
	// Usage is what they have used up so far.
	Usage(ctx context.Context) (ServerUsage, error)
	Close() error
}
