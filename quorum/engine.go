package quorum

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"golang.org/x/sync/errgroup"
)

// Config says how an [Engine] decides.
type Config struct {
	_ struct{}

	// Clock measures promises. It is required.
	Clock clock.Clock
	// Votes is how many nodes must hold a value for it to be valid: from a majority to all of them.
	// Zero means a majority. More votes let a claim survive nodes that forget; fewer cannot exclude.
	Votes int
	// Drift is taken off every promise.
	Drift clock.Drift
	// Observer is told what happens to nodes.
	Observer Observer
}

// An Observer is told what the engine notices, soon after, in the order in which it was noticed and one
// thing at a time. Each func may be nil. [Engine.Close] waits for it, so it must not call that.
type Observer struct {
	// Healed: the key was brought back on a node that had lost it.
	Healed func(key, node string)
	// Down: the node has failed to answer several times in a row, last with err.
	Down func(node string, err error)
	// Up: a node that was down has answered.
	Up func(node string)
}

// Terms are what one claim asks of the nodes.
type Terms struct {
	// TTL is the time that the claim may be believed after each extension, before drift.
	TTL time.Duration
	// Grace is how much longer than TTL the nodes keep the key: room for a pause between a look at
	// the clock and the effect. Grace >= 0.
	Grace time.Duration
	// MinValidity is the least validity that an acquired claim must have left.
	MinValidity time.Duration
	// Timeout bounds every operation on a node, from its send.
	Timeout time.Duration
	// Hint asks the nodes to number the grant, and is the number that they are to land on if they can: for
	// example microseconds since 1970, and more than any token seen before. 0 asks for no number. MaxTTL is the
	// longest lifetime that any client asks for; see [Op].
	Hint   uint64
	MaxTTL time.Duration
	// HomeFirst asks the key's home node alone at first, and the others only if it grants: claimants that
	// meet cannot split the votes between them, at the price of one more round trip for the winner.
	HomeFirst bool
	// Waiter is who waits for the key if it is refused, or nil. It is noted on the nodes that refuse. For a
	// hand-over it is who does not count as one of the others.
	Waiter *Waiter
}

// Lifetime is how long a node is asked to keep the key: TTL + Grace.
func (t Terms) Lifetime() time.Duration { return t.TTL + t.Grace }

// An Engine asks its nodes. Make one with [NewEngine], and end it with [Engine.Close]. All methods
// may be called from several goroutines.
type Engine struct {
	clock    clock.Clock
	drift    clock.Drift
	need     int
	observer Observer
	peers    []*peer
	byName   []int        // the nodes in the order of their names, which is the same for every client
	latency  atomic.Int64 // of a round, smoothed, in nanoseconds

	mu      sync.Mutex
	closed  bool
	calls   sync.WaitGroup // public calls under way; they alone may start goroutines
	group   errgroup.Group // goroutines
	work    sync.WaitGroup // those, and operations on nodes that are under way
	events  events
	closing chan struct{} // closed by Close
	ended   chan struct{} // closed at its end; no sync.Once, which stops the time in a synctest bubble
}

// NewEngine returns an engine over nodes, which it owns from then on: Close closes them. It does no
// I/O. The error names the rule that the nodes or cfg break.
func NewEngine(nodes []Node, cfg Config) (*Engine, error) {
	if cfg.Votes == 0 {
		cfg.Votes = Majority(len(nodes))
	}
	if err := validate(nodes, cfg); err != nil {
		return nil, err
	}
	e := &Engine{
		clock:    cfg.Clock,
		drift:    cfg.Drift,
		need:     cfg.Votes,
		observer: cfg.Observer,
		closing:  make(chan struct{}),
		ended:    make(chan struct{}),
	}
	for _, node := range nodes {
		sender, _ := node.(Sender)
		e.peers = append(e.peers, &peer{engine: e, node: node, sender: sender})
	}
	e.byName = orderByName(nodes)
	return e, nil
}

