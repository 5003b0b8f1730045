package quorum

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quorumlock/quorumlock/clock"
)

// A Claim is the engine's record of one value under one key: what each node promised, and what may be
// left there. [Engine.Acquire] and [Engine.Resume] make one. All methods may be called from several
// goroutines. Whoever has a Claim releases it, or lets it run out.
//
// Invariants:
//   - operations on one node are strictly serial, in the order of the calls;
//   - a promise moves forward only by an answer "mine", and back only by an answer that denies it;
//   - ValidUntil is the need-th largest promise, at every moment.
type Claim struct {
	engine     *Engine
	key, value string
	terms      Terms

	until  atomic.Int64 // ValidUntil, for readers without the lock
	others atomic.Bool  // a node has said that others wait

	token    uint64 // set before anybody else has the claim
	levelled bool   // the same

	mu       sync.Mutex
	lanes    []lane // by node
	promises []clock.Instant
	moved    func()
	over     bool          // it is released
	keep     clock.Instant // of the release
	farewell farewell
	parked   []*parked
	numbers  *numbering // while the token is found
}

func newClaim(e *Engine, key, value string, terms Terms) *Claim {
	c := &Claim{
		engine:   e,
		key:      key,
		value:    value,
		terms:    terms,
		lanes:    make([]lane, len(e.peers)),
		promises: make([]clock.Instant, len(e.peers)),
		keep:     clock.Never,
	}
	for i := range c.lanes {
		c.lanes[i] = lane{claim: c, node: i, late: clock.Never, lateExtend: clock.Never}
		c.promises[i] = clock.Never
	}
	if terms.Hint > 0 {
		c.numbers = &numbering{given: make([]uint64, len(e.peers))}
	}
	c.until.Store(int64(clock.Never))
	return c
}

// Value is the value that this claim keeps on the nodes.
func (c *Claim) Value() string { return c.value }

// ValidUntil is the instant before which no other value can be on a majority of the nodes. It moves
// forward with each extension, also by answers that come after its call has returned, and back when
// nodes deny holding the value. It is [clock.Never] once too few promises are left.
func (c *Claim) ValidUntil() clock.Instant { return clock.Instant(c.until.Load()) }

// Votes is the number of nodes whose promise still stands.
func (c *Claim) Votes() int {
	now := c.engine.clock.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	return Standing(c.promises, now)
}

// Watch sets the func to call after ValidUntil has moved. It is called without locks, from the
// goroutine that moved it, and must return soon.
func (c *Claim) Watch(moved func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.moved = moved
}

// Acquire asks every node to keep value under key, once. It returns a claim that enough nodes granted
// with at least terms.MinValidity left, or an error after which nothing is left on any node that can
// be reached: a [*MissError], the error of ctx, or [ErrClosed]. The undoing goes on in the
// background. value is never used again after a miss.
func (e *Engine) Acquire(ctx context.Context, key, value string, terms Terms) (*Claim, error) {
	if err := e.begin(); err != nil {
		return nil, err
	}
	defer e.calls.Done()
	c := newClaim(e, key, value, terms)
	asked, err := c.askHome(ctx)
	if err != nil {
		c.undo()
		return nil, err
	}
	r := newRound(e, e.clock.Now(), Majority(len(e.peers)))
	a := newAttempt(len(e.peers), e.need)
	c.collect(r, a, func() { c.releaseAll(nil, e.clock.Now()) })
	c.fanOut(r, asked, c.acquireOn(r))
	if err := r.await(ctx); err != nil {
		c.undo()
		return nil, err
	}
	now := e.clock.Now()
	e.observe(now.Sub(r.started))
	if a.mine.Outcome() != Reached {
		c.undo()
		miss := a.miss()
		miss.Unlisted = !a.lists(e.home(key))
		return nil, miss
	}
	if err := c.awaitNumber(ctx); err != nil {
		c.undo()
		return nil, err
	}
	if err := c.enough(e.clock.Now()); err != nil {
		c.undo()
		return nil, err
	}
	return c, nil
}

// awaitNumber finds the claim's token, as long as ctx lives.
func (c *Claim) awaitNumber(ctx context.Context) error {
	if _, settled := c.settle(); settled {
		return nil
	}
	found := make(chan error, 1)
	c.number(func(err error) { found <- err })
	select {
	case err := <-found:
		return err
	case <-ctx.Done():
		return ContextError(ctx)
	case <-c.engine.closing:
		return ErrClosed
	}
}

