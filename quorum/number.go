package quorum

import (
	"context"
	"errors"
	"slices"

	"github.com/quorumlock/quorumlock/clock"
)

// errNotRaised is the failure of a node that breaks the contract of Raise.
var errNotRaised = errors.New("raised a fencing counter to less than it was asked to")

// A numbering is what is known of a claim's fencing token while it is found. Each node that grants the claim
// gives it a number of its own. The token is one that at least a majority of them have exactly, as their last
// one, while they hold the claim's value: any later claim needs one of these nodes, and gets more from it. The
// rules and their proof are in package tokenmodel, which tries what happens without them:
//
//   - a node raises its number only while it holds the value;
//   - a node with a larger number than the token does not count: then the token is that number, and the
//     others are asked again;
//   - a node whose promise is over does not count, since it may have forgotten since.
type numbering struct {
	given   []uint64 // by node; 0 where it has not granted
	unknown bool     // they were given to somebody else, and have to be asked for
	least   uint64   // the token is not less
	raises  int      // how often they had to be raised
}

// endless reports whether nodes that keep the contract would agree by now: each of size nodes may come with a
// larger number when its vote is late, and again when it is asked to raise.
func (n *numbering) endless(size int) bool { return n.raises > 2*size }

// leading is the largest number that a node has given.
func (n *numbering) leading() uint64 { return slices.Max(n.given) }

// Token is the fencing token of the claim: greater than that of any claim on the key that ended before this one
// was asked for. It is 0 if none was asked for, or if the nodes do not number what they grant.
func (c *Claim) Token() uint64 { return c.token }

// Levelled reports whether the nodes gave different numbers at first, which costs one more round trip.
func (c *Claim) Levelled() bool { return c.levelled }

// given notes the number that node i has given.
func (c *Claim) given(i int, token uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.numbers != nil && token > c.numbers.given[i] {
		c.numbers.given[i] = token
	}
}

// toRaise reports whether node i is to be asked to raise its number to token, and if not, what it has given.
func (c *Claim) toRaise(i int, token uint64) (ask bool, given uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.numbers == nil {
		return false, c.token // it has been settled meanwhile
	}
	if !c.engine.clock.Now().Before(c.promises[i]) {
		return false, 0
	}
	given = c.numbers.given[i]
	return given < token && (given > 0 || c.numbers.unknown), given
}

// known notes that a majority has told its numbers. One of them is at least the token of whoever had the lease
// before, who may have been somebody with a number and, after that, somebody without: the token is greater.
func (c *Claim) known() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.numbers.unknown = false
	c.numbers.least = max(c.numbers.leading()+1, c.terms.Hint)
}

// askNumber finds a token for a claim that somebody else has made, with one that is not known.
func (c *Claim) askNumber(ctx context.Context) error {
	c.mu.Lock()
	if c.numbers != nil {
		c.numbers.unknown = true
	}
	c.mu.Unlock()
	return c.awaitNumber(ctx)
}

// settle makes one of the given numbers the token, if a majority has it. If not it returns the number to raise
// the others to.
func (c *Claim) settle() (raiseTo uint64, settled bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.numbers == nil {
		return 0, true
	}
	if c.numbers.unknown {
		return 1, false // which changes nothing where a number is
	}
	token, nodes, now := max(c.numbers.leading(), c.numbers.least), 0, c.engine.clock.Now()
	for i, given := range c.numbers.given {
		if given == token && now.Before(c.promises[i]) {
			nodes++
		}
	}
	if token != 0 && nodes < Majority(len(c.lanes)) {
		return token, false
	}
	c.token, c.levelled, c.numbers = token, c.numbers.raises > 0, nil
	return token, true
}

// number finds the claim's token, and calls done, with a [*MissError] if too few nodes still hold the value for
// it, or nodes go on giving larger numbers. done may be called before number returns, and must not block. Only a
// public call, or something that Close waits for, may call it.
func (c *Claim) number(done func(error)) {
	token, settled := c.settle()
	if settled {
		done(nil)
		return
	}
	e := c.engine
	c.mu.Lock()
	c.numbers.raises++
	reading, endless := c.numbers.unknown, c.numbers.endless(len(e.peers))
	c.mu.Unlock()
	if endless {
		done(&MissError{Why: Split, RetryAfter: NoExpiry, Size: len(e.peers), Need: Majority(len(e.peers))})
		return
	}
	r := newRound(e, e.clock.Now(), Majority(len(e.peers)))
	a := newAttempt(len(e.peers), Majority(len(e.peers)))
	larger := false
	r.count = func(v vote) (bool, func()) {
		larger = larger || v.answer.Token > token
		if v.answer.Verdict == Mine && v.answer.Token < token {
			v.answer = Answer{Err: errNotRaised}
		}
		a.add(v.node, e.peers[v.node].node.Name(), v.answer)
		return larger && !reading || a.done(), nil
	}
	r.decided = func() {
		reached := a.mine.Outcome() == Reached
		if reading && reached {
			c.known()
		}
		if reached || larger && !reading {
			c.number(done)
			return
		}
		done(a.miss())
	}
	c.fanOut(r, nil, func(i int) {
		l := &c.lanes[i]
		l.round = r
		l.raise(token)
	})
}

// raise makes the node's number for the claim be token, if it has granted the claim with less.
func (l *lane) raise(token uint64) {
	c := l.claim
	at := c.times(c.engine.clock.Now())
	switch ask, given := c.toRaise(l.node, token); {
	case at.now.Sub(l.round.started) >= c.terms.Timeout:
		l.done(Answer{Err: errBusyNode(c.terms.Timeout)})
	case c.isEnded():
		l.done(Answer{Err: errAbandoned})
	case !ask && given == 0:
		l.done(Answer{Verdict: Free}) // it has not granted, or no longer: there is nothing to raise
	case !ask:
		l.done(Answer{Verdict: Mine, Token: given})
	default:
		op := Op{Kind: Raise, Key: c.key, Value: c.value, Token: token, MaxTTL: c.terms.MaxTTL}
		l.asked = &question{op: op, sent: at.now, limit: clock.Forever}
		l.ask(at.deadline)
	}
}

// raised ends a raise. A node whose number is larger is no vote for the token that was asked for, and says so.
func (l *lane) raised(ans Answer) {
	if ans.Verdict == Mine {
		l.claim.given(l.node, ans.Token)
	}
	l.done(ans)
}
