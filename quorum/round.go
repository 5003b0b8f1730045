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
// listen. Votes come from the goroutines that read answers, so nothing here blocks or waits.
type round struct {
	engine  *Engine
	started clock.Instant
	over    chan struct{} // closed when the question is decided
	decided func()        // called then, if it is set, without locks

	mu    sync.Mutex
	count func(vote) (done bool, then func()) // counts a vote; then is called without locks. nil once over

	// held is how the first answers stand: whether a majority said "mine" to the question as it was first
	// asked. Nodes that lost the key wait for that before they heal.
	holds   Tally
	waiting []func(held bool)
}

func newRound(e *Engine, now clock.Instant, need int) *round {
	return &round{
		engine:  e,
		started: now,
		over:    make(chan struct{}),
		holds:   Tally{Size: len(e.peers), Need: need},
	}
}

// post is a node's vote.
func (r *round) post(v vote) {
	var done bool
	var then func()
	r.mu.Lock()
	if r.count != nil {
		if done, then = r.count(v); done {
			r.count = nil
		}
	}
	r.mu.Unlock()
	if then != nil {
		then()
	}
	if !done {
		return
	}
	close(r.over)
	if r.decided != nil {
		r.decided()
	}
}

// await waits until the question is decided, ctx ends, or the engine is closed. After that no vote is
// counted any more.
func (r *round) await(ctx context.Context) error {
	var err error
	select {
	case <-r.over:
		return nil
	case <-ctx.Done():
		err = ContextError(ctx)
	case <-r.engine.closing:
		err = ErrClosed
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count = nil
	return err
}

// hold counts a node's first answer towards the majority that healing needs.
func (r *round) hold(yes bool) {
	r.mu.Lock()
	before := r.holds.Outcome()
	if before != Undecided {
		r.mu.Unlock()
		return
	}
	after := r.holds.Vote(yes)
	var waiting []func(bool)
	if after != Undecided {
		waiting, r.waiting = r.waiting, nil
	}
	r.mu.Unlock()
	for _, tell := range waiting {
		tell(after == Reached)
	}
}

// whenHeld calls tell once it is known whether a majority holds the value.
func (r *round) whenHeld(tell func(held bool)) {
	r.mu.Lock()
	outcome := r.holds.Outcome()
	if outcome == Undecided {
		r.waiting = append(r.waiting, tell)
	}
	r.mu.Unlock()
	if outcome != Undecided {
		tell(outcome == Reached)
	}
}

// ContextError is the error of a context that has ended, with its cause if that says more.
func ContextError(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(ctx.Err(), cause) {
		return fmt.Errorf("%w: %w", ctx.Err(), cause)
	}
	return ctx.Err()
}