// enough returns a [MissError] if too little of the claim is left to hand it out.
func (c *Claim) enough(now clock.Instant) error {
	left := c.ValidUntil().Sub(now)
	if left > 0 && left >= c.terms.MinValidity {
		return nil
	}
	e := c.engine
	return &MissError{Why: Slow, Left: left, RetryAfter: NoExpiry, Size: len(e.peers), Need: e.need}
}

// Resume makes a claim of a value that is on the nodes already, by extending it. It fails with a
// [*MissError] if too few nodes hold it, or too late, and then leaves them as they are. token is its fencing
// token; if that is 0, so not known, and terms ask for one, it gets a new one, which is greater.
func (e *Engine) Resume(ctx context.Context, key, value string, token uint64, terms Terms) (*Claim, error) {
	c := newClaim(e, key, value, terms)
	if token > 0 {
		c.token, c.numbers = token, nil
	}
	for i := range c.lanes {
		c.lanes[i].trace = true
	}
	if err := c.Extend(ctx); err != nil {
		return nil, err
	}
	if err := c.askNumber(ctx); err != nil {
		return nil, err
	}
	if err := c.enough(e.clock.Now()); err != nil {
		return nil, err
	}
	return c, nil
}

// collect lets a count the votes of r until it is done. It calls missed, unless that is nil, once, as soon as
// the votes cannot be reached any more.
func (c *Claim) collect(r *round, a *attempt, missed func()) {
	r.count = func(v vote) (done bool, then func()) {
		a.add(v.node, c.engine.peers[v.node].node.Name(), v.answer)
		if a.mine.Outcome() == Missed {
			then, missed = missed, nil
		}
		return a.done(), then
	}
}

// mark notes that the value is about to be sent to node i, unless the claim has ended: a value that
// is being released is never written again.
func (c *Claim) mark(i int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return false
	}
	c.lanes[i].trace = true
	return true
}

// unmark takes mark back for a request that was not sent after all.
func (c *Claim) unmark(i int, now clock.Instant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := &c.lanes[i]
	l.trace = !l.late.Before(now)
}

// record notes node i's answer to a request sent at sent. late is when an unanswered one can no longer
// be carried out.
func (c *Claim) record(i int, ans Answer, sent, late clock.Instant) {
	c.noteOthers(ans)
	if ans.Verdict == Mine && ans.Token > 0 {
		c.given(i, ans.Token)
	}
	c.mu.Lock()
	l := &c.lanes[i]
	switch ans.Verdict {
	case Mine:
		c.promises[i] = max(c.promises[i], c.engine.drift.Deadline(sent, c.terms.TTL))
		l.trace = true
	case Free, Other, Late:
		c.promises[i] = clock.Never
		l.trace = !l.late.Before(sent) // an earlier request may write the value after this answer
	case Failed:
		l.late = max(l.late, late)
	}
	before := c.ValidUntil()
	after := ValidUntil(c.promises, c.engine.need)
	c.until.Store(int64(after))
	moved := c.moved
	c.mu.Unlock()
	if before != after && moved != nil {
		moved()
	}
}

// Extend asks every node to keep the key for the claim's lifetime from now, and heals those that lost
// it while a majority still has it. It returns nil once enough nodes have said yes. A [*MissError]
// says [Gone] if enough nodes answered otherwise; either way the claim stays valid until ValidUntil.
// Also the error of ctx, or [ErrClosed]; the asking then goes on in the background.
func (c *Claim) Extend(ctx context.Context) error {
	e := c.engine
	if err := e.begin(); err != nil {
		return err
	}
	defer e.calls.Done()
	r, a := c.extend(nil)
	if err := r.await(ctx); err != nil {
		return err
	}
	return c.extended(r, a)
}

// Renew does what Extend does, without waiting: it calls done with Extend's error, once, within about the
// node timeout. done may be called before Renew returns, and by a goroutine that answers wait for: it must
// not block.
func (c *Claim) Renew(done func(error)) {
	e := c.engine
	if err := e.begin(); err != nil {
		done(err)
		return
	}
	defer e.calls.Done()
	c.extend(done)
}

