package quorum

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/quorumlock/quorumlock/clock"
)

// A peer is a node as the engine sees it: whether it answers, and what is left to undo on it.
type peer struct {
	engine *Engine
	node   Node

	mu      sync.Mutex
	breaker breaker
	last    *NodeError    // the last failure that counted, if no answer came after it
	asked   int           // operations under way
	heard   clock.Instant // when the last answer came, or the first of those under way was sent
	undos   undoQueue
}

// A node with stallAsks operations under way of which none was answered for stallTime is not asked
// until one is: waiting for their deadlines would pile up work that nobody waits for.
const (
	stallAsks = 8
	stallTime = 200 * time.Millisecond
)

// ask carries out one operation, bounded by timeout, and learns from it how the node is.
func (p *peer) ask(ctx context.Context, op Op, timeout time.Duration) Answer {
	return p.askAll(ctx, []Op{op}, timeout)[0]
}

func (p *peer) askAll(ctx context.Context, ops []Op, timeout time.Duration) []Answer {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	p.sending()
	answers := p.node.Ask(ctx, ops)
	if len(answers) != len(ops) {
		err := fmt.Errorf("%d answers to %d operations", len(answers), len(ops))
		answers = make([]Answer, len(ops))
		for i := range answers {
			answers[i].Err = err
		}
	}
	p.learn(answers)
	return answers
}

// learn judges the node by its answers. A server's own refusal, which has a code, is an answer: it
// came at once.
func (p *peer) learn(answers []Answer) {
	alive := false
	var last *NodeError
	for i := range answers {
		if answers[i].Answered() {
			alive = true
			continue
		}
		if answers[i].Err == nil {
			answers[i].Err = errors.New("no answer and no reason")
		}
		last = nodeError(p.node.Name(), answers[i].Err)
		alive = alive || last.Code != ""
	}
	p.note(alive, last)
}

func (p *peer) note(alive bool, last *NodeError) {
	now := p.engine.clock.Now()
	p.mu.Lock()
	p.asked--
	var opened, closed bool
	switch {
	case alive:
		p.heard, p.last = now, nil
		closed = p.breaker.answered()
	case errors.Is(last, ErrBusy):
		// It is this process that has too much to ask.
	default:
		opened = p.breaker.silent(now)
		p.last = last
	}
	p.mu.Unlock()
	if opened && p.engine.observer.Down != nil {
		p.engine.observer.Down(p.node.Name(), last)
	}
	if closed && p.engine.observer.Up != nil {
		p.engine.observer.Up(p.node.Name())
	}
}

func (p *peer) sending() {
	now := p.engine.clock.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asked == 0 {
		p.heard = now
	}
	p.asked++
}

// suspended reports whether the node has stopped answering.
func (p *peer) suspended(now clock.Instant) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.breaker.open() || p.stalled(now)
}

// stalled reports whether too many operations wait for the node. The caller holds mu.
func (p *peer) stalled(now clock.Instant) bool {
	return p.asked >= stallAsks && now.Sub(p.heard) > stallTime
}

// allow reports whether the node is asked now; see [breaker].
func (p *peer) allow(now clock.Instant) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.stalled(now) && p.breaker.allow(now)
}

// allowRelease reports whether a release is sent now, or left to the undo queue. A pile of work does not
// keep it back.
func (p *peer) allowRelease(now clock.Instant) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.breaker.allow(now)
}

// skipped is the vote of a node that is not asked: it still says why the node fails.
func (p *peer) skipped() Answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := &NodeError{Node: p.node.Name(), Err: ErrSuspended}
	if p.last != nil {
		e.Err = fmt.Errorf("%w: %w", ErrSuspended, p.last.Err)
	}
	return Answer{Err: e}
}
