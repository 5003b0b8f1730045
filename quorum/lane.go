package quorum

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/quorumlock/quorumlock/clock"
)

// A lane is the order of one claim's operations on one node. A job asks the node and returns; when the
// answer is there, whoever brought it goes on, and calls Claim.next at the end. So nothing waits, and a
// lane needs no goroutine.
type lane struct {
	claim *Claim
	node  int

	// What follows belongs to whoever does the present job: to the call that started it until the node is
	// asked, then to the goroutine that brings the answer. Between jobs it is nil.
	round *round // nil for a release that nobody waits for
	asked *question

	// The claim's mu guards the rest.
	busy   bool
	trace  bool    // the value may be on the node
	behind *queued // the first of the jobs behind the present one
	// late is the instant until which an acquire or heal that was not answered may still be carried
	// out, and lateExtend the same for an extension.
	late, lateExtend clock.Instant
}

// A queued job waits for the one before it. It is told the node.
type queued struct {
	job  func(int)
	next *queued
}

// A question is the operation that a node is asked to carry out in a job.
type question struct {
	op     Op
	sent   clock.Instant       // just before
	limit  clock.Instant       // of a write: when it is of no use any more
	late   clock.Instant       // of a release: until when an earlier request may still be carried out
	keep   clock.Instant       // of a release: until when the key is kept
	answer func(*lane, Answer) // of a write: goes on with what the answer is worth
	before *Claim              // of a hand-over: the claim whose place is taken
}

// clean reports whether the node certainly has nothing of the claim: it said so, or was never asked.
func (l *lane) clean(now clock.Instant) bool { return !l.trace && l.late.Before(now) }

var (
	// errAbandoned is the answer of a node that was not asked since nobody wants to know any more.
	errAbandoned = errors.New("not asked, since the claim had ended")
	// errTooLate is the answer of a node that healed when the claim could no longer count it.
	errTooLate = errors.New("healed after the claim had run out")
)

// A place is where a job stands when it is given to a lane.
type place uint8

const (
	nowhere place = iota // the node is not asked
	behind               // an earlier job is under way
	first                // it is to be started
)

// fanOut lets each node that is asked do job, in its lane, and votes for the others. It gives the job to
// all lanes at once, so that they all take the rounds in the same order: a node that waits for the others
// before it heals never waits for one that waits for a later round. asked are votes that are in already.
func (c *Claim) fanOut(r *round, asked []vote, job func(i int)) {
	places := c.engine.targets(r.started)
	for _, v := range asked {
		places[v.node] = nowhere
	}
	c.mu.Lock()
	for i := range places {
		if places[i] != nowhere {
			places[i] = c.enqueue(i, job)
		}
	}
	c.mu.Unlock()
	for i, p := range places {
		if p == nowhere {
			r.hold(false)
			r.post(votedBefore(asked, i, c.engine.peers[i]))
		}
	}
	c.start(places, job)
}

// votedBefore is the vote of a node that is not asked now.
func votedBefore(asked []vote, i int, p *peer) vote {
	for _, v := range asked {
		if v.node == i {
			return v
		}
	}
	return vote{node: i, answer: p.skipped()}
}

// enqueue puts job behind the node's earlier ones, or says that it is the caller's to start. Only a public
// call, or something that Close waits for, may call it. The caller holds mu.
func (c *Claim) enqueue(i int, job func(int)) place {
	l := &c.lanes[i]
	if l.busy {
		end := &l.behind
		for *end != nil {
			end = &(*end).next
		}
		*end = &queued{job: job}
		return behind
	}
	l.busy = true
	return first
}

// start runs job in the lanes where it is first. The caller holds no lock.
func (c *Claim) start(places []place, job func(i int)) {
	for i, p := range places {
		if p == first {
			job(i)
		}
	}
}

// next ends a node's job, and runs the one behind it.
func (c *Claim) next(i int) {
	c.mu.Lock()
	l := &c.lanes[i]
	if l.behind == nil {
		l.busy = false
		c.mu.Unlock()
		return
	}
	job := l.behind.job
	l.behind = l.behind.next
	c.mu.Unlock()
	job(i)
}

// times belong to one request.
type times struct {
	now      clock.Instant // just before the request is sent
	deadline time.Time     // of its answer
}

func (c *Claim) times(now clock.Instant) times {
	return times{now, time.Now().Add(c.terms.Timeout)}
}

// peer is the lane's node.
func (l *lane) peer() *peer { return l.claim.engine.peers[l.node] }