// extend starts an extension. It calls done, if that is not nil, with the outcome.
func (c *Claim) extend(done func(error)) (*round, *attempt) {
	e := c.engine
	r := newRound(e, e.clock.Now(), Majority(len(e.peers)))
	a := newAttempt(len(e.peers), e.need)
	c.collect(r, a, nil)
	if done != nil {
		r.decided = func() { done(c.extended(r, a)) }
	}
	c.fanOut(r, nil, c.extendOn(r))
	return r, a
}

// extended is the outcome of an extension that is decided.
func (c *Claim) extended(r *round, a *attempt) error {
	c.engine.observe(c.engine.clock.Now().Sub(r.started))
	if a.mine.Outcome() == Reached {
		return nil
	}
	miss := a.miss()
	if miss.Why != Silent {
		miss.Why, miss.Holder = Gone, ""
	}
	return miss
}

// mayExtendLate notes that an extension sent to node i may still be carried out. It would make a key live
// longer that a release keeps for a while. Nothing bounds that moment; the guess costs little.
func (c *Claim) mayExtendLate(i int, sent clock.Instant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lanes[i].lateExtend = sent.Add(2 * c.terms.Timeout)
}

// isEnded reports whether the claim is released.
func (c *Claim) isEnded() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over
}

// Release removes the value from every node that may have it, or leaves it there for keep from now if
// keep > 0. It returns nil once a majority of the nodes has removed it, so that the next claimant can
// win; a [*MissError] if too few answered. While ctx lives it bounds the waiting; a ctx that has ended
// before the call does not, so that a release in a deferred call works. The removing goes on in the
// background in any case. Calls after the first return nil and do nothing.
func (c *Claim) Release(ctx context.Context, keep time.Duration) error {
	e := c.engine
	if err := e.begin(); err != nil {
		return err
	}
	defer e.calls.Done()
	until := clock.Never
	if keep > 0 {
		until = e.clock.Now().Add(keep)
	}
	if !c.end(until) {
		return nil
	}
	if ctx.Err() != nil {
		ctx = context.WithoutCancel(ctx)
	}
	r := newRound(e, e.clock.Now(), Majority(len(e.peers)))
	t := newRemoval(len(e.peers))
	r.count = func(v vote) (bool, func()) {
		t.add(e.peers[v.node].node.Name(), v)
		return t.done(), nil
	}
	c.releaseAll(r, r.started)
	err := r.await(ctx)
	if err == nil && t.Outcome() != Reached {
		return &MissError{Why: Silent, RetryAfter: NoExpiry, Size: t.Size, Need: t.Need, Nodes: t.failed.list()}
	}
	return err
}

// undo releases a claim whose attempt has missed. It does not wait.
func (c *Claim) undo() {
	if c.end(clock.Never) {
		c.releaseAll(nil, c.engine.clock.Now())
	}
}

// end closes the claim to new writes, and reports whether it was open.
func (c *Claim) end(keep clock.Instant) bool {
	c.mu.Lock()
	if c.over {
		c.mu.Unlock()
		return false
	}
	c.keep, c.over = keep, true
	waiting := c.parked
	c.parked = nil
	for _, p := range waiting {
		p.off = true
	}
	c.mu.Unlock()
	for _, p := range waiting {
		p.on(false, true)
	}
	return true
}

// releaseAll sends a release after whatever each node is busy with. r may be nil: then nodes that have
// nothing of this claim, and nothing under way, are left alone.
func (c *Claim) releaseAll(r *round, now clock.Instant) {
	everybody := c.engine.tooFew(now)
	at, places := c.times(now), make([]place, len(c.lanes))
	job := func(i int) {
		c.lanes[i].release(r, at, everybody, places[i] == behind)
	}
	c.mu.Lock()
	for i := range c.lanes {
		if l := &c.lanes[i]; r != nil || l.busy || !l.clean(now) {
			places[i] = c.enqueue(i, job)
		}
	}
	c.mu.Unlock()
	c.start(places, job)
}

// left says whether node i certainly has nothing of this claim, and if not, until when it is to keep it, and
// until when an earlier request may still be carried out that the release must come after.
func (c *Claim) left(i int, now clock.Instant) (clean bool, keep, late clock.Instant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := &c.lanes[i]
	late = l.late
	if c.keep != clock.Never {
		late = max(late, l.lateExtend)
	}
	return l.clean(now), c.keep, late
}

// forget notes that node i has nothing of this claim that this claim would have to remove.
func (c *Claim) forget(i int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := &c.lanes[i]
	l.trace, l.late, l.lateExtend = false, clock.Never, clock.Never
}
