package leader_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/quorum/memnode"
	"github.com/quorumlock/quorumlock/redlock"
	"github.com/quorumlock/quorumlock/redlock/leader"
)

func TestRequestResign(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		var h history
		a, b, c := f.process("a").elector(), f.process("b").elector(), f.process("c").elector()
		wantIs(t, "without a leader", c.RequestResign(t.Context()), leader.ErrNoLeader)
		run(t, a, h.work("a", nil))
		sleep(time.Second)
		run(t, b, h.work("b", nil))
		f.each(2, func(n *memnode.Node) { n.Kill(false) }) // a request needs a majority only
		for range 5 {
			sleep(10 * time.Second)
			before := h.latest(t)
			asked := time.Now()
			if err := c.RequestResign(t.Context()); err != nil {
				t.Fatalf("RequestResign: %v", err)
			}
			wantWithin(t, "request", time.Since(asked), 0, 3*leader.DefaultPoll)
			sleep(5 * time.Second)
			after := h.latest(t)
			if after.process == before.process {
				t.Errorf("%s leads again", after.process)
			}
			all := h.all()
			wantIs(t, "cause", all[len(all)-2].cause, leader.ErrResigned)
			if len(f.nodes[4].Keys()) != 1 {
				t.Errorf("the nodes keep %v, want the role alone", f.nodes[4].Keys())
			}
		}
		if n := len(h.all()); n != 6 {
			t.Errorf("%d terms, want one more than requests", n)
		}
		h.check(t)
	})
}

func TestRequestsOfOneself(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		var h history
		a := f.process("a").elector()
		run(t, a, h.work("a", nil))
		sleep(time.Second)
		if err := a.RequestResign(t.Context()); err != nil {
			t.Errorf("RequestResign: %v", err)
		}
		wantIs(t, "cause", h.latest(t).cause, leader.ErrResigned)
	})
}

// A request names the term that has to end. One that comes late ends no other.
func TestARequestEndsNoOtherTerm(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		var h history
		p := f.process("a")
		a := p.elector()
		run(t, a, h.work("a", nil))
		sleep(time.Second)
		old, err := a.Leader(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Resign(t.Context()); err != nil {
			t.Fatal(err)
		}
		sleep(5 * time.Second)
		mark, err := f.process("late").TryAcquire(t.Context(), role+":resign", redlock.WithHolder(old.ID))
		if err != nil {
			t.Fatal(err)
		}
		sleep(30 * time.Second)
		if now := h.latest(t); !now.end.IsZero() {
			t.Errorf("the term %+v has ended by a request for another one", now)
		}
		_ = mark.Release(t.Context())
	})
}

// A request that nobody hears is taken back.
func TestARequestIsTakenBack(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		if _, err := f.process("foreign").TryAcquire(t.Context(), role); err != nil { // no Elector
			t.Fatal(err)
		}
		e := f.process("a").elector()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		wantIs(t, "RequestResign", e.RequestResign(ctx), context.DeadlineExceeded)
		settled()
		for _, key := range f.nodes[0].Keys() {
			if key.Key != role {
				t.Errorf("%q is left", key.Key)
			}
		}
	})
}

func TestLeaderTellsWhoLeads(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		a, b := f.process("a").elector(), f.process("b").elector()
		_, err := b.Leader(t.Context())
		wantIs(t, "before", err, leader.ErrNoLeader)
		run(t, a, leader.Idle)
		sleep(time.Second)
		for e, self := range map[*leader.Elector]bool{a: true, b: false} {
			got, err := e.Leader(t.Context())
			if err != nil || got.Holder != "a" || got.Self != self || got.Role != role || got.ID == "" || (got.Token != 0) != self {
				t.Errorf("Leader: %+v, %v; want a, and Self to be %v", got, err, self)
			}
		}
		f.each(3, func(n *memnode.Node) { n.Kill(true) })
		_, err = b.Leader(t.Context())
		wantIs(t, "without a majority", err, redlock.ErrNoQuorum)
	})
}

func TestObserve(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		a, b := f.process("a").elector(), f.process("b").elector()
		ctx, cancel := context.WithCancel(t.Context())
		changes := b.Observe(ctx)
		expect := func(when, holder string, self bool, within time.Duration) {
			t.Helper()
			start := time.Now()
			for c := range changes {
				if c.Leader.Holder != holder {
					continue // what was between
				}
				if c.Leader.Self != self || (holder == "") != errors.Is(c.Err, leader.ErrNoLeader) {
					t.Errorf("%s: told of %+v", when, c)
				}
				wantWithin(t, when, time.Since(start), 0, within)
				return
			}
			t.Fatalf("%s: the channel was closed", when)
		}
		expect("before", "", false, 0)
		run(t, a, leader.Idle)
		settled()
		expect("a leads", "a", false, leader.DefaultPoll)
		run(t, b, leader.Idle)
		sleep(time.Second)
		if err := a.Resign(t.Context()); err != nil {
			t.Fatal(err)
		}
		expect("b leads", "b", true, handOver)
		f.each(5, func(n *memnode.Node) { n.Kill(true) })
		c := <-changes
		wantIs(t, "all nodes down", c.Err, redlock.ErrNoQuorum)
		cancel()
		for range changes {
		}
		closed := a.Observe(t.Context())
		<-closed
		_ = a.Close()
		for range closed {
		}
		if _, open := <-a.Observe(t.Context()); open {
			t.Error("a closed Elector tells of changes")
		}
	})
}

