package quorum

import (
	"context"
	"errors"
	"fmt"
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

	until atomic.Int64 // ValidUntil, for readers without the lock

	mu       sync.Mutex
	lanes    []lane // by node
	promises []clock.Instant
	moved    func()
	ended    chan struct{} // closed by the release
	keep     clock.Instant // of the release
}

// A lane is the order of one claim's operations on one node.
type lane struct {
	busy  bool
	queue []func()
	trace bool // the value may be on the node
	// late is the instant until which an acquire or heal that was not answered may still be carried
	// out, and lateExtend the same for an extension.
	late, lateExtend clock.Instant
}

// clean reports whether the node certainly has nothing of the claim: it said so, or was never asked.
func (l *lane) clean(now clock.Instant) bool { return !l.trace && l.late.Before(now) }

func newClaim(e *Engine, key, value string, terms Terms) *Claim {
	c := &Claim{
		engine:   e,
		key:      key,
		value:    value,
		terms:    terms,
		lanes:    make([]lane, len(e.peers)),
		promises: make([]clock.Instant, len(e.peers)),
		ended:    make(chan struct{}),
		keep:     clock.Never,
	}
	for i := range c.lanes {
		c.lanes[i].late, c.lanes[i].lateExtend = clock.Never, clock.Never
		c.promises[i] = clock.Never
	}
	c.until.Store(int64(clock.Never))
	return c
}

var (
	// errAbandoned is the answer of a node that was not asked since nobody wants to know any more.
	errAbandoned = errors.New("not asked, since the claim had ended")
	// errTooLate is the answer of a node that healed when the claim could no longer count it.
	errTooLate = errors.New("healed after the claim had run out")
)

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
	r := newRound(e, Majority(len(e.peers)))
	c.fanOut(r, e.targets(), c.acquireOn(context.WithoutCancel(ctx), r))
	a := newAttempt(len(e.peers), e.need)
	if err := c.collect(ctx, r, a, func() { c.releaseAll(nil) }); err != nil {
		c.undo()
		return nil, err
	}
	if a.mine.Outcome() != Reached {
		c.undo()
		return nil, a.miss()
	}
	if err := c.enough(); err != nil {
		c.undo()
		return nil, err
	}
	return c, nil
}

// enough returns a [MissError] if too little of the claim is left to hand it out.
func (c *Claim) enough() error {
	left := c.ValidUntil().Sub(c.engine.clock.Now())
	if left > 0 && left >= c.terms.MinValidity {
		return nil
	}
	e := c.engine
	return &MissError{Why: Slow, Left: left, RetryAfter: NoExpiry, Size: len(e.peers), Need: e.need}
}

// Resume makes a claim of a value that is on the nodes already, by extending it. It fails with a
// [*MissError] if too few nodes hold it, or too late, and then leaves them as they are.
func (e *Engine) Resume(ctx context.Context, key, value string, terms Terms) (*Claim, error) {
	c := newClaim(e, key, value, terms)
	for i := range c.lanes {
		c.lanes[i].trace = true
	}
	if err := c.Extend(ctx); err != nil {
		return nil, err
	}
	if err := c.enough(); err != nil {
		return nil, err
	}
	return c, nil
}

// fanOut lets each node that is asked do job, in its lane, and votes for the others. It gives the job to
// all lanes at once, so that they all take the rounds in the same order: a node that waits for the others
// before it heals never waits for one that waits for a later round.
func (c *Claim) fanOut(r *round, ask []bool, job func(i int)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, p := range c.engine.peers {
		if ask[i] {
			c.enqueue(i, func() { job(i) })
		} else {
			r.hold(false)
			r.post(i, p.skipped())
		}
	}
}

// collect counts votes until the attempt is done. It calls missed, unless that is nil, once, as soon as the
// votes cannot be reached any more.
func (c *Claim) collect(ctx context.Context, r *round, a *attempt, missed func()) error {
	err := r.await(ctx, func(v vote) bool {
		a.add(v.node, c.engine.peers[v.node].node.Name(), v.answer)
		if a.mine.Outcome() == Missed && missed != nil {
			missed()
			missed = nil
		}
		return a.done()
	})
	if err == nil {
		c.engine.observe(c.engine.clock.Now().Sub(r.started))
	}
	return err
}