// ask sends the node the lane's question.
func (l *lane) ask(deadline time.Time) { l.peer().send(l.asked.op, l.asked.sent, deadline, l) }

// Receive goes on with the lane's job by the node's answer.
func (l *lane) Receive(ans Answer) {
	p := l.peer()
	defer p.engine.work.Done()
	ans = p.received(ans)
	switch l.asked.op.Kind {
	case Extend:
		l.extended(ans)
	case Release:
		l.released(ans, true)
	case Raise:
		l.raised(ans)
	default:
		l.asked.answer(l, l.written(ans))
	}
}

// acquireOn returns the job that asks a node for the key.
func (c *Claim) acquireOn(r *round) func(i int) {
	at := c.times(r.started)
	return func(i int) {
		l := &c.lanes[i]
		l.round = r
		l.write(Acquire, clock.Forever, at, (*lane).acquired)
	}
}

// acquired goes on after an acquire. A node that says the request came too late has told us its time, so it
// is asked once more. The value may stay the same: that answer proves that nothing was written, and no
// release of the value has been sent to the node yet.
func (l *lane) acquired(ans Answer) {
	if ans.Verdict != Late {
		l.done(ans)
		return
	}
	again := l.claim.times(l.claim.engine.clock.Now())
	l.write(Acquire, clock.Forever, again, (*lane).done)
}

// done ends a job with the node's vote.
func (l *lane) done(ans Answer) { l.vote(vote{node: l.node, answer: ans}) }

func (l *lane) vote(v vote) {
	r := l.round
	l.round, l.asked = nil, nil // a lease may be held for long
	if r != nil {
		r.post(v)
	}
	l.claim.next(l.node)
}

// write sends the node an acquire or a heal, which it must refuse once it is past limit or the time of
// asking, records the answer, and lets answer go on with it.
func (l *lane) write(kind Kind, limit clock.Instant, at times, answer func(*lane, Answer)) {
	c := l.claim
	if !c.mark(l.node) {
		answer(l, Answer{Err: errAbandoned})
		return
	}
	op := Op{
		Kind:     kind,
		Key:      c.key,
		Value:    c.value,
		TTL:      c.terms.Lifetime(),
		NotAfter: min(at.now.Add(c.terms.Timeout), limit),
	}
	if kind == Acquire {
		op.Hint, op.MaxTTL = c.terms.Hint, c.terms.MaxTTL
	}
	if w := c.terms.Waiter; w != nil && kind == Acquire {
		op.Waiter, op.Announce = w, c.engine.home(c.key) == l.node
	}
	l.asked = &question{op: op, sent: at.now, limit: limit, answer: answer}
	l.ask(at.deadline)
}

// written records the answer to a write, and returns what it is worth.
func (l *lane) written(ans Answer) Answer {
	c, q := l.claim, l.asked
	if errors.Is(ans.Err, ErrUnsent) {
		c.unmark(l.node, q.sent)
		return ans
	}
	if q.op.Kind == Heal && ans.Verdict == Mine && !c.engine.clock.Now().Before(q.limit) {
		return Answer{Err: errTooLate}
	}
	c.record(l.node, ans, q.sent, q.op.NotAfter.Add(ans.Slack))
	return ans
}

// extendOn returns the job that asks a node to extend, and to heal if it has lost the key.
func (c *Claim) extendOn(r *round) func(i int) {
	return func(i int) {
		l := &c.lanes[i]
		l.round = r
		l.extend()
	}
}

// extend asks the node to extend, unless it has been busy with this claim for so long that nobody waits for
// the answer any more.
func (l *lane) extend() {
	c := l.claim
	at := c.times(c.engine.clock.Now())
	if at.now.Sub(l.round.started) >= c.terms.Timeout {
		l.held(Answer{Err: errBusyNode(c.terms.Timeout)})
		return
	}
	if c.isEnded() {
		l.held(Answer{Err: errAbandoned})
		return
	}
	op := Op{Kind: Extend, Key: c.key, Value: c.value, TTL: c.terms.Lifetime()}
	l.asked = &question{op: op, sent: at.now}
	l.ask(at.deadline)
}

// errBusyNode is the answer of a node that is not asked since an earlier request took it all the time there is.
func errBusyNode(timeout time.Duration) error {
	return fmt.Errorf("busy with an earlier request for %v: %w", timeout, context.DeadlineExceeded)
}

