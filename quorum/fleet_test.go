package quorum_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/memnode"
)

const (
	ms  = time.Millisecond
	sec = time.Second
	key = "invoice:42"
)

// terms are what claims ask for in these tests, if nothing else is said. A round with no delay at all
// is then worth validity.
var terms = quorum.Terms{TTL: 10 * sec, MinValidity: 5 * sec, Timeout: 500 * ms}

const validity = 10*sec - clock.Granularity

// inBubble runs test in virtual time. The bubble fails it if a goroutine stays behind.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

// A fleet is an engine over nodes in memory, each behind a tap.
type fleet struct {
	*quorum.Engine
	t     *testing.T
	clock clock.Clock
	nodes []*memnode.Node
	taps  []*tap
	worst []*procrastinator
}

// newFleet makes a fleet of n nodes, called mem-1 and so on, which is closed when the bubble ends.
func newFleet(t *testing.T, n int, configure ...func(*quorum.Config)) *fleet {
	t.Helper()
	f := &fleet{t: t, clock: clock.Process()}
	nodes := make([]quorum.Node, n)
	for i := range nodes {
		f.nodes = append(f.nodes, memnode.New(fmt.Sprintf("mem-%d", i+1), f.clock))
		f.taps = append(f.taps, &tap{Node: f.nodes[i], clock: f.clock})
		nodes[i] = f.taps[i]
	}
	f.Engine = newEngine(t, nodes, f.clock, configure...)
	return f
}