// enqueue runs job after the node's earlier ones. Only a public call, or a goroutine that Close
// joins, may call it. The caller holds mu.
func (c *Claim) enqueue(i int, job func()) {
	l := &c.lanes[i]
	if l.busy {
		l.queue = append(l.queue, job)
		return
	}
	l.busy = true
	c.engine.spawn(func() {
		for job := job; job != nil; job = c.next(i) {
			job()
		}
	})
}

func (c *Claim) next(i int) func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := &c.lanes[i]
	if len(l.queue) == 0 {
		l.busy, l.queue = false, nil
		return nil
	}
	job := l.queue[0]
	l.queue = l.queue[1:]
	return job
}

// acquireOn returns the job that asks node i for the key. A node that says the request came too late
// has told us its time, so it is asked once more. The value may stay the same: that answer proves
// that nothing was written, and no release of the value has been sent to the node yet.
func (c *Claim) acquireOn(ctx context.Context, r *round) func(i int) {
	return func(i int) {
		ans := c.write(ctx, i, Acquire, clock.Forever)
		if ans.Verdict == Late {
			ans = c.write(ctx, i, Acquire, clock.Forever)
		}
		r.post(i, ans)
	}
}

// write sends node i an acquire or a heal, which the node must refuse once it is past limit or the
// time of asking, and records the answer.
func (c *Claim) write(ctx context.Context, i int, kind Kind, limit clock.Instant) Answer {
	sent := c.engine.clock.Now()
	op := Op{
		Kind:     kind,
		Key:      c.key,
		Value:    c.value,
		TTL:      c.terms.Lifetime(),
		NotAfter: min(sent.Add(c.terms.Timeout), limit),
	}
	if !c.mark(i) {
		return Answer{Err: errAbandoned}
	}
	ans := c.engine.peers[i].ask(ctx, op, c.terms.Timeout)
	if errors.Is(ans.Err, ErrUnsent) {
		c.unmark(i, sent)
		return ans
	}
	if kind == Heal && ans.Verdict == Mine && !c.engine.clock.Now().Before(limit) {
		return Answer{Err: errTooLate}
	}
	c.record(i, ans, sent, op.NotAfter.Add(ans.Slack))
	return ans
}

