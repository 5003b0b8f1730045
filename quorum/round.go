package quorum

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/quorumlock/quorumlock/clock"
)

// A vote is one node's last word in a round.
type vote struct {
	node   int
	answer Answer
	clean  bool // of a release: there was nothing to remove, so the node was not asked
}

// A round is one question to every node. Each node votes exactly once, in time or not; nobody has to
// listen.
type round struct {
	engine  *Engine
	started clock.Instant
	votes   chan vote // a slot per node: no node blocks

	// held is closed once a majority has answered "mine" to the question as it was first asked, and
	// lapsed once that cannot happen any more. Nodes that lost the key wait here before they heal.
	mu     sync.Mutex
	holds  Tally
	held   chan struct{}
	lapsed chan struct{}
}

func newRound(e *Engine, need int) *round {
	return &round{
		engine:  e,
		started: e.clock.Now(),
		votes:   make(chan vote, len(e.peers)),
		holds:   Tally{Size: len(e.peers), Need: need},
		held:    make(chan struct{}),
		lapsed:  make(chan struct{}),
	}
}

// post is a node's vote. It never blocks.
func (r *round) post(node int, ans Answer) { r.votes <- vote{node: node, answer: ans} }

// hold counts a node's first answer towards the majority that healing needs.
func (r *round) hold(yes bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.holds.Outcome()
	if before != Undecided {
		return
	}
	switch r.holds.Vote(yes) {
	case Reached:
		close(r.held)
	case Missed:
		close(r.lapsed)
	}
}

// await hands each vote to add until that returns true, ctx ends, or the engine is closed.
func (r *round) await(ctx context.Context, add func(vote) (done bool)) error {
	for {
		select {
		case v := <-r.votes:
			if add(v) {
				return nil
			}
		case <-ctx.Done():
			return ContextError(ctx)
		case <-r.engine.closing:
			return ErrClosed
		}
	}
}

// ContextError is the error of a context that has ended, with its cause if that says more.
func ContextError(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(ctx.Err(), cause) {
		return fmt.Errorf("%w: %w", ctx.Err(), cause)
	}
	return ctx.Err()
}
