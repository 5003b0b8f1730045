package redisnode

import (
	"math/bits"
	"runtime"
	"time"
)

// settled is how long a connection must have been quiet for it to be worth a look whether the server has ended
// it, in the moment before that is known.
const settled = time.Millisecond

// next returns the batch to write now, and where to; nil if there is none. It sees to it that what has to
// wait is sent in time. The caller holds mu, and writes the batch without it, by send.
//
// Who is not patient must not block in the write. With nothing on its way there is room for a batch in the
// buffers of a socket; otherwise the writing is left to the connection's own goroutine.
func (n *Node) next(now time.Time, patient bool) (*link, *batch) {
	if n.writing || n.closed || n.box.empty() {
		return nil, nil
	}
	l := n.link
	if l != nil && n.box.idle() && (l.worn(now) || now.Sub(l.heard) > settled && l.conn.ended()) {
		n.detach()
		l = nil
	}
	switch {
	case l == nil:
		n.open(now)
		return nil, nil
	case !n.box.ready(now, n.pace()):
		if due, knowable := n.box.due(n.pace()); knowable {
			n.wakeBy(due, now)
		}
		return nil, nil
	case !patient && (!l.roomy || !n.box.idle()):
		l.rouse()
		return nil, nil
	}
	return l, n.takeBatch(now)
}

// gather lets those callers add their requests to the next batch who can do so at once, if there is a crowd of
// them and the batch is about to be written: a batch costs the server and this process more than what is in it.
// No clock is waited for: with nothing else to run it returns at once. The caller holds mu.
func (n *Node) gather() {
	if n.writing || n.link == nil || !n.box.idle() || !n.box.crowded() {
		return
	}
	l := n.link
	n.writing = true
	for before := -1; n.link == l && n.box.crowded() && n.box.live > before; {
		before = n.box.live
		n.mu.Unlock()
		runtime.Gosched()
		n.mu.Lock()
	}
	if n.link == l {
		n.writing = false
	}
}

func (n *Node) crowded() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.box.crowded()
}

// pace is the least time between two batches while one is on its way: the window of a distant server is
// spread over its round trip. The caller holds mu.
func (n *Node) pace() time.Duration {
	return max(minPace, n.offset.best.width()/maxFlight)
}

// takeBatch takes the next batch out of the box, and puts its operations' limits into the server's time. If
// no recent sample of that time is there, the batch is a question for it, and the operations wait. The
// caller holds mu.
func (n *Node) takeBatch(now time.Time) *batch {
	sent := n.clock.Now()
	var b *batch
	switch {
	case n.offset.known(sent):
		b = n.box.take(now, n.pace())
	case n.box.idle():
		b = &batch{}
		n.box.send(b, now)
	}
	if b == nil {
		return nil // nobody wants an answer any more, or the one on its way will tell the time
	}
	b.sent = sent
	b.bySource = b.bySource || n.unknown
	n.unknown = false
	n.writing = true
	n.wakeBy(now.Add(doubt), now)
	for _, r := range b.requests {
		if limited(r.op) && r.limit == 0 {
			at, slack := n.offset.at(r.op.NotAfter)
			r.limit, r.slack = coarse(at.Microseconds(), r.op.NotAfter.Sub(sent)), slack
		}
	}
	return b
}

// coarse returns a limit that is earlier than at by a few percent of the time left, so that operations asked
// for at about the same time share one: fewer terms make a shorter command.
func coarse(at int64, left time.Duration) int64 {
	if left > 0 {
		grain := int64(1) << bits.Len64(uint64(left.Microseconds()/64))
		at -= at % grain
	}
	return max(1, at)
}

// send writes a batch, if there is one, and what else may be written then.
func (n *Node) send(l *link, b *batch, patient bool) {
	for b != nil {
		if err := l.write(b); err != nil {
			n.drop(l, err)
		}
		n.mu.Lock()
		if n.link == l {
			n.writing = false
		}
		l, b = n.next(time.Now(), patient)
		n.mu.Unlock()
	}
}

// sendOn is send in a goroutine that may block in it.
func (n *Node) sendOn() {
	n.mu.Lock()
	n.gather()
	l, b := n.next(time.Now(), true)
	n.mu.Unlock()
	n.send(l, b, true)
}
