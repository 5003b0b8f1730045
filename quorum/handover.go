package quorum

import (
	"errors"

	"github.com/quorumlock/quorumlock/clock"
)

// errReleased is the error of a hand-over that comes after the release.
var errReleased = errors.New("quorum: the claim was released before")

// HandOver ends the claim and puts a new one, with the value next under terms, in its place: on each node in
// one step, so that nobody else can come in between. It asks every node once, as [Engine.Acquire] does, and
// only a node that holds this claim's value may vote for the next.
//
// It calls done once, within about two node timeouts, with the new claim, or with an error after which neither
// value is left on any node that can be reached: a [*MissError], whose Why is Silent if too few nodes
// answered to say anything about the key, or [ErrClosed]. done reports whether it took the claim, which is
// then its to release; one that it does not take is released. What a node that did not vote for the new claim
// keeps of the old one is removed in the background. done may be called before HandOver returns, and by a
// goroutine that answers wait for: it must not block.
func (c *Claim) HandOver(next string, terms Terms, done func(*Claim, error) (taken bool)) {
	e := c.engine
	if err := e.begin(); err != nil {
		done(nil, err)
		return
	}
	defer e.calls.Done()
	if !c.end(clock.Never) {
		done(nil, errReleased)
		return
	}
	n := newClaim(e, c.key, next, terms)
	n.farewell = c.parting()
	for i := range n.lanes {
		n.lanes[i].busy = true // with this
	}
	r := newRound(e, e.clock.Now(), Majority(len(e.peers)))
	a := newAttempt(len(e.peers), e.need)
	n.collect(r, a, nil)
	r.decided = func() { n.handedOver(r, a, done) }
	c.succeed(n, r)
}

// handedOver goes on with a hand-over that is decided.
func (c *Claim) handedOver(r *round, a *attempt, done func(*Claim, error) bool) {
	e := c.engine
	e.observe(e.clock.Now().Sub(r.started))
	if a.mine.Outcome() != Reached {
		c.undo()
		done(nil, a.miss())
		return
	}
	c.number(func(err error) {
		if err == nil {
			err = c.enough(e.clock.Now())
		}
		if err != nil {
			c.undo()
			done(nil, err)
		} else if !done(c, nil) {
			c.undo()
		}
	})
}

// succeed asks each node to put n in the place of c, after what it is busy with.
func (c *Claim) succeed(n *Claim, r *round) {
	asked := c.engine.targets(r.started)
	job := func(i int) {
		l := &n.lanes[i]
		l.round = r
		if ans, ask := c.heldOn(i, asked[i] != nowhere, r); ask {
			l.succeed(c, (*lane).succeeded)
		} else {
			l.done(ans)
			c.leave(i, false)
		}
	}
	places := make([]place, len(c.lanes))
	c.mu.Lock()
	for i := range places {
		places[i] = c.enqueue(i, job)
	}
	c.mu.Unlock()
	c.start(places, job)
}

// heldOn reports whether node i is asked to hand over, and if not, what its vote is.
func (c *Claim) heldOn(i int, asked bool, r *round) (ans Answer, ask bool) {
	now := c.engine.clock.Now()
	switch clean, _, _ := c.left(i, now); {
	case clean:
		return Answer{Verdict: Free}, false // it would say so, or that it is another's
	case !asked:
		return c.engine.peers[i].skipped(), false
	case now.Sub(r.started) >= c.terms.Timeout:
		return Answer{Err: errBusyNode(c.terms.Timeout)}, false
	}
	return Answer{}, true
}

// succeed asks the node to put the lane's claim in the place of before.
func (l *lane) succeed(before *Claim, answer func(*lane, Answer)) {
	c := l.claim
	at := c.times(c.engine.clock.Now())
	op := Op{
		Kind:     HandOver,
		Key:      c.key,
		Value:    before.value,
		Next:     c.value,
		TTL:      c.terms.Lifetime(),
		NotAfter: at.now.Add(c.terms.Timeout),
		Hint:     c.terms.Hint,
		MaxTTL:   c.terms.MaxTTL,
		Waiter:   c.terms.Waiter,
	}
	l.asked = &question{op: op, sent: at.now, limit: clock.Forever, answer: answer, before: before}
	if !c.mark(l.node) {
		l.replaced(Answer{Err: errAbandoned})
		return
	}
	l.ask(at.deadline)
}

// succeeded goes on after a hand-over. A node that says the request came too late is asked once more; see
// acquired.
func (l *lane) succeeded(ans Answer) {
	if ans.Verdict == Late {
		l.succeed(l.asked.before, (*lane).replaced)
		return
	}
	l.replaced(ans)
}

// replaced ends a hand-over with the node's vote.
func (l *lane) replaced(ans Answer) {
	i, before := l.node, l.asked.before
	l.done(ans)
	before.leave(i, ans.Verdict == Mine)
}

// leave ends what c has on node i: nothing, if the node has put another value in its place and no earlier
// request can bring it back.
func (c *Claim) leave(i int, replaced bool) {
	now := c.engine.clock.Now()
	if _, _, late := c.left(i, now); replaced && late == clock.Never {
		c.forget(i)
		c.next(i)
		return
	}
	c.lanes[i].release(nil, c.times(now), c.engine.tooFew(now), false)
}
