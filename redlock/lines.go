package redlock

import (
	"slices"
	"sync"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
)

// lines are where the calls of one Locker wait: one line for each key, first come, first served. Only the first
// of a line asks the nodes; a release here hands the lock over to it.
type lines struct {
	mu       sync.Mutex
	keys     map[string]*line
	courtesy courtesy
}

// A line is the calls that wait for one key, and what they hear about it. It is there as long as one waits.
type line struct {
	key   string
	spots []*spot
	watch *watch // of the first one
}

// A spot is a call's place in its line. The mutex of the lines guards what is not said to be otherwise.
type spot struct {
	call   *call
	line   *line
	state  spotState
	queued bool               // it was not the first from the beginning
	first  chan struct{}      // closed when it is the first
	handed chan *quorum.Claim // has room for the only one: the lock, handed over
	// behindOurs: it became the first when one of this Locker's calls won the lock.
	behindOurs bool
}

type spotState uint8

const (
	spotIdle   spotState = iota // waits
	spotTrying                  // asks the nodes
	spotHeir                    // is being handed the lock
	spotServed                  // has been handed the lock
	spotLeft                    // is no longer in the line
)

// join puts a call in its line: behind the first one, and behind those that began before it. Most come in that
// order; some have tried for themselves meanwhile.
func (l *lines) join(key string, c *call) *spot {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keys == nil {
		l.keys = make(map[string]*line)
	}
	in := l.keys[key]
	if in == nil {
		in = &line{key: key}
		l.keys[key] = in
	}
	s := &spot{call: c, line: in, queued: len(in.spots) > 0, first: make(chan struct{}), handed: make(chan *quorum.Claim, 1)}
	at := len(in.spots)
	for at > 1 && c.started.Before(in.spots[at-1].call.started) {
		at--
	}
	in.spots = slices.Insert(in.spots, at, s)
	if len(in.spots) == 1 {
		close(s.first)
	}
	return s
}

// free reports whether a new call may ask the nodes at once: nobody waits for the key here, and it is not left
// to others.
func (l *lines) free(key string, now clock.Instant) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.front(key) == nil && !now.Before(l.courtesy.until(key, now))
}

// leaveTo leaves the key to those who wait for it elsewhere, until then.
func (l *lines) leaveTo(key string, now, until clock.Instant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.courtesy.note(key, now, until)
}

// leftUntil is until when the key is left to others.
func (l *lines) leftUntil(key string, now clock.Instant) clock.Instant {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.courtesy.until(key, now)
}

// size is the number of calls that wait.
func (l *lines) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, in := range l.keys {
		n += len(in.spots)
	}
	return n
}

// begin reports whether the first of a line may ask the nodes now: not while it is being handed the lock.
func (l *lines) begin(s *spot) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.state != spotIdle {
		return false
	}
	s.state = spotTrying
	return true
}

// end is the end of what begin began.
func (l *lines) end(s *spot) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.state = spotIdle
}

// leave takes a call out of its line. won says that it has the lock. It returns the watch, if the line is at
// its end, to be stopped, and the lock, if that was handed over and not taken up.
func (l *lines) leave(s *spot, won bool) (over *watch, unused *quorum.Claim) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.state == spotServed {
		select {
		case unused = <-s.handed:
		default:
		}
	}
	l.remove(s, won)
	s.state = spotLeft
	in := s.line
	if len(in.spots) > 0 || l.keys[in.key] != in {
		return nil, unused
	}
	delete(l.keys, in.key)
	over, in.watch = in.watch, nil
	return over, unused
}

// remove takes a spot out of its line, and lets the next one know if it is the first now. The caller holds mu.
func (l *lines) remove(s *spot, won bool) {
	i := slices.Index(s.line.spots, s)
	if i < 0 {
		return
	}
	s.line.spots = slices.Delete(s.line.spots, i, i+1)
	if i == 0 && len(s.line.spots) > 0 {
		next := s.line.spots[0]
		next.behindOurs = won
		close(next.first)
	}
}

// next returns how long the first in the line has waited, and since when.
func (l *lines) next(key string) (since clock.Instant, waits bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.front(key)
	if s == nil {
		return 0, false
	}
	return s.call.started, true
}

// front is the first in a line, or nil. The caller holds mu.
func (l *lines) front(key string) *spot {
	if in := l.keys[key]; in != nil && len(in.spots) > 0 {
		return in.spots[0]
	}
	return nil
}

// heir returns the call that a lock is to be handed over to, if one waits and does not ask the nodes at this
// very moment. It is settled by deliver.
func (l *lines) heir(key string) *spot {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.front(key)
	if s == nil || s.state != spotIdle {
		return nil
	}
	s.state = spotHeir
	return s
}

// deliver gives the heir the lock, or says that it did not come about, if claim is nil. It reports whether the
// heir takes the lock.
func (l *lines) deliver(s *spot, claim *quorum.Claim) bool {
	l.mu.Lock()
	if s.state != spotHeir {
		l.mu.Unlock()
		return false
	}
	if claim == nil {
		s.state = spotIdle
		l.rouse(s)
		l.mu.Unlock()
		return false
	}
	s.state = spotServed
	s.handed <- claim
	l.remove(s, true)
	l.mu.Unlock()
	return true
}

// wake lets the first in the line try as soon as it can.
func (l *lines) wake(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.front(key); s != nil {
		l.rouse(s)
	}
}

// rouse lets the first in a line try as soon as it can. The caller holds mu.
func (l *lines) rouse(s *spot) {
	s.behindOurs = false
	s.line.watch.tryNow()
}

// isBehindOurs reports whether the lock is known to be held by this Locker's own.
func (l *lines) isBehindOurs(s *spot) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return s.behindOurs
}

// watching returns the line's watch, which it makes with open if there is none.
func (l *lines) watching(in *line, open func() *watch) *watch {
	l.mu.Lock()
	defer l.mu.Unlock()
	if in.watch == nil {
		in.watch = open()
	}
	return in.watch
}
