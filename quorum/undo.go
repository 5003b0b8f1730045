package quorum

import (
	"slices"
	"time"

	"github.com/quorumlock/quorumlock/clock"
)

const (
	undoBatch    = 64
	undoPauseMin = 50 * time.Millisecond
	undoPauseMax = 250 * time.Millisecond
	// undoLimit bounds what is remembered for a node that stays away. Past it the oldest is dropped:
	// its key runs out by itself first.
	undoLimit = 1 << 16
)

// An undo is a release that still has to reach a node.
type undo struct {
	key, value string
	keepUntil  clock.Instant // keep the key until then instead of removing it; Never removes it
	timeout    time.Duration
	notBefore  clock.Instant // an earlier request for the value may still be carried out until then
	giveUp     clock.Instant // by then the key has run out by itself
	pause      time.Duration
	tried      bool // once after notBefore
	farewell   farewell
}

func (u undo) op(now clock.Instant) Op {
	return Op{
		Kind: Release, Key: u.key, Value: u.value, TTL: keepFor(u.keepUntil, now),
		Announce: u.farewell.announce, Waiter: u.farewell.waiter,
	}
}

// keepFor is the TTL of a release that keeps the key until an instant; 0 removes it.
func keepFor(until, now clock.Instant) time.Duration {
	if !now.Before(until) {
		return 0
	}
	return max(until.Sub(now), time.Millisecond)
}

// An undoQueue is a node's outstanding undos, and whether a goroutine serves them. The peer's mutex
// guards it.
type undoQueue struct {
	pending []undo
	serving bool
	wake    chan struct{} // has room for one: something earlier was queued
}

// undoLater queues u. Only a public call, or a goroutine that Close joins, may call it.
func (p *peer) undoLater(u undo) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := &p.undos
	if len(q.pending) >= undoLimit {
		q.pending = slices.Delete(q.pending, 0, 1)
	}
	q.pending = append(q.pending, u)
	if !q.serving {
		q.serving = true
		q.wake = make(chan struct{}, 1)
		p.engine.spawn(p.serveUndos)
		return
	}
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// serveUndos sends what is due, until nothing is left. Once the engine closes, each undo that has not
// been tried is tried once, when it is due, and the others are dropped.
func (p *peer) serveUndos() {
	for {
		now := p.engine.clock.Now()
		due, next, left := p.dueUndos(now)
		switch {
		case len(due) > 0:
			p.sendUndos(due, now)
		case !left:
			return
		default:
			p.waitForUndo(next.Sub(now))
		}
	}
}

// dueUndos takes what is due out of the queue. If nothing is, it says when something will be, or that
// nothing is left and the serving has ended.
func (p *peer) dueUndos(now clock.Instant) (due []undo, next clock.Instant, left bool) {
	closing := p.engine.isClosing()
	p.mu.Lock()
	defer p.mu.Unlock()
	q := &p.undos
	next = clock.Forever
	keep := q.pending[:0]
	for _, u := range q.pending {
		switch {
		case closing && u.tried, u.giveUp.Before(now):
		case !now.Before(u.notBefore) && len(due) < undoBatch:
			due = append(due, u)
		default:
			keep = append(keep, u)
			next = min(next, u.notBefore)
		}
	}
	clear(q.pending[len(keep):])
	q.pending = keep
	q.serving = len(due)+len(keep) > 0
	if !q.serving {
		q.pending = nil
	}
	return due, next, q.serving
}

// sendUndos carries due out, and queues again what was not answered.
func (p *peer) sendUndos(due []undo, now clock.Instant) {
	ops := make([]Op, len(due))
	timeout := time.Duration(0)
	for i, u := range due {
		ops[i] = u.op(now)
		timeout = max(timeout, u.timeout)
	}
	answers := p.askAll(ops, timeout)
	now = p.engine.clock.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, u := range due {
		if answers[i].Answered() {
			continue
		}
		u.tried = true
		u.pause = min(max(2*u.pause, undoPauseMin), undoPauseMax)
		u.notBefore = now.Add(u.pause)
		p.undos.pending = append(p.undos.pending, u)
	}
}

// waitForUndo waits for d, for an earlier undo, or for the engine to close.
func (p *peer) waitForUndo(d time.Duration) {
	timer := p.engine.clock.NewTimer(d)
	defer timer.Stop()
	closing := p.engine.closing
	if p.engine.isClosing() {
		closing = nil // known already
	}
	p.mu.Lock()
	wake := p.undos.wake
	p.mu.Unlock()
	select {
	case <-timer.C():
	case <-wake:
	case <-closing:
	}
}

func (e *Engine) isClosing() bool {
	select {
	case <-e.closing:
		return true
	default:
		return false
	}
}