// mark notes that the value is about to be sent to node i, unless the claim has ended: a value that
// is being released is never written again.
func (c *Claim) mark(i int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isEnded() {
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
	r := newRound(e, Majority(len(e.peers)))
	c.fanOut(r, e.targets(), c.extendOn(context.WithoutCancel(ctx), r))
	a := newAttempt(len(e.peers), e.need)
	if err := c.collect(ctx, r, a, nil); err != nil {
		return err
	}
	if a.mine.Outcome() == Reached {
		return nil
	}
	miss := a.miss()
	if miss.Why != Silent {
		miss.Why, miss.Holder = Gone, ""
	}
	return miss
}

func (c *Claim) extendOn(ctx context.Context, r *round) func(i int) {
	return func(i int) {
		ans := c.extendNow(ctx, i, r)
		r.hold(ans.Verdict == Mine)
		if ans.Verdict == Free {
			ans = c.heal(ctx, i, r)
		}
		r.post(i, ans)
	}
}

// extendNow asks node i to extend, unless it has been busy with this claim for so long that nobody
// waits for the answer any more.
func (c *Claim) extendNow(ctx context.Context, i int, r *round) Answer {
	e := c.engine
	sent := e.clock.Now()
	if sent.Sub(r.started) >= c.terms.Timeout {
		return Answer{Err: fmt.Errorf("busy with an earlier request for %v: %w", c.terms.Timeout, context.DeadlineExceeded)}
	}
	if c.isEnded() {
		return Answer{Err: errAbandoned}
	}
	op := Op{Kind: Extend, Key: c.key, Value: c.value, TTL: c.terms.Lifetime()}
	ans := e.peers[i].ask(ctx, op, c.terms.Timeout)
	c.record(i, ans, sent, clock.Never) // an extension writes nothing where nothing is
	if ans.Verdict == Failed {
		c.mayExtendLate(i, sent)
	}
	return ans
}

// mayExtendLate notes that an extension sent to node i may still be carried out. It would make a key live
// longer that a release keeps for a while. Nothing bounds that moment; the guess costs little.
func (c *Claim) mayExtendLate(i int, sent clock.Instant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lanes[i].lateExtend = sent.Add(2 * c.terms.Timeout)
}

func (c *Claim) isEnded() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// heal brings the key back on node i, which has lost it, once a majority has said in this very round
// that it holds the value: then nobody else can have come and gone. Without that, it would be a new
// claim under an old name.
func (c *Claim) heal(ctx context.Context, i int, r *round) Answer {
	select {
	case <-r.held:
	case <-r.lapsed:
		return Answer{Verdict: Free}
	case <-c.ended:
		return Answer{Err: errAbandoned}
	}
	limit := c.ValidUntil()
	if !c.engine.clock.Now().Before(limit) {
		return Answer{Verdict: Free} // as it was: there is nothing left to heal
	}
	ans := c.write(ctx, i, Heal, limit)
	if ans.Verdict == Mine && c.engine.observer.Healed != nil {
		c.engine.observer.Healed(c.key, c.engine.peers[i].node.Name())
	}
	return ans
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
	r := newRound(e, Majority(len(e.peers)))
	c.releaseAll(r)
	t := newRemoval(len(e.peers))
	err := r.await(ctx, func(v vote) bool {
		t.add(e.peers[v.node].node.Name(), v)
		return t.done()
	})
	if err == nil && t.Outcome() != Reached {
		return &MissError{Why: Silent, RetryAfter: NoExpiry, Size: t.Size, Need: t.Need, Nodes: t.failed.list()}
	}
	return err
}

// undo releases a claim whose attempt has missed. It does not wait.
func (c *Claim) undo() {
	if c.end(clock.Never) {
		c.releaseAll(nil)
	}
}

// end closes the claim to new writes, and reports whether it was open.
func (c *Claim) end(keep clock.Instant) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isEnded() {
		return false
	}
	c.keep = keep
	close(c.ended)
	return true
}

// releaseAll sends a release after whatever each node is busy with. r may be nil: then nodes that have
// nothing of this claim, and nothing under way, are left alone.
func (c *Claim) releaseAll(r *round) {
	now := c.engine.clock.Now()
	everybody := c.engine.tooFew()
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.lanes {
		if l := &c.lanes[i]; r == nil && !l.busy && l.clean(now) {
			continue
		}
		c.enqueue(i, func() {
			v := c.releaseOn(i, everybody)
			if r != nil {
				r.votes <- v
			}
		})
	}
}

// releaseOn removes the value from node i. What cannot be settled at once is left to the node's undo
// queue: a node that did not answer, and one that may still carry out an earlier request.
func (c *Claim) releaseOn(i int, anyway bool) vote {
	p := c.engine.peers[i]
	now := c.engine.clock.Now()
	clean, keep, late := c.left(i, now)
	if clean {
		return vote{node: i, answer: Answer{Verdict: Free}, clean: true}
	}
	u := undo{
		key:       c.key,
		value:     c.value,
		keepUntil: keep,
		timeout:   c.terms.Timeout,
		notBefore: now,
		giveUp:    max(now, late).Add(c.terms.Lifetime()),
	}
	ans := p.skipped()
	ask := anyway || p.allowRelease(now)
	if ask {
		ans = p.ask(context.Background(), u.op(now), c.terms.Timeout)
		now = c.engine.clock.Now()
	}
	switch {
	case !late.Before(now):
		u.notBefore = late.Add(1)
	case ans.Answered():
		c.forget(i)
		return vote{node: i, answer: ans}
	case ask:
		u.tried, u.pause, u.notBefore = true, undoPauseMin, now.Add(undoPauseMin)
	}
	c.forget(i) // from here on it is the queue's
	p.undoLater(u)
	return vote{node: i, answer: ans}
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