// extended records the answer to an extension.
func (l *lane) extended(ans Answer) {
	c, sent := l.claim, l.asked.sent
	c.record(l.node, ans, sent, clock.Never) // an extension writes nothing where nothing is
	if ans.Verdict == Failed {
		c.mayExtendLate(l.node, sent)
	}
	l.held(ans)
}

// held goes on with what an extension has found.
func (l *lane) held(ans Answer) {
	l.round.hold(ans.Verdict == Mine)
	if ans.Verdict == Free {
		l.heal()
		return
	}
	l.done(ans)
}

// heal brings the key back on the node, which has lost it, once a majority has said in this very round that
// it holds the value: then nobody else can have come and gone. Without that, it would be a new claim under
// an old name.
func (l *lane) heal() {
	c := l.claim
	c.park(l.round, func(held, ended bool) {
		limit, now := c.ValidUntil(), c.engine.clock.Now()
		switch {
		case ended:
			l.done(Answer{Err: errAbandoned})
			return
		case !held, !now.Before(limit):
			l.done(Answer{Verdict: Free}) // as it was: there is nothing left to heal
			return
		}
		l.write(Heal, limit, c.times(now), (*lane).healed)
	})
}

// healed goes on after a heal.
func (l *lane) healed(ans Answer) {
	if ans.Verdict == Mine {
		l.claim.engine.tellHealed(l.claim.key, l.node)
	}
	l.done(ans)
}

// A parked heal waits until it is known whether a majority holds the value, or the claim ends.
type parked struct {
	on  func(held, ended bool)
	off bool // it goes on already; guarded by the claim's mu
}

// park calls on, once, when that is known.
func (c *Claim) park(r *round, on func(held, ended bool)) {
	p := &parked{on: on}
	c.mu.Lock()
	ended := c.over
	if !ended {
		c.parked = append(c.parked, p)
	}
	c.mu.Unlock()
	if ended {
		on(false, true)
		return
	}
	r.whenHeld(func(held bool) {
		if c.unpark(p) {
			on(held, false)
		}
	})
}

// unpark reports whether it is the caller's to let p go on.
func (c *Claim) unpark(p *parked) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.off {
		return false
	}
	p.off = true
	c.parked = slices.DeleteFunc(c.parked, func(other *parked) bool { return other == p })
	return true
}

// release removes the value from the node. What cannot be settled at once is left to the node's undo queue: a
// node that did not answer, and one that may still carry out an earlier request.
//
// at is when the release was asked for. Behind an earlier job it is later now.
func (l *lane) release(r *round, at times, anyway, waited bool) {
	c, p := l.claim, l.peer()
	l.round = r
	if waited {
		at = c.times(c.engine.clock.Now())
	}
	clean, keep, late := c.left(l.node, at.now)
	if clean {
		l.vote(vote{node: l.node, answer: Answer{Verdict: Free}, clean: true})
		return
	}
	bye := c.parting()
	op := Op{
		Kind: Release, Key: c.key, Value: c.value, TTL: keepFor(keep, at.now),
		Announce: bye.announce, Waiter: bye.waiter,
	}
	l.asked = &question{op: op, sent: at.now, late: late, keep: keep}
	if !anyway && !p.allowRelease(at.now) {
		l.released(p.skipped(), false)
		return
	}
	l.ask(at.deadline)
}

// released settles a release by the node's answer, or leaves it to the queue.
func (l *lane) released(ans Answer, asked bool) {
	l.claim.noteOthers(ans)
	u, left := l.leftover(ans, asked)
	l.claim.forget(l.node) // what is left is the queue's from here on
	if left {
		l.peer().undoLater(u)
	}
	l.done(ans)
}

// leftover is what a release has left to do, if it has.
func (l *lane) leftover(ans Answer, asked bool) (u undo, left bool) {
	c, sent, late := l.claim, l.asked.sent, l.asked.late
	if late == clock.Never && ans.Answered() {
		return undo{}, false
	}
	u = undo{
		key:       c.key,
		value:     c.value,
		keepUntil: l.asked.keep,
		timeout:   c.terms.Timeout,
		notBefore: sent,
		giveUp:    max(sent, late).Add(c.terms.Lifetime()),
		farewell:  c.parting(),
	}
	switch now := c.engine.clock.Now(); {
	case !late.Before(now):
		u.notBefore = late.Add(1)
	case ans.Answered():
		return undo{}, false
	case asked:
		u.tried, u.pause, u.notBefore = true, undoPauseMin, now.Add(undoPauseMin)
	}
	return u, true
}
