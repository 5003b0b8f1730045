package fakeredis

import (
	"io"
	"math"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/quorumlock/quorumlock/chaos/internal/dice"
)

// A signal is what a segment says besides its bytes.
type signal uint8

const (
	bytesOnly signal = iota
	opening          // a client wants a connection
	accepted         // it has one
	refused          // nobody listens
	closing          // no more bytes will come
	resetting        // the connection is broken
)

// A segment is one message on its way.
type segment struct {
	data   []byte
	signal signal
	sent   int64
	at     int64 // when it arrives
	forced bool  // it arrives even if the way is held
}

// A wire is one direction of a connection: what was written, in order, and when it arrives. All
// fields are guarded by the link's mu, but for the channels.
//
// Arrivals never decrease. A reader takes what has arrived, or waits for the timer, which stands at
// the next instant at which there is something to do, or for a kick.
type wire struct {
	cable *cable
	way   *way
	class int64 // of its arrivals, see ownInstant
	draws uint64

	queue []segment
	last  int64 // the latest arrival

	ended  error // all that its reader gets from now on
	lost   bool  // nothing written arrives any more
	readBy int64 // its reader's deadline, or 0

	timer *time.Timer
	kick  chan struct{}
	turn  chan struct{} // holds a token while somebody reads
}

func newWire(c *cable, w *way, class int64) *wire {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	return &wire{
		cable: c, way: w, class: class, timer: timer,
		kick: make(chan struct{}, 1), turn: make(chan struct{}, 1),
	}
}

// now is the network's time.
func now() int64 { return time.Now().UnixNano() }

// spread separates what becomes possible for several wires at the same time.
const spread = 200 * time.Microsecond

// instants is how many wires have instants of their own.
const instants = 1 << 14

// classOf numbers the wires of a run as far as there are instants.
func classOf(client, server, connection int, dir uint64) int64 {
	return int64((uint64(client)%32*16+uint64(server)%16)*16+uint64(connection)%16)*2 + int64(dir)
}

// ownInstant returns the first instant not before t that belongs to the class. No two wires of
// different classes share one, so that nothing depends on who is served first.
func (w *wire) ownInstant(t int64) int64 {
	return t + (w.class-t%instants+instants)%instants
}

// dice returns fresh dice for the next draw.
func (w *wire) dice() dice.Dice {
	w.draws++
	c := w.cable
	return dice.New(c.link.server.seed, uint64(c.link.client), uint64(c.link.server.number),
		uint64(c.number), w.draws, uint64(w.class&1))
}

// send puts a segment on its way.
func (w *wire) send(s segment) {
	if w.lost {
		return
	}
	present := now()
	s.sent, s.at = present, w.arrival(present)
	w.last = s.at
	w.queue = append(w.queue, s)
	if len(w.queue) == 1 {
		w.arm(present)
	}
}

// arrival draws when something sent at present arrives.
func (w *wire) arrival(present int64) int64 {
	d := w.dice()
	delay, slow := w.way.weather.draw(&d)
	if slow {
		w.cable.link.effects.Slow++
	}
	at := present + max(int64(delay), 1)
	if stall := w.way.stalled; at <= stall {
		w.cable.link.effects.Stalled++
		at = stall + int64(d.UpTo(spread))
	}
	return w.ownInstant(max(at, w.last))
}

// postpone makes everything that would arrive after since arrive after t, and returns how many
// segments that moved.
func (w *wire) postpone(since, t int64) int {
	d := w.dice()
	earliest := w.ownInstant(t + int64(d.UpTo(spread)))
	count := 0
	for i := range w.queue {
		if s := &w.queue[i]; s.at > since && s.at < earliest {
			s.at = earliest
			w.last = max(w.last, s.at)
			count++
		}
	}
	w.arm(now())
	return count
}

// resume makes what was sent at since or later, and should have arrived by now, arrive now.
func (w *wire) resume(since int64) {
	d := w.dice()
	present := now()
	earliest := w.ownInstant(present + int64(d.UpTo(spread)))
	for i := range w.queue {
		if s := &w.queue[i]; s.sent >= since && s.at < earliest {
			s.at = earliest
			w.last = max(w.last, s.at)
		}
	}
	w.arm(present)
}

// sever loses what is under way, and all that will be written. The reader learns it soon, after what has arrived.
func (w *wire) sever() {
	if w.lost {
		return
	}
	present := now()
	w.queue = slices.DeleteFunc(w.queue, func(s segment) bool { return !w.hasArrived(&s, present) })
	d := w.dice()
	at := w.ownInstant(present + 1 + int64(d.UpTo(spread)))
	w.queue = append(w.queue, segment{signal: resetting, at: at, forced: true})
	w.lost = true
	w.arm(present)
}

// deafen is for a reader that goes away: it gets err from now on, and what is written is lost.
func (w *wire) deafen(err error) {
	w.ended, w.lost, w.queue = err, true, nil
	w.poke()
}

// poke makes the reader look again.
func (w *wire) poke() {
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

// isHeld reports whether a segment is kept back now.
func (w *wire) isHeld(s *segment) bool {
	return (w.way.held && s.at > w.way.heldSince || w.way.halted && s.sent >= w.way.haltedSince) && !s.forced
}

func (w *wire) hasArrived(s *segment, present int64) bool {
	return s.at <= present && !w.isHeld(s)
}

// arm sets the timer to the next instant at which the reader has something to do.
func (w *wire) arm(present int64) {
	next := int64(math.MaxInt64)
	if len(w.queue) > 0 && !w.isHeld(&w.queue[0]) {
		next = w.queue[0].at
	}
	if w.readBy != 0 {
		next = min(next, w.readBy)
	}
	if next == math.MaxInt64 {
		w.timer.Stop()
		return
	}
	w.timer.Reset(time.Duration(next - present))
}

// front returns the first segment if it has arrived. Without one there is an error if there will be
// none; if there is neither, the timer is set.
func (w *wire) front() (*segment, error) {
	present := now()
	switch {
	case w.ended != nil:
		return nil, w.ended
	case w.readBy != 0 && w.readBy <= present:
		return nil, os.ErrDeadlineExceeded
	case len(w.queue) > 0 && w.hasArrived(&w.queue[0], present):
		return &w.queue[0], nil
	}
	w.arm(present)
	return nil, nil
}

// isReset reports whether the connection is known to be broken: writing to it fails.
func (w *wire) isReset() bool {
	present := now()
	for i := range w.queue {
		if s := &w.queue[i]; s.signal == resetting && w.hasArrived(s, present) {
			return true
		}
	}
	return w.ended == syscall.ECONNRESET //nolint:errorlint // it is set to that very value
}

// take copies bytes of the first segment to b, or turns its signal into an error.
func (w *wire) take(s *segment, b []byte) (int, error) {
	switch s.signal {
	case closing:
		w.ended = io.EOF
	case resetting:
		w.ended = syscall.ECONNRESET
	}
	if w.ended != nil {
		w.queue = nil
		return 0, w.ended
	}
	n := copy(b, s.data)
	if s.data = s.data[n:]; len(s.data) == 0 {
		w.pop()
	}
	return n, nil
}

func (w *wire) pop() { w.queue = slices.Delete(w.queue, 0, 1) }
