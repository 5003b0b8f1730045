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
	sender Sender // the same, if it is one

	mu      sync.Mutex
	breaker breaker
	last    *NodeError    // the last failure that counted, if no answer came after it
	asked   int           // operations under way
	heard   clock.Instant // when something was sent for the first time after the last answer
	fresh   bool          // nothing was sent since the last answer
	undos   undoQueue
}

// A node with stallAsks operations under way of which none was answered for stallTime is not asked
// until one is: waiting for their deadlines would pile up work that nobody waits for.
const (
	stallAsks = 8
	stallTime = 200 * time.Millisecond
)

// send carries out one operation that is sent now, and gives to the answer, by the deadline; to begins with
// received, and ends with p.engine.work.Done. A node that cannot be asked without waiting is asked in a
// goroutine. The caller holds no lock.
func (p *peer) send(op Op, now clock.Instant, deadline time.Time, to Receiver) {
	p.sending(now)
	p.engine.work.Add(1)
	if p.sender != nil {
		p.sender.Send(op, deadline, to)
		return
	}
	p.engine.spawn(func() {
		ctx, cancel := context.WithDeadline(context.Background(), deadline)
		defer cancel()
		to.Receive(p.ask(ctx, []Op{op})[0])
	})
}

// received learns from one answer how the node is, and returns it with a reason if it is none.
func (p *peer) received(ans Answer) Answer {
	one := [...]Answer{ans}
	p.learn(one[:])
	return one[0]
}

// askAll carries out operations, and waits for their answers until timeout.
func (p *peer) askAll(ops []Op, timeout time.Duration) []Answer {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	p.sending(p.engine.clock.Now())
	answers := p.ask(ctx, ops)
	p.learn(answers)
	return answers
}

func (p *peer) ask(ctx context.Context, ops []Op) []Answer {
	answers := p.node.Ask(ctx, ops)
	if len(answers) != len(ops) {
		err := fmt.Errorf("%d answers to %d operations", len(answers), len(ops))
		answers = make([]Answer, len(ops))
		for i := range answers {
			answers[i].Err = err
		}
	}
	return answers
}

// learn judges the node by its answers to one question. A server's own refusal, which has a code, is an
// answer: it came at once.
func (p *peer) learn(answers []Answer) {
	alive := false
	var last *NodeError
	for i := range answers {
		ans := &answers[i]
		if ans.Answered() {
			alive = true
			continue
		}
		if ans.Err == nil {
			ans.Err = errors.New("no answer and no reason")
		}
		last = nodeError(p.node.Name(), ans.Err)
		alive = alive || last.Code != ""
	}
	p.note(alive, last)
}

func (p *peer) note(alive bool, last *NodeError) {
	p.mu.Lock()
	p.asked--
	var opened, closed bool
	switch {
	case alive:
		p.fresh, p.last = true, nil
		closed = p.breaker.answered()
	case errors.Is(last, ErrBusy):
		// It is this process that has too much to ask.
	default:
		opened = p.breaker.silent(p.engine.clock.Now())
		p.last = last
	}
	p.mu.Unlock()
	if opened {
		p.tellDown(last)
	}
	if closed {
		p.tellUp()
	}
}

// sending notes that the node is asked at now.
func (p *peer) sending(now clock.Instant) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asked == 0 || p.fresh {
		p.heard, p.fresh = now, false
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
	return p.asked >= stallAsks && !p.fresh && now.Sub(p.heard) > stallTime
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

func (p *peer) state() NodeState {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := NodeState{Name: p.node.Name(), Down: p.breaker.open(), Asked: p.asked, Undos: len(p.undos.pending)}
	if p.last != nil {
		s.Err = p.last
	}
	return s
}
