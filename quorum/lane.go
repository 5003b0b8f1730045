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
	busy  bool
	trace bool        // the value may be on the node
	queue []func(int) // jobs behind the present one; each is told the node
	// late is the instant until which an acquire or heal that was not answered may still be carried
	// out, and lateExtend the same for an extension.
	late, lateExtend clock.Instant
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
		l.queue = append(l.queue, job)
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
	if len(l.queue) == 0 {
		l.busy, l.queue = false, nil
		c.mu.Unlock()
		return
	}
	job := l.queue[0]
	l.queue = l.queue[1:]
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

// acquireOn returns the job that asks a node for the key. A node that says the request came too late
// has told us its time, so it is asked once more. The value may stay the same: that answer proves
// that nothing was written, and no release of the value has been sent to the node yet.
func (c *Claim) acquireOn(r *round) func(i int) {
	at := c.times(r.started)
	return func(i int) {
		c.write(i, Acquire, clock.Forever, at, func(ans Answer) {
			if ans.Verdict != Late {
				c.done(r, i, ans)
				return
			}
			again := c.times(c.engine.clock.Now())
			c.write(i, Acquire, clock.Forever, again, func(ans Answer) { c.done(r, i, ans) })
		})
	}
}

// done ends a job with the node's vote.
func (c *Claim) done(r *round, i int, ans Answer) {
	r.post(vote{node: i, answer: ans})
	c.next(i)
}

// write sends node i an acquire or a heal, which the node must refuse once it is past limit or the
// time of asking, and records the answer.
func (c *Claim) write(i int, kind Kind, limit clock.Instant, at times, done func(Answer)) {
	if !c.mark(i) {
		done(Answer{Err: errAbandoned})
		return
	}
	op := Op{
		Kind:     kind,
		Key:      c.key,
		Value:    c.value,
		TTL:      c.terms.Lifetime(),
		NotAfter: min(at.now.Add(c.terms.Timeout), limit),
	}
	if w := c.terms.Waiter; w != nil && kind == Acquire {
		op.Waiter, op.Announce = w, c.engine.Rank(c.key, i) == 0
	}
	c.engine.peers[i].send(op, at.now, at.deadline, func(ans Answer) {
		done(c.written(i, op, limit, at.now, ans))
	})
}

// written records the answer to a write, and returns what it is worth.
func (c *Claim) written(i int, op Op, limit, sent clock.Instant, ans Answer) Answer {
	if errors.Is(ans.Err, ErrUnsent) {
		c.unmark(i, sent)
		return ans
	}
	if op.Kind == Heal && ans.Verdict == Mine && !c.engine.clock.Now().Before(limit) {
		return Answer{Err: errTooLate}
	}
	c.record(i, ans, sent, op.NotAfter.Add(ans.Slack))
	return ans
}

// extendOn returns the job that asks a node to extend, and to heal if it has lost the key.
func (c *Claim) extendOn(r *round) func(i int) {
	return func(i int) {
		c.extendNow(i, r, func(ans Answer) {
			r.hold(ans.Verdict == Mine)
			if ans.Verdict == Free {
				c.heal(i, r)
				return
			}
			c.done(r, i, ans)
		})
	}
}

// extendNow asks node i to extend, unless it has been busy with this claim for so long that nobody
// waits for the answer any more.
func (c *Claim) extendNow(i int, r *round, done func(Answer)) {
	at := c.times(c.engine.clock.Now())
	if at.now.Sub(r.started) >= c.terms.Timeout {
		done(Answer{Err: errBusyNode(c.terms.Timeout)})
		return
	}
	if c.isEnded() {
		done(Answer{Err: errAbandoned})
		return
	}
	op := Op{Kind: Extend, Key: c.key, Value: c.value, TTL: c.terms.Lifetime()}
	c.engine.peers[i].send(op, at.now, at.deadline, func(ans Answer) {
		c.record(i, ans, at.now, clock.Never) // an extension writes nothing where nothing is
		if ans.Verdict == Failed {
			c.mayExtendLate(i, at.now)
		}
		done(ans)
	})
}

// errBusyNode is the answer of a node that is not asked since an earlier request took it all the time there is.
func errBusyNode(timeout time.Duration) error {
	return fmt.Errorf("busy with an earlier request for %v: %w", timeout, context.DeadlineExceeded)
}

// heal brings the key back on node i, which has lost it, once a majority has said in this very round
// that it holds the value: then nobody else can have come and gone. Without that, it would be a new
// claim under an old name.
func (c *Claim) heal(i int, r *round) {
	c.park(r, func(held, ended bool) {
		limit, now := c.ValidUntil(), c.engine.clock.Now()
		switch {
		case ended:
			c.done(r, i, Answer{Err: errAbandoned})
			return
		case !held, !now.Before(limit):
			c.done(r, i, Answer{Verdict: Free}) // as it was: there is nothing left to heal
			return
		}
		c.write(i, Heal, limit, c.times(now), func(ans Answer) {
			if ans.Verdict == Mine {
				c.engine.tellHealed(c.key, i)
			}
			c.done(r, i, ans)
		})
	})
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

// releaseOn removes the value from node i. What cannot be settled at once is left to the node's undo
// queue: a node that did not answer, and one that may still carry out an earlier request.
//
// at is when the release was asked for. Behind an earlier job it is later now.
func (c *Claim) releaseOn(i int, at times, anyway, waited bool, done func(vote)) {
	if waited {
		at = c.times(c.engine.clock.Now())
	}
	p, now := c.engine.peers[i], at.now
	clean, keep, late := c.left(i, now)
	if clean {
		done(vote{node: i, answer: Answer{Verdict: Free}, clean: true})
		return
	}
	u := undo{
		key:       c.key,
		value:     c.value,
		keepUntil: keep,
		timeout:   c.terms.Timeout,
		notBefore: now,
		giveUp:    max(now, late).Add(c.terms.Lifetime()),
		farewell:  c.parting(),
	}
	if !anyway && !p.allowRelease(now) {
		done(c.released(i, u, late, p.skipped(), false))
		return
	}
	p.send(u.op(now), now, at.deadline, func(ans Answer) {
		done(c.released(i, u, late, ans, true))
	})
}

// released settles a release by node i's answer, or leaves it to the queue.
func (c *Claim) released(i int, u undo, late clock.Instant, ans Answer, asked bool) vote {
	v := vote{node: i, answer: ans}
	c.noteOthers(ans)
	switch {
	case late == clock.Never && ans.Answered():
		c.forget(i)
		return v
	case !late.Before(c.engine.clock.Now()):
		u.notBefore = late.Add(1)
	case ans.Answered():
		c.forget(i)
		return v
	case asked:
		u.tried, u.pause, u.notBefore = true, undoPauseMin, c.engine.clock.Now().Add(undoPauseMin)
	}
	c.forget(i) // from here on it is the queue's
	c.engine.peers[i].undoLater(u)
	return v
}