func validate(nodes []Node, cfg Config) error {
	var errs []error
	if len(nodes) == 0 {
		errs = append(errs, errors.New("no nodes"))
	}
	seen := make(map[string]bool)
	for i, node := range nodes {
		if node == nil {
			errs = append(errs, fmt.Errorf("node %d of %d is nil", i+1, len(nodes)))
		} else if name := node.Name(); seen[name] {
			errs = append(errs, fmt.Errorf("node %s is listed twice: it would vote twice", name))
		} else {
			seen[name] = true
		}
	}
	if q := Majority(len(nodes)); len(nodes) > 0 && (cfg.Votes < q || cfg.Votes > len(nodes)) {
		errs = append(errs, fmt.Errorf("%d votes are not from a majority, %d, to all, %d, of the nodes",
			cfg.Votes, q, len(nodes)))
	}
	if cfg.Clock == nil {
		errs = append(errs, errors.New("no clock"))
	}
	if err := cfg.Drift.Validate(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Size is the number of nodes.
func (e *Engine) Size() int { return len(e.peers) }

// Need is the number of votes that make a claim valid.
func (e *Engine) Need() int { return e.need }

// Latency is the smoothed time in which the nodes decide a question, and 0 before the first one.
func (e *Engine) Latency() time.Duration { return time.Duration(e.latency.Load()) }

// observe folds the duration of one decided round into Latency. Concurrent rounds may overwrite each
// other's share: it is a hint for waiting, nothing more.
func (e *Engine) observe(took time.Duration) {
	old := e.latency.Load()
	if old == 0 {
		e.latency.Store(int64(took))
		return
	}
	e.latency.Store(old + (int64(took)-old)/8)
}

// begin admits a public call, which ends with e.calls.Done.
func (e *Engine) begin() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	e.calls.Add(1)
	return nil
}

// spawn runs f in a goroutine that Close joins. Only a public call, or something that Close waits for, may
// call it.
func (e *Engine) spawn(f func()) {
	e.work.Add(1)
	e.group.Go(func() error {
		defer e.work.Done()
		f()
		return nil
	})
}

// targets says which nodes are asked: first. Nodes that have stopped answering are left out, unless too few
// others remain.
func (e *Engine) targets(now clock.Instant) []place {
	places := make([]place, len(e.peers))
	healthy := 0
	for i, p := range e.peers {
		if !p.suspended(now) {
			places[i] = first
			healthy++
		}
	}
	for i, p := range e.peers {
		if places[i] == nowhere && (healthy < e.need || p.allow(now)) {
			places[i] = first
		}
	}
	return places
}

// tooFew reports whether so many nodes have stopped answering that everybody is asked: a wrong guess
// would deny the lock.
func (e *Engine) tooFew(now clock.Instant) bool {
	healthy := 0
	for _, p := range e.peers {
		if !p.suspended(now) {
			healthy++
		}
	}
	return healthy < e.need
}

// Inspect asks every node what it keeps under key, and waits for all of them until timeout or the end
// of ctx. The answers are in the nodes' order; those that did not come are Failed. The error is that
// of ctx, or [ErrClosed].
func (e *Engine) Inspect(ctx context.Context, key string, timeout time.Duration) ([]NodeAnswer, error) {
	if err := e.begin(); err != nil {
		return nil, err
	}
	defer e.calls.Done()
	answers := make([]NodeAnswer, len(e.peers))
	for i, p := range e.peers {
		answers[i].Node = p.node.Name()
	}
	out := len(answers)
	r := e.lookAt(key, timeout, func(v vote) bool {
		answers[v.node].Answer = v.answer // no vote is counted any more once await has returned
		out--
		return out == 0
	})
	err := r.await(ctx)
	return answers, err
}

// lookAt asks every node what it keeps under key, and lets count count the answers.
func (e *Engine) lookAt(key string, timeout time.Duration, count func(vote) (done bool)) *round {
	now := e.clock.Now()
	r := newRound(e, now, Majority(len(e.peers)))
	r.count = func(v vote) (bool, func()) { return count(v), nil }
	deadline := time.Now().Add(timeout)
	for i, p := range e.peers {
		p.send(Op{Kind: Inspect, Key: key}, now, deadline, &look{peer: p, node: i, round: r})
	}
	return r
}

// A look is what lookAt asks one node.
type look struct {
	peer  *peer
	node  int
	round *round
}

// Receive posts the node's answer.
func (l *look) Receive(ans Answer) {
	defer l.peer.engine.work.Done()
	l.round.post(vote{node: l.node, answer: l.peer.received(ans)})
}

// Reach sends every node a question that changes nothing, and returns once a majority has answered, or all
// that will until timeout. Its use is the connections that are open then. The error is that of ctx, or
// [ErrClosed]; nodes that do not answer are none.
func (e *Engine) Reach(ctx context.Context, timeout time.Duration) error {
	if err := e.begin(); err != nil {
		return err
	}
	defer e.calls.Done()
	answered := Tally{Size: len(e.peers), Need: Majority(len(e.peers))}
	r := e.lookAt(probeKey, timeout, func(v vote) bool {
		return answered.Vote(v.answer.Answered()) == Reached || answered.Yes+answered.No == answered.Size
	})
	return r.await(ctx)
}

// probeKey is a key that is never a lock's: no lock's name begins like this.
const probeKey = "redlock:probe"

// A NodeAnswer is an answer and the name of the node that gave it.
type NodeAnswer struct {
	Node string
	Answer
}

// A NodeState is how a node is, as far as the engine knows.
type NodeState struct {
	Name  string
	Down  bool  // it has stopped answering, and is asked only now and then
	Asked int   // questions under way
	Undos int   // releases that it has still to be told of
	Err   error // why it did not answer the last time, if it has not answered since: a [*NodeError]
}

// Nodes says how each node is, in the order in which they were given. It asks nobody.
func (e *Engine) Nodes() []NodeState {
	states := make([]NodeState, len(e.peers))
	for i, p := range e.peers {
		states[i] = p.state()
	}
	return states
}

// Close ends every call under way with [ErrClosed], undoes what they leave, joins every goroutine,
// and closes the nodes. What a node that cannot be reached still keeps runs out at its lifetime. It
// takes about three node timeouts at most. Calls after the first wait for it, and return nil.
func (e *Engine) Close() error {
	e.mu.Lock()
	first := !e.closed
	e.closed = true
	e.mu.Unlock()
	if !first {
		<-e.ended
		return nil
	}
	defer close(e.ended)
	close(e.closing)
	e.calls.Wait()
	e.work.Wait()
	_ = e.group.Wait() // the functions return nil
	var errs []error
	for _, p := range e.peers {
		if err := p.node.Close(); err != nil {
			errs = append(errs, nodeError(p.node.Name(), err))
		}
	}
	return errors.Join(errs...)
}
