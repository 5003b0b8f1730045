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
	name   string
	clock  clock.Clock
	opts   redis.Options // tuned; each connection has a client of its own made from them
	dialer *dialer
	base   context.Context //nolint:containedctx // ends with the node
	stop   context.CancelFunc
	work   sync.WaitGroup // connections and what opens them; grows under mu only

	subscriber *subscriber

	mu      sync.Mutex
	closed  bool
	offset  offset
	box     outbox
	link    *link // nil while there is none
	writing bool  // somebody writes a batch to link
	opening int   // connections that are being opened
	opened  time.Time
	alarm   *time.Timer
	alarmAt time.Time // when it rings; zero if it does not
	dueAt   time.Time // no deadline passes before; zero if there is none
	// unknown: the server has said that it does not know the script.
	unknown bool
}

var (
	_ quorum.Node   = (*Node)(nil)
	_ quorum.Sender = (*Node)(nil)
)

// New returns a node on the server that opts names. It does no I/O, and neither changes nor keeps
// opts; those of an existing client ([redis.Client.Options]) work as well.
//
// What says where the server is and who asks is kept: address, Dialer, TLS, credentials, DB, client
// name, Protocol, OnConnect, identity, ConnMaxLifetime and ConnMaxIdleTime. Timeouts, retries and pool
// settings are replaced, except that a shorter DialTimeout stays.
//
// clk is the clock of the operations' NotAfter. The error names every unusable value.
func New(opts *redis.Options, clk clock.Clock) (*Node, error) {
	if err := validate(opts, clk); err != nil {
		return nil, fmt.Errorf("redisnode: %w", err)
	}
	n := &Node{name: nodeName(opts), clock: clk, dialer: newDialer(opts), subscriber: newSubscriber()}
	n.opts = *tune(opts)
	n.base, n.stop = context.WithCancel(context.Background())
	return n, nil
}

// Name returns the server's "host:port" or socket path, and "/<db>" behind it for a database other
// than 0.
func (n *Node) Name() string { return n.name }

// Close closes the connection, fails what waits for it, and waits for dials under way, which it cancels: a
// Dialer of the caller's that does not honour its ctx delays it. Calls after the first do nothing.
func (n *Node) Close() error {
	n.stop()
	n.dialer.stop() // ends what is being opened
	n.mu.Lock()
	first := !n.closed
	n.closed = true
	if n.alarm != nil {
		n.alarm.Stop()
	}
	l := n.link
	n.mu.Unlock()
	if first {
		n.drop(l, redis.ErrClosed)
	}
	n.work.Wait()
	n.dialer.join()
	return nil
}

// Ask carries out the batch as [quorum.Node] says, together with what else is asked at that moment. Errors
// are [*quorum.NodeError] values. An error that came with the deadline is also a
// [context.DeadlineExceeded], and one of a ctx that was cancelled is its error.
func (n *Node) Ask(ctx context.Context, batch []quorum.Op) []quorum.Answer {
	answers := make([]quorum.Answer, len(batch))
	if err := ctx.Err(); err != nil {
		for i := range answers {
			answers[i].Err = n.failure(&unsentError{err})
		}
		return answers
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(openTimeout)
	}
	var all sync.WaitGroup
	requests := make([]*request, len(batch))
	all.Add(len(batch))
	for i, op := range batch {
		requests[i] = &request{op: op, deadline: deadline, to: &asker{&answers[i], &all}}
	}
	stop := context.AfterFunc(ctx, func() { n.giveUp(requests, ctx.Err()) })
	defer stop()
	n.submit(requests)
	all.Wait()
	return answers
}

// An asker waits in Ask for one answer.
type asker struct {
	answer *quorum.Answer
	all    *sync.WaitGroup
}

func (a *asker) Receive(ans quorum.Answer) {
	*a.answer = ans
	a.all.Done()
}

// Send carries out one operation as Ask does, and gives the answer to to, once, by the deadline. It does not
// wait; to may have the answer before it returns. to must not block: it keeps back the other answers of the
// server.
func (n *Node) Send(op quorum.Op, deadline time.Time, to quorum.Receiver) {
	n.submit([]*request{{op: op, deadline: deadline, to: to}})
}

// submit takes in requests, and sends them at once if the server is idle.
func (n *Node) submit(requests []*request) {
	var refused []*request
	now := time.Now()
	n.mu.Lock()
	for _, r := range requests {
		if r.settled {
			continue // given up already
		}
		if err := n.accept(r); err != nil {
			refused = append(refused, r.fail(n.failure(err)))
			continue
		}
		if n.dueAt.IsZero() || r.deadline.Before(n.dueAt) {
			n.dueAt = r.deadline
			n.wakeBy(n.dueAt, now)
		}
	}
	n.gather()
	l, b := n.next(now, false)
	n.mu.Unlock()
	giveAll(refused)
	n.send(l, b, false)
}

// accept returns why a request is not taken in, or nil. The caller holds mu.
func (n *Node) accept(r *request) error {
	if err := validOp(r.op); err != nil {
		return err
	}
	if n.closed {
		return &unsentError{redis.ErrClosed}
	}
	if !n.box.push(r) {
		return &unsentError{fmt.Errorf("%w: %d requests wait for the server already", quorum.ErrBusy, maxWaiting)}
	}
	return nil
}

// giveUp fails those of the requests that are not answered yet: their caller has left.
func (n *Node) giveUp(requests []*request, why error) {
	var left []*request
	now := time.Now()
	n.mu.Lock()
	for _, r := range requests {
		if r.settled {
			continue
		}
		if !r.sent && r.number > 0 {
			n.box.live--
		}
		left = append(left, r.fail(n.failure(n.leaving(r, why, now))))
	}
	n.mu.Unlock()
	giveAll(left)
}

// leaving is the error of a request whose caller has left because of why. The caller holds mu.
func (n *Node) leaving(r *request, why error, now time.Time) error {
	switch {
	case errors.Is(why, context.DeadlineExceeded):
		return n.timeout(r, now)
	case r.sent:
		return why
	}
	return &unsentError{why}
}

// giveAll hands out answers. The caller holds no lock.
func giveAll(settled []*request) {
	for _, r := range settled {
		r.to.Receive(r.answer)
	}
}

// failure makes err the node's: without what the server echoed, with its code, and with advice.
func (n *Node) failure(err error) error {
	err = withoutEcho(err)
	return n.advise(err, classify(err))
}

// failureOf is failure for the reply to one operation, whose own needs are then part of the advice.
func (n *Node) failureOf(op quorum.Op, err error) error {
	err = withoutEcho(err)
	t := classify(err)
	if t.code == "NOPERM" && (asksNumber(op) || op.Kind == quorum.Raise) {
		t.advice += ", and for numbers " + numberRights
	}
	return n.advise(err, t)
}

func (n *Node) advise(err error, t trouble) error {
	if t.advice != "" {
		err = fmt.Errorf("%w (%s)", err, t.advice)
	}
	return &quorum.NodeError{Node: n.name, Code: t.code, Permanent: t.permanent, Err: err}
}
