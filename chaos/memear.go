package chaos

import (
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/quorumlock/quorumlock/quorum"
)

// A memEar is one call of [memLink.Announcements]. The link's mu guards it.
//
// All ears of a link share its line, which stands for a subscriber's connection: whatever breaks it loses what is
// under way on it, and each ear asks to listen anew, on the next line.
type memEar struct {
	number  uint64 // of its link
	key     string
	tell    func(quorum.Announcement)
	stopped bool
	hangUp  func()        // ends the listening at the node; nil before that has begun
	last    chan struct{} // closed once what was sent last was told, or got lost
}

// Announcements tells what the node announces about key: both the wish to listen and the announcements travel,
// and meet what faults put in their way. Announcements on one line arrive in the order in which they were sent.
func (l *memLink) Announcements(key string, tell func(quorum.Announcement)) (stop func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.eared++
	e := &memEar{number: l.eared, key: key, tell: tell}
	l.ears = append(l.ears, e)
	l.dialEar(e)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		e.stopped = true
		e.hang()
		l.ears = slices.DeleteFunc(l.ears, func(other *memEar) bool { return other == e })
	}
}

// hang ends the listening at the node. The caller holds the link's mu.
func (e *memEar) hang() {
	if e.hangUp != nil {
		e.hangUp()
		e.hangUp = nil
	}
}

// redial is how long a client waits before it tries again to listen to a node that refuses it.
const redial = 50 * time.Millisecond

// dialEar sends the wish to listen, again and again until the node has taken it or the line breaks. The caller
// holds mu.
func (l *memLink) dialEar(e *memEar) {
	line := l.line
	l.memory.journeys.Go(func() {
		for try := 0; l.wants(e, line); try++ {
			m := l.letter(e, line, fmt.Sprint("listen ", try))
			refused := make(chan bool, 1)
			if !l.travel(m, up) {
				return
			}
			l.server.arrive(func() { l.hear(e, line); refused <- false }, func(error) { refused <- true })
			select {
			case again := <-refused:
				if !again {
					return
				}
			case <-line: // it was held by a server that died
				return
			}
			time.Sleep(l.unique(m, up, redial))
		}
	})
}

// wants reports whether the ear is still to hear what comes on the line.
func (l *memLink) wants(e *memEar, line chan struct{}) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !e.stopped && l.line == line
}

// hear makes the node tell the ear what it announces.
func (l *memLink) hear(e *memEar, line chan struct{}) {
	if !l.wants(e, line) {
		return
	}
	hangUp := l.server.node.Announcements(e.key, func(a quorum.Announcement) { l.post(e, line, a) })
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.hangUp = hangUp; e.stopped || l.line != line {
		e.hang()
	}
}

// post sends an announcement to the client.
func (l *memLink) post(e *memEar, line chan struct{}, a quorum.Announcement) {
	m := l.letter(e, line, a.Kind.String()+" "+a.Waiter)
	if a.Kind != quorum.Listening && l.server.loses(l, m) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	previous, told := e.last, make(chan struct{})
	e.last = told
	l.memory.journeys.Go(func() {
		defer close(told)
		arrived := l.travel(m, down)
		if previous != nil {
			<-previous
		}
		if arrived && l.wants(e, line) {
			e.tell(a)
		}
	})
}

// letter makes a message between the ear and the node. What it says makes its number, as that of all messages.
func (l *memLink) letter(e *memEar, line chan struct{}, text string) *memMessage {
	m := &memMessage{sent: l.machine.Now(), broken: line}
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%d %d %q %q", m.sent, e.number, e.key, text)
	m.number = h.Sum64()
	return m
}

// cutLine breaks the line, and reports whether anybody used it. The caller holds mu.
func (l *memLink) cutLine() bool {
	close(l.line)
	l.line = make(chan struct{})
	for _, e := range l.ears {
		e.hang()
		l.dialEar(e)
	}
	return len(l.ears) > 0
}

// giveUpLine breaks the line, as a client does that has heard nothing on it for a while.
func (l *memLink) giveUpLine() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cutLine()
}

// cutSubscriber makes the fault.
func (l *memLink) cutSubscriber() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cutLine() {
		l.meets.meet(CutSubscriber)
	}
}

// loses reports whether faults lose the announcement. It needs mu.
func (s *memServer) loses(l *memLink, m *memMessage) bool {
	d := l.draws(m, lossDraws)
	lost := slices.ContainsFunc(s.deaf, d.Share)
	if lost {
		s.meets.meet(LoseAnnouncements)
	}
	return lost
}

// lossDraws tells the draws of losses from those of trips.
const lossDraws = 1 << 20