func newEngine(t *testing.T, nodes []quorum.Node, clk clock.Clock, configure ...func(*quorum.Config)) *quorum.Engine {
	t.Helper()
	cfg := quorum.Config{Clock: clk}
	for _, c := range configure {
		c(&cfg)
	}
	e, err := quorum.NewEngine(nodes, cfg)
	if err != nil {
		t.Fatalf("NewEngine: %v", err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return e
}

func withVotes(n int) func(*quorum.Config) { return func(c *quorum.Config) { c.Votes = n } }

func withObserver(o quorum.Observer) func(*quorum.Config) {
	return func(c *quorum.Config) { c.Observer = o }
}

// acquire makes a claim that must be won, and waits until all nodes have been asked.
func (f *fleet) acquire(value string) *quorum.Claim {
	f.t.Helper()
	claim, err := f.Acquire(f.t.Context(), key, value, terms)
	if err != nil {
		f.t.Fatalf("Acquire of %s: %v", value, err)
	}
	synctest.Wait()
	return claim
}

// missed makes an attempt that must miss.
func (f *fleet) missed(value string, terms quorum.Terms) *quorum.MissError {
	f.t.Helper()
	claim, err := f.Acquire(f.t.Context(), key, value, terms)
	return wantMiss(f.t, claim, err)
}

func wantMiss(t *testing.T, claim *quorum.Claim, err error) *quorum.MissError {
	t.Helper()
	var miss *quorum.MissError
	if !errors.As(err, &miss) || claim != nil {
		t.Fatalf("claim %v, error %v, want no claim and a MissError", claim, err)
	}
	return miss
}

// release ends a claim, which must work.
func (f *fleet) release(claim *quorum.Claim) {
	f.t.Helper()
	if err := claim.Release(f.t.Context(), 0); err != nil {
		f.t.Fatalf("Release of %s: %v", claim.Value(), err)
	}
}

// newProcrastinators makes a fleet of n of the worst nodes.
func newProcrastinators(t *testing.T, n int, slack time.Duration) *fleet {
	t.Helper()
	f := &fleet{t: t, clock: clock.Process()}
	turn := make(chan struct{}, 1)
	turn <- struct{}{}
	nodes := make([]quorum.Node, n)
	for i := range nodes {
		f.nodes = append(f.nodes, memnode.New(fmt.Sprintf("mem-%d", i+1), f.clock))
		f.worst = append(f.worst, &procrastinator{Node: f.nodes[i], clock: f.clock, slack: slack, turn: turn})
		nodes[i] = f.worst[i]
	}
	f.Engine = newEngine(t, nodes, f.clock)
	return f
}

// kept lists the values under key, node by node: "-" where there is none.
func (f *fleet) kept() string {
	values := make([]string, len(f.nodes))
	for i, node := range f.nodes {
		values[i] = "-"
		for _, h := range node.Keys() {
			if h.Key == key {
				values[i] = h.Value
			}
		}
	}
	return strings.Join(values, " ")
}

func (f *fleet) wantKept(want, when string) {
	f.t.Helper()
	synctest.Wait() // for what happens at this very moment
	if got := f.kept(); got != want {
		f.t.Errorf("%s, the nodes keep %q, want %q", when, got, want)
	}
}

// lives returns how long node i (from 1) keeps the key.
func (f *fleet) lives(i int) time.Duration {
	for _, h := range f.nodes[i-1].Keys() {
		if h.Key == key {
			return h.Remaining
		}
	}
	return 0
}

// now is the time since the fleet was made.
func (f *fleet) now() time.Duration { return time.Duration(f.clock.Now()) }

// until waits until the time since the fleet was made.
func (f *fleet) until(at time.Duration) {
	f.t.Helper()
	if at < f.now() {
		f.t.Fatalf("the time is %v, past %v", f.now(), at)
	}
	time.Sleep(at - f.now())
	synctest.Wait()
}

// each calls do with some nodes, counted from 1.
func (f *fleet) each(do func(n *memnode.Node), which ...int) {
	for _, i := range which {
		do(f.nodes[i-1])
	}
}

func validUntil(c *quorum.Claim) time.Duration { return time.Duration(c.ValidUntil()) }

func wantValidUntil(t *testing.T, c *quorum.Claim, want time.Duration, when string) {
	t.Helper()
	if got := validUntil(c); got != want {
		t.Errorf("%s, the claim is valid until %v, want %v", when, got, want)
	}
}

// A tap stands in front of a node, writes down what it is asked, and may change it.
type tap struct {
	quorum.Node
	clock clock.Clock

	mu     sync.Mutex
	asks   []*asked
	closes int
	ahead  func(ctx context.Context, op quorum.Op)                    // runs before the node is asked
	behind func(ctx context.Context, op quorum.Op)                    // runs before the answer is given
	answer func(ctx context.Context, ops []quorum.Op) []quorum.Answer // answers instead of the node
	named  func()                                                     // runs when the node is asked for its name
}

// An asked is one operation that a node was asked for.
type asked struct {
	op        quorum.Op
	from, to  clock.Instant // to is Forever while there is no answer
	got       quorum.Answer
	remaining time.Duration // of the context
}

func (p *tap) Ask(ctx context.Context, ops []quorum.Op) []quorum.Answer {
	p.mu.Lock()
	ahead, behind, answer := p.ahead, p.behind, p.answer
	records := make([]*asked, len(ops))
	deadline, _ := ctx.Deadline()
	for i, op := range ops {
		records[i] = &asked{op: op, from: p.clock.Now(), to: clock.Forever, remaining: time.Until(deadline)}
	}
	p.asks = append(p.asks, records...)
	p.mu.Unlock()

	if answer == nil {
		answer = p.Node.Ask
	}
	if ahead != nil {
		ahead(ctx, ops[0])
	}
	answers := answer(ctx, ops)
	if behind != nil {
		behind(ctx, ops[0])
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	for i, r := range records {
		r.to = p.clock.Now()
		if i < len(answers) {
			r.got = answers[i]
		}
	}
	return answers
}

func (p *tap) Name() string {
	p.mu.Lock()
	named := p.named
	p.mu.Unlock()
	if named != nil {
		named()
	}
	return p.Node.Name()
}

func (p *tap) Close() error {
	p.mu.Lock()
	p.closes++
	p.mu.Unlock()
	return p.Node.Close()
}

// asked returns a copy of what the node was asked, of the given kinds or of all of them.
func (p *tap) asked(kinds ...quorum.Kind) []asked {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []asked
	for _, r := range p.asks {
		if len(kinds) == 0 || slices.Contains(kinds, r.op.Kind) {
			list = append(list, *r)
		}
	}
	return list
}

// kinds lists what the node was asked for, in order: "acquire release".
func (p *tap) kinds() string {
	var text []string
	for _, r := range p.asked() {
		text = append(text, r.op.Kind.String())
	}
	return strings.Join(text, " ")
}

func (p *tap) set(change func(p *tap)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
}

// delayOnly makes operations of one kind take longer by d, on the way there.
func (p *tap) delayOnly(kind quorum.Kind, d time.Duration) {
	p.set(func(p *tap) { p.ahead = pauseAt(kind, d) })
}

// delayAnswersOnly makes operations of one kind take longer by d, on the way back.
func (p *tap) delayAnswersOnly(kind quorum.Kind, d time.Duration) {
	p.set(func(p *tap) { p.behind = pauseAt(kind, d) })
}

func pauseAt(kind quorum.Kind, d time.Duration) func(context.Context, quorum.Op) {
	return func(ctx context.Context, op quorum.Op) {
		if op.Kind == kind {
			select {
			case <-time.After(d):
			case <-ctx.Done():
			}
		}
	}
}

// wantSerial fails the test if two operations of one claim on one node were ever under way at once, or
// one was sent past its context's bound.
func (f *fleet) wantSerial() {
	f.t.Helper()
	synctest.Wait()
	for i, p := range f.taps {
		last := make(map[string]asked)
		for _, a := range p.asked() {
			before, found := last[a.op.Value]
			if found && a.op.Value != "" && a.from < before.to && before.from != a.from {
				f.t.Errorf("node %d was asked to %v %s at %v, while its %v, asked at %v, was under way until %v",
					i+1, a.op.Kind, a.op.Value, time.Duration(a.from), before.op.Kind, time.Duration(before.from), time.Duration(before.to))
			}
			last[a.op.Value] = a
		}
	}
}

// A procrastinator is the worst node that keeps its contract: it does not answer an acquire or a heal,
// and carries it out at the last instant at which it may, after everything else that happens then.
type procrastinator struct {
	*memnode.Node
	clock   clock.Clock
	slack   time.Duration
	turn    chan struct{} // of all of them: holds a token, as one goroutine waits for the others at a time
	done    sync.WaitGroup
	written atomic.Int64
}

func (p *procrastinator) Ask(ctx context.Context, ops []quorum.Op) []quorum.Answer {
	op := ops[0]
	if op.Kind != quorum.Acquire && op.Kind != quorum.Heal {
		return p.Node.Ask(ctx, ops)
	}
	p.done.Go(func() {
		time.Sleep(op.NotAfter.Add(p.slack).Sub(p.clock.Now()))
		<-p.turn
		defer func() { p.turn <- struct{}{} }()
		synctest.Wait()
		if len(p.Node.Keys()) == 0 {
			p.Node.Put(op.Key, op.Value, op.TTL)
			p.written.Add(1)
		}
	})
	<-ctx.Done()
	return []quorum.Answer{{Slack: p.slack, Err: ctx.Err()}}
}

func (p *procrastinator) Close() error {
	p.done.Wait()
	return p.Node.Close()
}
