package redisnode

import (
	"cmp"
	"slices"
	"time"

	"github.com/quorumlock/quorumlock/clock"
)

const (
	// maxBatch bounds the operations of one script call. At about a microsecond each, the server does
	// nothing else for an eighth of a millisecond.
	maxBatch = 128
	// maxFlight bounds the batches that are on their way at once.
	maxFlight = 16
	// maxWaiting bounds the requests that wait to be sent: those of some ten milliseconds of a busy
	// server, or what piles up for one that hangs.
	maxWaiting = 8192
	// minPace is the least time between batches while an earlier one is unanswered. A server nearby
	// answers sooner, and then decides the pace itself.
	minPace = 500 * time.Microsecond
	// crowd is how many requests the last batch must have had for more company to be expected.
	crowd = 4
)

// A batch is some requests that go to the server in one command, in order. One without requests asks for
// the time only.
type batch struct {
	requests []*request
	bySource bool          // the server has lost the script
	sent     clock.Instant // just before it was written
	at       time.Time     // the same
}

// An outbox decides what is sent next. It is a value without I/O, clock or lock.
//
// Requests are sent in the order in which they came. What has to be sent again, since the server refused the
// batch, goes before those that were not sent yet, and takes along later requests for the same keys that are
// on their way: all operations can be carried out twice, and the last time is in order. With nothing on its way everything that waits goes at
// once. Otherwise it waits for a full batch, for the answer, or for the pace, whichever is first.
type outbox struct {
	count   uint64
	waiting []*request // never sent, by number
	live    int        // how many of them still want an answer
	again   []*batch   // to be sent again, by number
	flight  []*batch   // sent and not answered, in that order
	unsure  int        // how many of those may have to be sent again; until they are answered nothing new is sent
	last    time.Time  // when the last batch was sent
	size    int        // of the last batch
	spare   *batch     // that was answered; to be used again
}

// push takes in a request, and reports false if too many wait already.
func (o *outbox) push(r *request) bool {
	if o.live >= maxWaiting {
		return false
	}
	o.count++
	r.number = o.count
	o.waiting = append(o.waiting, r)
	o.live++
	return true
}

// idle reports whether nothing is on its way.
func (o *outbox) idle() bool { return len(o.flight) == 0 }

// empty reports whether nothing waits to be sent.
func (o *outbox) empty() bool { return len(o.again)+o.live == 0 }

// full reports whether as much is on its way as may be: only an answer makes room.
func (o *outbox) full() bool { return len(o.flight) >= maxFlight }

// crowded reports whether so many callers ask that others of them are likely to ask in this very moment, and
// the next batch is far from full.
func (o *outbox) crowded() bool { return o.size >= crowd && o.live < maxBatch/2 }

// ready reports whether a batch may be sent now.
func (o *outbox) ready(now time.Time, pace time.Duration) bool {
	switch {
	case o.empty() || o.full():
		return false
	case len(o.again) > 0:
		return true
	case o.unsure > 0:
		return false
	case o.idle() || o.live >= maxBatch:
		return true
	}
	return now.Sub(o.last) >= pace
}

// due returns when a batch may be sent that may not be now, unless only an answer can tell.
func (o *outbox) due(pace time.Duration) (at time.Time, knowable bool) {
	return o.last.Add(pace), !o.full() && o.unsure == 0
}

// take returns the next batch, which counts as sent, or nil if none is due; see ready.
func (o *outbox) take(now time.Time, pace time.Duration) *batch {
	for o.ready(now, pace) {
		var b *batch
		if len(o.again) > 0 {
			b = o.again[0]
			o.again = slices.Delete(o.again, 0, 1)
			b.requests = slices.DeleteFunc(b.requests, func(r *request) bool { return r.settled })
		} else {
			b = o.next()
		}
		if len(b.requests) > 0 {
			o.send(b, now)
			return b
		}
	}
	return nil
}

// next takes the oldest requests that wait, up to a batch.
func (o *outbox) next() *batch {
	b := o.spare
	o.spare = nil
	if b == nil {
		b = &batch{requests: make([]*request, 0, min(o.live, maxBatch))}
	}
	clear(b.requests)
	list := b.requests[:0]
	*b = batch{}
	looked := 0
	for _, r := range o.waiting {
		if len(list) == maxBatch {
			break
		}
		looked++
		if !r.settled {
			list = append(list, r)
		}
	}
	o.live -= len(list)
	left := copy(o.waiting, o.waiting[looked:])
	clear(o.waiting[left:])
	o.waiting = o.waiting[:left]
	b.requests = list
	return b
}

// send notes that a batch is on its way.
func (o *outbox) send(b *batch, now time.Time) {
	b.at, o.last, o.size = now, now, len(b.requests)
	for _, r := range b.requests {
		r.sent, r.again = true, false
	}
	o.flight = append(o.flight, b)
}

// answered takes the oldest batch off its way.
func (o *outbox) answered() *batch {
	b := o.flight[0]
	o.flight = slices.Delete(o.flight, 0, 1)
	o.unsure = max(o.unsure-1, 0)
	return b
}

// reuse takes back a batch that is answered and that nobody looks at any more, except who still returns from
// writing it: nothing of it changes before the next one is taken.
func (o *outbox) reuse(b *batch) { o.spare = b }

// repeat sends requests again, in the order in which they came. Later ones for the same keys that are on
// their way follow when they are answered.
func (o *outbox) repeat(requests []*request, bySource bool) {
	if len(requests) == 0 {
		return
	}
	o.unsure = len(o.flight)
	keys := make(map[string]bool, len(requests))
	for _, r := range requests {
		keys[r.op.Key] = true
	}
	for _, b := range o.flight {
		for _, r := range b.requests {
			r.again = r.again || keys[r.op.Key] && r.number > requests[0].number
		}
	}
	b := &batch{requests: requests, bySource: bySource}
	i, _ := slices.BinarySearchFunc(o.again, b, func(x, y *batch) int {
		return cmp.Compare(x.requests[0].number, y.requests[0].number)
	})
	o.again = slices.Insert(o.again, i, b)
}

// halve sends the requests of a batch again in two halves.
func (o *outbox) halve(b *batch) {
	middle := len(b.requests) / 2
	o.repeat(b.requests[:middle:middle], b.bySource)
	o.repeat(b.requests[middle:], b.bySource)
}

// unanswered takes everything that is on its way off it.
func (o *outbox) unanswered() []*batch {
	lost := o.flight
	o.flight, o.unsure = nil, 0
	return lost
}

// refuse takes everything that waits out, and returns what still wants an answer.
func (o *outbox) refuse() []*request {
	var list []*request
	for _, b := range o.again {
		list = append(list, b.requests...)
	}
	list = append(list, o.waiting...)
	o.waiting, o.again, o.live = nil, nil, 0
	return slices.DeleteFunc(list, func(r *request) bool { return r.settled })
}

// overdue returns the requests that want an answer and whose deadline has passed, and the next deadline
// of the others, which is zero if there is none. Those that were not sent yet never will be.
func (o *outbox) overdue(now time.Time) (late []*request, next time.Time) {
	look := func(list []*request, waiting bool) {
		for _, r := range list {
			switch {
			case r.settled:
			case !now.Before(r.deadline):
				late = append(late, r)
				if waiting {
					o.live--
				}
			case next.IsZero() || r.deadline.Before(next):
				next = r.deadline
			}
		}
	}
	for _, b := range o.flight {
		look(b.requests, false)
	}
	for _, b := range o.again {
		look(b.requests, false)
	}
	look(o.waiting, true)
	return late, next
}
