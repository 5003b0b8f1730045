package leader_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/memnode"
	"github.com/quorumlock/quorumlock/redlock"
	"github.com/quorumlock/quorumlock/redlock/leader"
)

const (
	role = "planner"
	ttl  = 3 * time.Second

	// handOver is the longest that nobody leads after a leader has given up.
	handOver = 150 * time.Millisecond
)

// proving reports whether the proofs run in full.
func proving() bool { return os.Getenv("REDLOCK_PROVE") != "" }

// scaled is a number of rounds: few, or all of them when proving.
func scaled(few, all int) int {
	if proving() {
		return all
	}
	return few
}

// A fleet is nodes in memory on one virtual clock, for tests in a bubble.
type fleet struct {
	t     *testing.T
	clock clock.Clock
	nodes []*memnode.Node
}

// inBubble runs a test on a fleet of five in virtual time.
func inBubble(t *testing.T, test func(t *testing.T, f *fleet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{t: t, clock: clock.Process()}
		for i := range 5 {
			f.nodes = append(f.nodes, memnode.New(fmt.Sprintf("mem-%d", i+1), f.clock))
		}
		test(t, f)
	})
}

// each does something to the first n nodes.
func (f *fleet) each(n int, do func(*memnode.Node)) {
	for _, node := range f.nodes[:n] {
		do(node)
	}
}

// A process is one client of the fleet, which can be cut off from all of it.
type process struct {
	*redlock.Locker
	f    *fleet
	name string
	cut  *atomic.Bool
}

// A way is one process's connection to a shared node: closing it leaves the node running.
type way struct {
	*memnode.Node
	cut *atomic.Bool
}

func (way) Close() error { return nil }

// Ask loses what a process that is cut off asks.
func (w way) Ask(ctx context.Context, batch []quorum.Op) []quorum.Answer {
	if !w.cut.Load() {
		return w.Node.Ask(ctx, batch)
	}
	<-ctx.Done()
	answers := make([]quorum.Answer, len(batch))
	for i := range answers {
		answers[i].Err = ctx.Err()
	}
	return answers
}

// process returns a client, closed at the end of the test.
func (f *fleet) process(name string, opts ...redlock.Option) process {
	f.t.Helper()
	p := process{f: f, name: name, cut: new(atomic.Bool)}
	nodes := make([]quorum.Node, len(f.nodes))
	for i, node := range f.nodes {
		nodes[i] = way{node, p.cut}
	}
	opts = append([]redlock.Option{redlock.WithClock(f.clock), redlock.WithTTL(ttl), redlock.WithHolder(name)}, opts...)
	var err error
	if p.Locker, err = redlock.NewWithNodes(nodes, opts...); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = p.Locker.Close() })
	return p
}

// elector returns a candidate for the role that does not run yet, closed at the end of the test.
func (p process) elector(opts ...leader.Option) *leader.Elector {
	p.f.t.Helper()
	e, err := leader.New(p.Locker, role, opts...)
	if err != nil {
		p.f.t.Fatal(err)
	}
	p.f.t.Cleanup(func() { _ = e.Close() })
	return e
}

// run lets an Elector run until the end of the test, at which it must have stopped for no other reason.
func run(t *testing.T, e *leader.Elector, lead func(context.Context, leader.Term) error) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- e.Run(t.Context(), lead) }()
	t.Cleanup(func() {
		_ = e.Close()
		if err := <-done; !errors.Is(err, leader.ErrClosed) && !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v, want the end of the test as its only reason", err)
		}
	})
}

// A reign is a term as the history tells of it.
type reign struct {
	process    string
	token      uint64
	start, end time.Time // of the context
	returned   time.Time // of the work
	cause      error
}

// A history is what leaders have noted of their terms.
type history struct {
	mu     sync.Mutex
	reigns []*reign
}

// work notes each term of a process, and then does what lead does, or waits for the end of the term.
func (h *history) work(process string, lead func(context.Context, leader.Term) error) func(context.Context, leader.Term) error {
	if lead == nil {
		lead = leader.Idle
	}
	return func(ctx context.Context, term leader.Term) error {
		r := &reign{process: process, token: term.Token, start: time.Now()}
		h.note(func() { h.reigns = append(h.reigns, r) })
		over := make(chan struct{})
		end := func() { h.note(func() { r.end, r.cause = time.Now(), context.Cause(ctx) }) }
		stop := context.AfterFunc(ctx, func() {
			end()
			close(over)
		})
		err := lead(ctx, term)
		if !stop() {
			<-over
		} else if ctx.Err() != nil {
			end() // the work was faster
		}
		h.note(func() {
			if r.returned = time.Now(); r.end.IsZero() {
				r.end = r.returned
			}
		})
		return err
	}
}

func (h *history) note(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
}

// all returns the terms so far, in the order of their beginnings.
func (h *history) all() []reign {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := make([]reign, len(h.reigns))
	for i, r := range h.reigns {
		list[i] = *r
	}
	return list
}

// latest is the term that began last.
func (h *history) latest(t *testing.T) reign {
	t.Helper()
	all := h.all()
	if len(all) == 0 {
		t.Fatal("nobody has led yet")
	}
	return all[len(all)-1]
}

// overlaps returns how often a leader began while the context of another one lived, and how often a token was
// not greater than the one before.
func overlaps(reigns []reign) (overlaps, tokens int) {
	for i, r := range reigns {
		for _, earlier := range reigns[:i] {
			if earlier.end.IsZero() || r.start.Before(earlier.end) {
				overlaps++
			}
		}
		if i > 0 && r.token <= reigns[i-1].token {
			tokens++
		}
	}
	return overlaps, tokens
}

// check judges a history: never two leaders, and tokens that rise.
func (h *history) check(t *testing.T) {
	t.Helper()
	all := h.all()
	if two, tokens := overlaps(all); two != 0 || tokens != 0 {
		t.Errorf("of %d terms, %d began while another leader led, and %d have no greater token than the one before",
			len(all), two, tokens)
		for _, r := range all[:min(len(all), 10)] {
			t.Logf("%s: token %d, from %v to %v, %v", r.process, r.token, r.start, r.end, r.cause)
		}
	}
}

// settled lets everything come to rest at this instant.
func settled() { synctest.Wait() }

// sleep passes virtual time.
func sleep(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func wantIs(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want one that is %v", what, err, want)
	}
}

// wantWithin checks a duration.
func wantWithin(t *testing.T, what string, got, least, most time.Duration) {
	t.Helper()
	if got < least || got > most {
		t.Errorf("%s: %v, want from %v to %v", what, got, least, most)
	}
}
