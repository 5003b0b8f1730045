// Package memnode is a [quorum.Node] in memory, with a clock of its own and faults that tests turn
// on and off: it can be slowed, held, cut off, killed, wiped and put out of time.
//
// # Guarantee
//
// Operations are carried out one batch at a time, each atomic, exactly as [quorum.Op] says. The node is a
// [quorum.Announcer], and numbers grants. Keys
// expire at an absolute time of the node's own clock, as they do on a Redis server: a clock that is
// set forward ends leases early, one that is set back prolongs them. A request that has left the
// asker is carried out whenever it gets through, be the asker's context over or not, but an acquire, a
// heal or a hand-over only up to its NotAfter in the node's time.
//
// # Assumptions
//
// NotAfter is an instant of the clock that [New] was given: the asker uses that same clock. The node
// translates it with what the latest answered exchange said about the two clocks, as an asker
// across a network has to, and states as Slack how far that may be off at [clock.DefaultRate]. If a
// clock was stepped since then, acquires come out late, or are carried out later than they should,
// until an answer has brought the news.
//
// # Limits
//
// Faults are the node's, not those of one link: all askers see the same ones. Time
// is kept to the nanosecond, where Redis keeps milliseconds.
//
// # Lifetimes
//
// A request that is delayed has a goroutine while it is under way; nothing else runs in the
// background, and [Node.Close] joins them. All waiting is on timers of the clock given and on
// channels, so nodes work inside testing/synctest bubbles.
package memnode

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
)

var (
	// ErrClosed is the failure of questions to a closed node.
	ErrClosed = errors.New("memnode: closed")
	// ErrKilled is the failure of questions to a killed node, and of those it was killed over.
	ErrKilled = errors.New("memnode: killed")
)

// A Node keeps keys in memory. [New] makes one; its zero value is not usable. All methods may be
// called from several goroutines.
type Node struct {
	name string
	clk  clock.Clock // the asker's

	inflight sync.WaitGroup // delayed requests and replies
	closed   chan struct{}  // closed by Close

	mu     sync.Mutex
	shut   bool
	own    ownClock
	sample sample
	store  store
	faults faults

	listeners []*listener
	fresh     []*listener // to whom something has arrived in the step under way
}

// An Option changes how a node is made.
type Option interface{ apply(*Node) }

type optionFunc func(*Node)

func (f optionFunc) apply(n *Node) { f(n) }

// New returns an empty, healthy node. clk is the clock of whoever asks it, and what its own clock
// runs on.
func New(name string, clk clock.Clock, opts ...Option) *Node {
	n := &Node{name: name, clk: clk, closed: make(chan struct{}), own: newOwnClock(clk)}
	now := clk.Now()
	n.sample = sample{sent: now, received: now, node: n.own.now()}
	n.store.forget(n.own.now())
	for _, o := range opts {
		o.apply(n)
	}
	return n
}

// Cluster returns n healthy nodes, called mem-1 to mem-n. clk is the clock of the Locker or Engine that
// asks them.
func Cluster(n int, clk clock.Clock) []quorum.Node {
	nodes := make([]quorum.Node, n)
	for i := range nodes {
		nodes[i] = New(fmt.Sprintf("mem-%d", i+1), clk)
	}
	return nodes
}

// Name returns the name the node was made with.
func (n *Node) Name() string { return n.name }

// Ask carries out the batch, as far as the faults let it.
func (n *Node) Ask(ctx context.Context, batch []quorum.Op) []quorum.Answer {
	r := n.write(ctx, batch)
	if err := ctx.Err(); err != nil {
		return r.failed(err)
	}
	n.send(r)
	select {
	case answers := <-r.reply:
		return answers
	case <-ctx.Done():
		return r.failed(ctx.Err())
	}
}

// Close ends what is under way and joins its goroutines. Calls after the first do nothing.
func (n *Node) Close() error {
	n.mu.Lock()
	if !n.shut {
		n.shut = true
		close(n.closed)
		n.faults.rejectHeld(ErrClosed)
	}
	n.mu.Unlock()
	n.inflight.Wait()
	return nil
}
