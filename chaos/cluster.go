package chaos

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/redlock"
)

// A Cluster is the world of one run: nodes, clients' machines, the network between them, and what can go
// wrong there. [NewMemory], [NewSimulatedRedis] and [NewProcesses] make one. [Run] calls its methods,
// Start first and Close last, and Inject from several goroutines.
type Cluster interface {
	// Kind names the kind of cluster in reports, such as "memory".
	Kind() string
	// Now is the time of the run's one clock since the cluster was made.
	Now() time.Duration
	// Start makes the nodes. From then on the cluster tells recorder of every change of a key that it can
	// see ([Changed]), and of faults that an operation met ([FaultMet]).
	Start(ctx context.Context, scenario Scenario, recorder *Recorder) error
	// Join returns what the client, from 0 on, needs to use the nodes of the given numbers.
	Join(client int, nodes []int) (Member, error)
	// Inject makes a fault, and returns what ends it. Faults of the same kind on one victim may overlap. A
	// fault that the cluster cannot make is an [ErrCannot]; one that is over at once returns a mend that
	// does nothing.
	Inject(ctx context.Context, fault Fault) (mend func() error, err error)
	// Look tells of every lock that nodes keep ([Found]). Nodes that cannot be looked at are an error.
	Look(ctx context.Context) error
	// Close ends all of it.
	Close() error
}

// ErrCannot is the error of a cluster that is asked for a fault which it cannot make.
var ErrCannot = errors.New("chaos: this cluster cannot make the fault")

// A Member is what one client needs to take part in a run.
type Member struct {
	_ struct{}

	// Client is its number, from 0 on.
	Client int
	// Clock is the clock of its machine. A lock that goes by another one is not reached by faults of
	// clients.
	Clock clock.Clock
	// Nodes are its ways to the nodes, or nil where there are Redis servers.
	Nodes []quorum.Node
	// Redis are the servers, or nil where there are none. They are the caller's to change.
	Redis []*redis.Options
	// Renewed is for a lock to call whenever it has extended a lease on name by itself. It may be called
	// at any time.
	Renewed func(name string)

	machine *machine
}

// A Lock is what a run tries out, as one client sees it. [Redlock] makes one; adapters make others of other
// libraries. Calls may overlap, those on one name too if the load has a client make several at once.
type Lock interface {
	// Acquire takes the lock: it tries once, or waits until ctx ends.
	Acquire(ctx context.Context, name string, terms Terms) (Lease, error)
	// Close ends what the client has open, and leaves keys of held leases alone.
	Close() error
}

// Terms is how a client wants a lease.
type Terms struct {
	_ struct{}

	// TTL is how long nodes keep the lock without an extension.
	TTL time.Duration
	// Renew lets the lock extend the lease by itself until it is released.
	Renew bool
	// Wait waits for a lock that is held.
	Wait bool
}

// A Lease is a held lock as a run sees it. A [*redlock.Lease] is one. If it has a method Token() uint64,
// its fencing tokens are judged too.
type Lease interface {
	// Context ends when the lease does.
	Context() context.Context
	// Remaining is how long it is still valid, and 0 or less once it has ended.
	Remaining() time.Duration
	// Votes is how many nodes stand by it.
	Votes() int
	Extend(ctx context.Context) error
	Release(ctx context.Context) error
}

// Redlock returns what opens this project's lock for a [Load]. Its holder is the client's name, unless opts
// say otherwise; its clock is the member's and its hooks tell the run of renewals, whatever they say.
func Redlock(opts ...redlock.Option) func(Member) (Lock, error) {
	return func(m Member) (Lock, error) {
		all := slices.Concat([]redlock.Option{redlock.WithHolder(ClientName(m.Client))}, opts, []redlock.Option{
			redlock.WithClock(m.Clock),
			redlock.WithHooks(redlock.Hooks{Renewed: func(e redlock.RenewedEvent) { m.Renewed(e.Name) }}),
		})
		open := func() (*redlock.Locker, error) { return redlock.New(m.Redis, all...) }
		if m.Nodes != nil {
			open = func() (*redlock.Locker, error) { return redlock.NewWithNodes(m.Nodes, all...) }
		}
		locker, err := open()
		if err != nil {
			return nil, err
		}
		return own{locker}, nil
	}
}

// own is this project's lock.
type own struct{ *redlock.Locker }

func (o own) Acquire(ctx context.Context, name string, terms Terms) (Lease, error) {
	opts := []redlock.AcquireOption{redlock.WithTTL(terms.TTL)}
	if !terms.Renew {
		opts = append(opts, redlock.WithoutRenewal())
	}
	acquire := o.Locker.TryAcquire
	if terms.Wait {
		acquire = o.Locker.Acquire
	}
	lease, err := acquire(ctx, name, opts...)
	if err != nil {
		return nil, err // and not a Lease that holds a nil
	}
	return lease, nil
}
