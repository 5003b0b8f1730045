package redlock

import (
	"context"
	"sync"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
)

// A watch is the vigil of the first call in a line, and the ear that it has at the nodes. One goroutine sleeps
// by it at a time; announcements come from others. A nil watch hears nothing.
type watch struct {
	clock clock.Clock
	rank  func(node int) int
	stop  func() // the listening

	mu        sync.Mutex
	vigil     vigil
	unheard   bool          // a try is due as soon as enough nodes are listened to
	listening map[int]bool  // nodes that are known to tell what happens
	confirmed bool          // enough of them are
	awake     chan struct{} // has room for one: the vigil may end earlier than it did
}

// watch starts to listen to what the nodes announce about key.
func (l *Locker) watch(key string) *watch {
	trip := l.engine.Latency()
	w := &watch{
		clock:     l.clock,
		rank:      func(node int) int { return l.engine.Rank(key, node) },
		listening: make(map[int]bool),
		awake:     make(chan struct{}, 1),
		vigil:     vigil{self: l.id, need: l.engine.Need(), trip: trip, back: holdBack(trip, l.jitter.next())},
	}
	w.vigil.begin()
	_, w.stop = l.engine.Listen(key, w.hear)
	return w
}

// listens reports whether enough nodes tell what happens.
func (w *watch) listens() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.confirmed
}

func (w *watch) hear(node int, a quorum.Announcement) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a.Kind == quorum.Listening && !w.listening[node] {
		w.listening[node] = true
		switch {
		case len(w.listening) == w.vigil.need:
			w.confirm()
		case w.confirmed && w.rank(node) == 0: // it may have named us before it was heard
			w.vigil.due = min(w.vigil.due, w.clock.Now())
			w.rouse()
		}
		return
	}
	before := w.vigil.due
	w.vigil.hear(w.clock.Now(), node, w.rank(node), a)
	if w.vigil.due.Before(before) {
		w.rouse()
	}
}

// confirm notes that what happens from now on is heard. What happened before was not. The caller holds mu.
func (w *watch) confirm() {
	w.confirmed = true
	if w.unheard {
		w.unheard = false
		w.vigil.due = w.clock.Now()
		w.rouse()
	}
}

// rouse makes the one who sleeps look at its vigil. It does not block.
func (w *watch) rouse() {
	select {
	case w.awake <- struct{}{}:
	default:
	}
}

// tryNow ends the vigil.
func (w *watch) tryNow() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.vigil.due = w.clock.Now()
	w.rouse()
}

// rest begins a sleep until poll at the latest. What was heard since begin counts.
func (w *watch) rest(poll clock.Instant) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.vigil.rest(poll)
	w.unheard = !w.confirmed
}

// yield begins a sleep that leaves the lock to others until then, or until one of them has taken it: then is the
// time to be put on the nodes' lists.
func (w *watch) yield(until clock.Instant) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.vigil.rest(until)
	w.vigil.enlist = true
}

// begin begins an attempt. It reports whether the nodes have told this Locker to try before all others, and
// whether the key's home has said that it is free there.
func (w *watch) begin() (named, homeFreed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	named, homeFreed = w.vigil.isNamed(), w.vigil.homeFreed()
	w.vigil.begin()
	return named, homeFreed
}

// due is when the next try is due.
func (w *watch) due() clock.Instant {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.vigil.due
}

// sleep returns nil when the next try is due, or the lock that was handed over meanwhile; and with the error of
// ctx, or ErrClosed.
func (l *Locker) sleep(ctx context.Context, s *spot, w *watch) (*quorum.Claim, error) {
	for {
		left := max(w.due().Sub(l.clock.Now()), 0)
		if left == 0 && l.lines.begin(s) {
			return nil, nil
		}
		claim, err := l.doze(ctx, s, w, left)
		if claim != nil || err != nil {
			return claim, err
		}
	}
}

// doze sleeps for d, or until something has happened.
func (l *Locker) doze(ctx context.Context, s *spot, w *watch, d time.Duration) (*quorum.Claim, error) {
	if d == 0 {
		d = heirPatience // the lock is being handed over, which takes as long as a node may
	}
	timer := l.clock.NewTimer(d)
	defer timer.Stop()
	select {
	case claim := <-s.handed:
		return claim, nil
	case <-w.awake:
		return nil, nil
	case <-timer.C():
		return nil, nil
	case <-ctx.Done():
		return nil, quorum.ContextError(ctx)
	case <-l.closing:
		return nil, ErrClosed
	}
}
