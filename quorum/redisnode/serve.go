package redisnode

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/quorum"
)

const (
	// maxOpening bounds the connections that are being opened at once; one is wanted.
	maxOpening = 2
	// hedge is how long the opening of a connection may take before another one is tried beside it: the
	// first may hang where the next would not, behind a router that has lost it.
	hedge = 500 * time.Millisecond
)

// open sees to it that a connection comes. The caller holds mu.
func (n *Node) open(now time.Time) {
	if n.closed || n.opening >= maxOpening || n.opening > 0 && now.Sub(n.opened) < hedge {
		return
	}
	n.opening++
	n.opened = now
	n.work.Go(n.opener)
}

// opener opens a connection and puts it to use, unless another one is.
func (n *Node) opener() {
	ctx, cancel := context.WithTimeout(n.base, openTimeout)
	defer cancel()
	l, err := n.connect(ctx)
	if err != nil {
		n.unopened(err)
		return
	}
	n.dropDead()
	n.mu.Lock()
	n.opening--
	use := n.link == nil && !n.closed
	if use {
		n.link = l
		n.work.Go(func() { l.serve(n) })
		n.work.Go(func() { n.listen(l) })
	}
	n.mu.Unlock()
	if !use {
		l.close()
		return
	}
	n.sendOn()
}

// dropDead gives up the present connection if the server owes an answer on it for too long. It has just
// answered on another.
func (n *Node) dropDead() {
	n.mu.Lock()
	l := n.link
	if since, owes := n.owes(); !owes || time.Since(since) < doubt {
		l = nil
	}
	n.mu.Unlock()
	if l != nil {
		n.drop(l, errSilent)
	}
}

// unopened fails all that waits because no connection could be opened, unless there is one or another may
// still come.
func (n *Node) unopened(err error) {
	var lost []*request
	n.mu.Lock()
	n.opening--
	if n.opening == 0 && n.link == nil {
		lost = n.failAll(n.box.refuse(), err)
	}
	n.mu.Unlock()
	giveAll(lost)
}

// detach takes the connection out of use, with nothing on its way. The caller holds mu.
func (n *Node) detach() {
	l := n.link
	n.link, n.writing = nil, false
	n.work.Go(l.close)
}

// drop gives up a connection, unless that has happened, and fails what is on its way because of why. It is
// not sent again: an acquire may still be carried out as it was sent first, and the release that answers for
// it must know.
func (n *Node) drop(l *link, why error) {
	var lost []*request
	n.mu.Lock()
	if l != nil && n.link == l {
		failure := n.failure(why)
		for _, b := range n.box.unanswered() {
			for _, r := range b.requests {
				if !r.settled {
					lost = append(lost, r.fail(failure))
				}
			}
		}
		n.detach()
	}
	if n.closed {
		lost = append(lost, n.failAll(n.box.refuse(), why)...)
	}
	l, b := n.next(time.Now(), false) // which opens another one if it is needed
	n.mu.Unlock()
	giveAll(lost)
	n.send(l, b, false)
}

// failAll fails requests that did not get a connection, at least not the last time. The caller holds mu.
func (n *Node) failAll(requests []*request, why error) []*request {
	sent, unsent := n.failure(why), n.failure(&unsentError{why})
	for _, r := range requests {
		if r.sent {
			r.fail(sent)
		} else {
			r.fail(unsent)
		}
	}
	return requests
}

// listen reads answers, until the connection ends.
func (n *Node) listen(l *link) {
	d := newDecoder(l.conn)
	var given []*request
	for {
		what, text, err := d.begin()
		if err == nil {
			err = d.finish(what, text, n.awaited(l))
		}
		if err != nil {
			n.drop(l, err)
			return
		}
		given = n.answered(l, &d.reply, given[:0])
		if n.crowded() {
			giveAll(given) // many of these callers ask again at once, and go with the next batch
			n.sendOn()
		} else {
			n.sendOn()
			giveAll(given)
		}
		clear(given)
	}
}

// awaited returns how many operations the next answer on l is about, or -1 if none is expected.
func (n *Node) awaited(l *link) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.link != l || n.box.idle() {
		return -1
	}
	return len(n.box.flight[0].requests)
}

// answered settles the oldest batch on its way by its reply, and appends the requests that have an answer
// now to given.
func (n *Node) answered(l *link, r *reply, given []*request) []*request {
	received := n.clock.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.link != l {
		return given
	}
	l.heard = time.Now()
	b := n.box.answered()
	if r.refusal != "" {
		return n.refused(b, r.refusal, given)
	}
	seen := sample{sent: b.sent, received: received, node: r.time}
	tooLate := false
	var again []*request
	for i, request := range b.requests {
		switch {
		case request.settled:
		case request.again:
			again = append(again, request)
		default:
			given = append(given, n.take(request, r.results[i], r.time))
			tooLate = tooLate || request.answer.Verdict == quorum.Late
		}
	}
	// If something was late then either the sample which set its limit is wrong, or the request was slow
	// and the next sample will be better.
	n.learn(seen, tooLate)
	n.box.repeat(again, false)
	n.box.reuse(b)
	return given
}

// take gives a request its answer. The caller holds mu.
func (n *Node) take(r *request, result result, now time.Duration) *request {
	answer, err := result.answer(r.op.Kind, now)
	if err != nil {
		return r.fail(n.failureOf(r.op, err))
	}
	r.settled = true
	r.answer = answer
	r.answer.Slack = r.slack
	return r
}

// refused deals with a batch that the server has not carried out. One that it does not know the script of
// goes again with the script. One that holds a key which the server does not grant us is halved until that
// key is alone. The caller holds mu.
func (n *Node) refused(b *batch, why string, given []*request) []*request {
	n.unknown = n.unknown || strings.HasPrefix(why, "NOSCRIPT ")
	b.requests = slices.DeleteFunc(b.requests, func(r *request) bool { return r.settled })
	switch {
	case n.unknown && !b.bySource:
		n.box.repeat(b.requests, true)
		return given
	case len(b.requests) > 1 && aboutKeys(why):
		n.box.halve(b)
		return given
	}
	failure := n.failure(serverError(why))
	for _, r := range b.requests {
		given = append(given, r.fail(failure))
	}
	return given
}

// aboutKeys reports whether a refusal is due to one key or some of them: the user may not touch it, or, on
// a server of a cluster, it is another server's.
func aboutKeys(why string) bool {
	return strings.HasPrefix(why, "NOPERM ") && !strings.Contains(why, "permissions to run") ||
		strings.HasPrefix(why, "CROSSSLOT ")
}

// learn takes in a sample. A decisive one proves the present one wrong. The caller holds mu.
func (n *Node) learn(s sample, decisive bool) {
	if decisive {
		n.offset = offset{}
	}
	n.offset.learn(s)
}

var _ redis.Error = serverError("")
