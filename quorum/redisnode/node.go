package redisnode

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
)

// A Node asks one Redis server. Make one with [New]. All methods may be called from several
// goroutines.
type Node struct {
	name    string
	clock   clock.Clock
	client  *redis.Client
	dialer  *dialer
	seats   *seats
	greeter func(context.Context, *redis.Conn) error // the caller's OnConnect, or nil

	mu     sync.Mutex
	offset offset
}

var _ quorum.Node = (*Node)(nil)

// New returns a node on the server that opts names. It does no I/O, and neither changes nor keeps
// opts; those of an existing client ([redis.Client.Options]) work as well.
//
// What says where the server is and who asks is kept: address, Dialer, TLS, credentials, DB, client
// name, Protocol, OnConnect, identity. Timeouts, retries and pool settings are replaced, except that
// a shorter DialTimeout and a larger PoolSize stay.
//
// clk is the clock of the operations' NotAfter. The error names every unusable value.
func New(opts *redis.Options, clk clock.Clock) (*Node, error) {
	if err := validate(opts, clk); err != nil {
		return nil, fmt.Errorf("redisnode: %w", err)
	}
	n := &Node{
		name:    nodeName(opts),
		clock:   clk,
		dialer:  newDialer(opts),
		greeter: opts.OnConnect,
	}
	own := tune(opts, n.dialer.connect, n.greet)
	n.client = redis.NewClient(own)
	n.seats = newSeats(own.PoolSize, n.measure)
	return n, nil
}

// Name returns the server's "host:port" or socket path, and "/<db>" behind it for a database other
// than 0.
func (n *Node) Name() string { return n.name }

// Close closes all connections and waits for dials under way, which it cancels: a Dialer of the
// caller's that does not honour its ctx delays it. Calls after the first do nothing.
func (n *Node) Close() error {
	n.seats.close()
	n.dialer.stop() // ends what is being opened, before the client library is told
	n.seats.join()
	err := n.client.Close()
	n.dialer.join()
	if errors.Is(err, redis.ErrClosed) {
		return nil
	}
	return err
}

// Ask carries out the batch as [quorum.Node] says, with one command for one operation and one
// pipeline for several. Errors are [*quorum.NodeError] values. An error that came with the deadline
// is also a [context.DeadlineExceeded].
func (n *Node) Ask(ctx context.Context, batch []quorum.Op) []quorum.Answer {
	answers := make([]quorum.Answer, len(batch))
	if err := n.enter(ctx); err != nil {
		return n.allFailed(ctx, answers, err)
	}
	alive := true
	defer func() { n.seats.give(alive) }()
	if !n.inTime(ctx) {
		return n.allFailed(ctx, answers, &unsentError{fmt.Errorf("no connection was ready: %w", context.DeadlineExceeded)})
	}
	if err := n.prepare(ctx, batch); err != nil {
		alive = fromServer(err)
		return n.allFailed(ctx, answers, err)
	}
	calls := make([]*call, 0, len(batch))
	for i, op := range batch {
		c, err := n.newCall(op, &answers[i])
		if err != nil {
			answers[i].Err = n.failure(ctx, err)
			continue
		}
		calls = append(calls, c)
	}
	alive = n.exchange(ctx, calls, bySHA) && n.exchange(ctx, unknown(calls), bySource)
	return answers
}

// enter takes a seat, within ctx.
func (n *Node) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return n.seats.take(ctx)
}

// inTime reports whether an answer can come before the deadline, as far as is known. A connection that
// became ready too late is left alone then: a request that times out would cost it.
func (n *Node) inTime(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	if !ok {
		return true
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.offset.have || time.Until(deadline) > n.offset.best.width()
}

// allFailed is the answer to a batch that could not be sent because of err.
func (n *Node) allFailed(ctx context.Context, answers []quorum.Answer, err error) []quorum.Answer {
	err = n.failure(ctx, err)
	for i := range answers {
		answers[i].Err = err
	}
	return answers
}

// prepare makes sure that there is a sample of the server's clock if an operation's limit has to be put
// into it.
func (n *Node) prepare(ctx context.Context, batch []quorum.Op) error {
	for _, op := range batch {
		if limited(op) && !n.clockKnown() {
			return n.measure(ctx)
		}
	}
	return nil
}

func (n *Node) clockKnown() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.offset.known(n.clock.Now())
}

// measure asks the server for its time.
func (n *Node) measure(ctx context.Context) error {
	return n.sample(func() (time.Time, error) { return n.client.Time(ctx).Result() })
}

// greet runs on every new connection, before any operation does.
func (n *Node) greet(ctx context.Context, cn *redis.Conn) error {
	if n.greeter != nil {
		if err := n.greeter(ctx, cn); err != nil {
			// The client library strips one layer off what this function returns. Let it be this one.
			return fmt.Errorf("OnConnect: %w", err)
		}
	}
	if err := n.sample(func() (time.Time, error) { return cn.Time(ctx).Result() }); err != nil {
		return fmt.Errorf("TIME: %w", err)
	}
	return nil
}

func (n *Node) sample(ask func() (time.Time, error)) error {
	sent := n.clock.Now()
	t, err := ask()
	if err != nil {
		return err
	}
	n.learn(sample{sent: sent, received: n.clock.Now(), node: time.Duration(t.UnixNano())}, false)
	return nil
}

// learn takes in a sample. A decisive one proves the present one wrong.
func (n *Node) learn(s sample, decisive bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if decisive {
		n.offset = offset{}
	}
	n.offset.learn(s)
}

// translate returns the server's time at the client's instant x, and how much too late that may be.
func (n *Node) translate(x clock.Instant) (node, slack time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.offset.at(x)
}