// A reader that is late gets what is so now.
func TestALateReaderOfObserve(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		a, b := f.process("a").elector(), f.process("b").elector()
		changes := b.Observe(t.Context())
		sleep(2 * time.Second)
		run(t, a, leader.Idle)
		sleep(10 * time.Second)
		if c := <-changes; c.Leader.Holder != "a" {
			t.Errorf("told of %+v, want who leads now", c)
		}
		select {
		case c := <-changes:
			t.Errorf("told of %+v, want nothing: nothing has changed", c)
		case <-time.After(time.Minute):
		}
	})
}

func TestHealthChecks(t *testing.T) {
	sick := errors.New("disk full")
	inBubble(t, func(t *testing.T, f *fleet) {
		var h history
		var ill atomic.Pointer[error]
		a := f.process("a").elector(leader.WithHealthCheck(func(context.Context) error {
			if err := ill.Load(); err != nil {
				return *err
			}
			return nil
		}, time.Second))
		b := f.process("b").elector()
		run(t, a, h.work("a", nil))
		sleep(10 * time.Second)
		run(t, b, h.work("b", nil))
		sleep(time.Second / 2)
		ill.Store(&sick)
		sleep(time.Second)
		all := h.all()
		if len(all) != 2 {
			t.Fatalf("terms %+v, want that of a and that of b", all)
		}
		wantIs(t, "cause", all[0].cause, leader.ErrUnhealthy)
		wantIs(t, "cause", all[0].cause, sick)
		sleep(5 * time.Second)
		wantIs(t, "Healthy", a.Healthy(0), sick)
		_ = b.Close()
		sleep(time.Minute)
		if len(h.all()) != 2 {
			t.Errorf("terms %+v: a leads though it is ill", h.all())
		}
		ill.Store(nil)
		sleep(3 * time.Second)
		if now := h.latest(t); now.process != "a" || !now.end.IsZero() {
			t.Errorf("the latest term is %+v, want one of a that goes on", now)
		}
		if err := a.Healthy(0); err != nil {
			t.Errorf("Healthy: %v", err)
		}
		h.check(t)
	})
}

// A check that hangs, whatever its context says, is no better than one that fails.
func TestAHealthCheckThatHangs(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		var h history
		asked, free := 0, make(chan struct{})
		a := f.process("a").elector(leader.WithHealthCheck(func(context.Context) error {
			if asked++; asked == 5 {
				<-free
			}
			return nil
		}, time.Second))
		run(t, a, h.work("a", nil))
		sleep(time.Second / 2)
		run(t, f.process("b").elector(), h.work("b", nil))
		sleep(10 * time.Second)
		all := h.all()
		if len(all) != 2 || all[1].process != "b" {
			t.Fatalf("terms %+v, want b to have taken over", all)
		}
		wantIs(t, "cause", all[0].cause, leader.ErrUnhealthy)
		wantWithin(t, "end", all[0].end.Sub(all[0].start), 4*time.Second, 4*time.Second)
		close(free)
	})
}

// A check that panics between the election and the work leaves the role to others.
func TestAHealthCheckThatPanics(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		asked := 0
		e := f.process("a").elector(leader.WithHealthCheck(func(context.Context) error {
			if asked++; asked == 2 {
				panic("fallen")
			}
			return nil
		}, time.Second))
		func() {
			defer func() { _ = recover() }()
			_ = e.Run(t.Context(), leader.Idle)
			t.Error("the panic was swallowed")
		}()
		settled()
		if keys := f.nodes[0].Keys(); len(keys) != 0 {
			t.Errorf("the nodes keep %v", keys)
		}
	})
}

// What the caller says of the lease holds, but the context of a term is always Run's child.
func TestOptionsOfTheLease(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		e := f.process("a").elector(leader.WithLease(redlock.WithHolder("x"), redlock.WithParent(ended)),
			leader.WithLease(redlock.WithMaxHold(10*time.Second)))
		var h history
		run(t, e, h.work("a", nil))
		sleep(5 * time.Second)
		if got, err := e.Leader(t.Context()); err != nil || got.Holder != "x" || !got.Self {
			t.Errorf("Leader: %+v, %v; want x", got, err)
		}
		sleep(10 * time.Second)
		all := h.all()
		if len(all) != 2 {
			t.Fatalf("%d terms, want the second one after MaxHold", len(all))
		}
		wantIs(t, "cause", all[0].cause, redlock.ErrLost)
		wantWithin(t, "term", all[0].end.Sub(all[0].start), 10*time.Second, 10*time.Second)
	})
}

func TestHealthy(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		e := f.process("a").elector()
		wantIs(t, "before Run", e.Healthy(0), leader.ErrNotRunning)
		run(t, e, func(ctx context.Context, _ leader.Term) error {
			<-ctx.Done()
			sleepPlain(time.Minute)
			return nil
		})
		sleep(time.Second)
		if err := e.Healthy(0); err != nil {
			t.Errorf("while leading: %v", err)
		}
		go func() { _ = e.Resign(t.Context()) }()
		sleep(30 * time.Second)
		if err := e.Healthy(31 * time.Second); err != nil {
			t.Errorf("work that is late, but not yet too late: %v", err)
		}
		wantIs(t, "work that is too late", e.Healthy(29*time.Second), leader.ErrResigned)
		sleep(40 * time.Second)
		if err := e.Healthy(0); err != nil {
			t.Errorf("after the work has returned: %v", err)
		}

		refused := f.process("b")
		f.each(5, func(n *memnode.Node) {
			n.Refuse(&redlock.NodeError{Node: n.Name(), Code: "NOAUTH", Permanent: true, Err: errors.New("no password")})
		})
		b := refused.elector()
		run(t, b, leader.Idle)
		sleep(time.Second)
		wantIs(t, "nodes that refuse for good", b.Healthy(0), redlock.ErrNoQuorum)
		f.each(5, func(n *memnode.Node) { n.Refuse(nil) })
	})
}
