package redisnode

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/quorumlock/quorumlock/quorum"
)

const (
	// linger is how long a channel stays subscribed to that nobody listens to any more.
	linger = 5 * time.Second
	// pingAfter is how long a subscriber's connection may be quiet before the server is asked whether it is
	// still there, and answerWithin how long it then has. Both together are how long a dead one goes unnoticed.
	pingAfter    = time.Second
	answerWithin = time.Second
	// The pauses between attempts to subscribe.
	leastPause = 50 * time.Millisecond
	mostPause  = 5 * time.Second
)

var _ quorum.Announcer = (*Node)(nil)

// A subscriber keeps the connection over which announcements come, while there are listeners and a little
// longer.
type subscriber struct {
	wake chan struct{} // has room for one: the board has changed

	mu      sync.Mutex
	board   board
	running bool
}

func newSubscriber() *subscriber { return &subscriber{wake: make(chan struct{}, 1)} }

// Announcements listens for what batch.lua announces about key, as [quorum.Announcer] says. All listeners of
// a Node share one connection, which the first one opens. It is opened again when it breaks, within a pause
// of 50 ms at first that doubles with each failure up to 5 s; one that is dead is noticed within 2 s. It
// is closed some seconds after the last listener has stopped. Where the user may not subscribe, or the
// server is not reached, nothing is ever told.
func (n *Node) Announcements(key string, tell func(quorum.Announcement)) (stop func()) {
	s := n.subscriber
	l := &listener{key: key, shard: shardOf(key), tell: tell}
	s.mu.Lock()
	s.board.add(l)
	if !s.running {
		s.running = n.start(n.subscribe)
	}
	s.mu.Unlock()
	s.rouse()
	return func() {
		l.stopped.Store(true)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.board.remove(l, time.Now())
	}
}

// start runs work in a goroutine that Close joins, unless the node is closed.
func (n *Node) start(work func()) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.closed {
		n.work.Go(work)
	}
	return !n.closed
}

func (s *subscriber) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// subscribe keeps a connection while one is wanted, until the node is closed.
func (n *Node) subscribe() {
	s := n.subscriber
	pause := leastPause
	for n.base.Err() == nil {
		if s.retire() {
			return
		}
		if n.listenOnce() {
			pause = leastPause
		}
		s.lost()
		if s.retire() {
			return
		}
		waitFor(n.base, pause)
		pause = min(2*pause, mostPause)
	}
}

// waitFor waits until d is over, or ctx.
func waitFor(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// retire reports that no connection is wanted. The next listener then starts anew.
func (s *subscriber) retire() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = s.board.wanted(time.Now(), linger)
	return !s.running
}

func (s *subscriber) lost() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.board.lost()
}

// listenOnce opens a connection and listens on it until it ends, or until nobody wants it any more. It
// reports whether a subscription was confirmed.
func (n *Node) listenOnce() (confirmed bool) {
	ctx, cancel := context.WithTimeout(n.base, openTimeout)
	l, err := n.connect(ctx)
	cancel()
	if err != nil {
		return false
	}
	h := &hearing{subscriber: n.subscriber, link: l, frames: make(chan []string), heard: time.Now()}
	var reading sync.WaitGroup
	reading.Go(h.read)
	h.run()
	l.close()
	reading.Wait()
	return h.confirmed
}

// A hearing is the use of one subscriber's connection. One goroutine reads, and another does the rest.
type hearing struct {
	*subscriber
	link   *link
	frames chan []string // what the server says; closed when the connection ends

	heard     time.Time // when it said something last
	owed      time.Time // since when it owes a reply; zero: it does not
	confirmed bool
	out       encoder
}

// read passes on what the server says, until the connection ends or it refuses something.
func (h *hearing) read() {
	defer close(h.frames)
	d := newDecoder(h.link.conn)
	for {
		words, err := d.words()
		if err != nil {
			return
		}
		select {
		case h.frames <- words:
		case <-h.link.gone:
			return
		}
	}
}

// run tells listeners what comes, subscribes to what they want, and looks after the connection.
func (h *hearing) run() {
	timer := time.NewTimer(pingAfter)
	defer timer.Stop()
	for {
		wanted, err := h.keepUp(time.Now())
		if err != nil || !wanted {
			return
		}
		select {
		case words, more := <-h.frames:
			if !more {
				return
			}
			h.take(words)
		case <-h.wake:
		case <-timer.C:
			next, err := h.lookAfter(time.Now())
			if err != nil {
				return
			}
			timer.Reset(next)
		}
	}
}

// keepUp makes the subscriptions what the listeners want, and tells those who can be told that we listen.
func (h *hearing) keepUp(now time.Time) (wanted bool, err error) {
	h.mu.Lock()
	join, leave, wanted := h.board.plan(now, linger)
	told := h.board.listening()
	h.mu.Unlock()
	hand(told)
	if len(join) > 0 {
		err = h.say(now, "SUBSCRIBE", join...)
	}
	if len(leave) > 0 && wanted && err == nil {
		err = h.say(now, "UNSUBSCRIBE", leave...)
	}
	return wanted, err
}

// take deals with what the server says.
func (h *hearing) take(words []string) {
	h.heard, h.owed = time.Now(), time.Time{}
	if len(words) != 3 {
		return // the answer to a PING
	}
	var list []delivery
	h.mu.Lock()
	switch words[0] {
	case "subscribe":
		h.board.confirm(words[1])
		h.confirmed = true
	case "message":
		list = h.board.message(words[2])
	}
	h.mu.Unlock()
	hand(list)
}

// lookAfter sees to it that a connection does not stay that is dead, or has lived for long enough, and
// returns when to look again.
func (h *hearing) lookAfter(now time.Time) (next time.Duration, err error) {
	switch {
	case !h.link.until.IsZero() && now.After(h.link.until):
		return 0, errWorn
	case !h.owed.IsZero() && now.Sub(h.owed) >= answerWithin:
		return 0, errSilent
	case !h.owed.IsZero():
		return h.owed.Add(answerWithin).Sub(now), nil
	}
	if quiet := now.Sub(h.heard); quiet < pingAfter {
		return pingAfter - quiet, nil
	}
	return answerWithin, h.say(now, "PING")
}

var errWorn = errors.New("the connection has lived for as long as it may")

// say sends a command, whose reply the server owes from now on.
func (h *hearing) say(now time.Time, name string, args ...string) error {
	if h.owed.IsZero() {
		h.owed = now
	}
	_ = h.link.conn.SetWriteDeadline(now.Add(answerWithin))
	_, err := h.link.conn.Write(h.out.command(name, args))
	return err
}
