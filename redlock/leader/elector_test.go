package leader_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/quorum/memnode"
	"github.com/quorumlock/quorumlock/redlock"
	"github.com/quorumlock/quorumlock/redlock/leader"
)

// A scheduler asks an elector like this one, which is that of gocron.
var _ interface{ IsLeader(context.Context) error } = (*leader.Elector)(nil)

func TestRunLeadsAgainAfterEveryTerm(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		var h history
		e := f.process("a").elector()
		run(t, e, h.work("a", func(context.Context, leader.Term) error { return nil }))
		sleep(10 * time.Second)
		all := h.all()
		if len(all) < 10 {
			t.Fatalf("%d terms in 10 s, want one a second at least", len(all))
		}
		for i, r := range all[1:] {
			wantWithin(t, "pause", r.start.Sub(all[i].returned), leader.DefaultBackoff/2, leader.DefaultBackoff)
		}
		h.check(t)
	})
}

func TestFailingWorkIsTriedLessAndLessOften(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		var h history
		var told []leader.Ended
		broken := errors.New("broken")
		e := f.process("a").elector(leader.WithBackoff(time.Second, 4*time.Second),
			leader.WithEnded(func(end leader.Ended) { told = append(told, end) }))
		run(t, e, h.work("a", func(context.Context, leader.Term) error { return broken }))
		sleep(time.Minute)
		all := h.all()
		for i, most := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 4 * time.Second} {
			wantWithin(t, "pause", all[i+1].start.Sub(all[i].returned), most/2, most)
		}
		for _, end := range told {
			if end.Err != broken || end.Cause != nil || end.Release != nil { //nolint:errorlint // the very same
				t.Errorf("told of %+v, want the error of the work and nothing else", end)
			}
		}
		if len(told) != len(all) {
			t.Errorf("told of %d terms, want %d", len(told), len(all))
		}
	})
}

func TestResignIsTakenOverAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		var h history
		f.each(5, func(n *memnode.Node) { n.Delay(time.Millisecond, time.Millisecond) })
		a, b := f.process("a").elector(), f.process("b").elector()
		run(t, a, h.work("a", nil))
		sleep(time.Second)
		run(t, b, h.work("b", nil))
		for range 10 {
			sleep(20 * time.Second)
			from, to := a, b
			if h.latest(t).process == "b" {
				from, to = b, a
			}
			resigned := time.Now()
			if err := from.Resign(t.Context()); err != nil {
				t.Fatalf("Resign: %v", err)
			}
			wantIs(t, "IsLeader after Resign", from.IsLeader(t.Context()), leader.ErrNotLeader)
			sleep(200 * time.Millisecond)
			if err := to.IsLeader(t.Context()); err != nil {
				t.Fatalf("the other one: %v", err)
			}
			wantWithin(t, "hand-over", h.latest(t).start.Sub(resigned), 0, handOver)
			all := h.all()
			wantIs(t, "cause", all[len(all)-2].cause, leader.ErrResigned)
		}
		h.check(t)
	})
}

// Who gives up goes on holding the role until its work has returned, however long that takes.
func TestTheRoleIsKeptUntilTheWorkHasReturned(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		var h history
		a, b := f.process("a").elector(), f.process("b").elector()
		run(t, a, h.work("a", func(ctx context.Context, term leader.Term) error {
			<-ctx.Done()
			if !errors.Is(context.Cause(ctx), leader.ErrResigned) {
				return nil // the test is over
			}
			wantIs(t, "IsLeader while giving up", a.IsLeader(context.Background()), leader.ErrNotLeader)
			<-time.After(5 * ttl)
			if !term.Valid() || term.Remaining() <= 0 {
				t.Error("the lease was not renewed while the work was being waited for")
			}
			return nil
		}))
		sleep(time.Second)
		run(t, b, h.work("b", nil))
		sleep(time.Second)
		if err := a.Resign(t.Context()); err != nil {
			t.Errorf("Resign: %v", err)
		}
		sleep(time.Second)
		all := h.all()
		if len(all) != 2 {
			t.Fatalf("%d terms, want 2", len(all))
		}
		wantWithin(t, "work after its context", all[0].returned.Sub(all[0].end), 5*ttl, 5*ttl)
		wantWithin(t, "hand-over after the work", all[1].start.Sub(all[0].returned), 0, handOver)
	})
}

func TestALostLeaseEndsTheWorkBeforeOthersLead(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		var h history
		pa, pb := f.process("a"), f.process("b")
		a, b := pa.elector(), pb.elector()
		run(t, a, h.work("a", func(ctx context.Context, term leader.Term) error {
			<-ctx.Done()
			if errors.Is(context.Cause(ctx), redlock.ErrLost) && term.Valid() {
				t.Error("the term is valid after its lease was lost")
			}
			<-time.After(10 * ttl) // work that does not stop
			return nil
		}))
		sleep(time.Second)
		run(t, b, h.work("b", nil))
		sleep(time.Second)
		pa.cut.Store(true)
		cut := time.Now()
		sleep(2 * ttl)
		all := h.all()
		if len(all) != 2 || all[1].process != "b" {
			t.Fatalf("terms %+v, want one of a and one of b", all)
		}
		wantIs(t, "cause", all[0].cause, redlock.ErrLost)
		wantWithin(t, "end after the cut", all[0].end.Sub(cut), 0, ttl)
		wantWithin(t, "take-over after the cut", all[1].start.Sub(cut), 0, ttl+200*time.Millisecond)
		wantIs(t, "IsLeader", a.IsLeader(t.Context()), leader.ErrNotLeader)

		// It can be reached again, and the next leader leaves. The old work still runs, so it may not lead.
		pa.cut.Store(false)
		_ = b.Close()
		sleep(5 * ttl)
		if len(h.all()) != 2 {
			t.Errorf("a new term has begun beside the old work: %+v", h.all())
		}
		sleep(5 * ttl)
		all = h.all()
		if len(all) != 3 || all[2].process != "a" || all[2].start.Before(all[0].returned) {
			t.Errorf("terms %+v, want a third one, of a, after its old work", all)
		}
		h.check(t)
	})
}

// Between winning and working a lease may be lost.
func TestWorkDoesNotBeginOnALostLease(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		var h history
		p := f.process("a")
		asked := 0
		e := p.elector(leader.WithHealthCheck(func(context.Context) error {
			if asked++; asked == 2 { // the second one is between the two
				p.cut.Store(true)
				<-time.After(2 * ttl)
				p.cut.Store(false)
			}
			return nil
		}, time.Minute))
		run(t, e, h.work("a", func(ctx context.Context, term leader.Term) error {
			if ctx.Err() != nil || !term.Valid() {
				t.Errorf("work began on a lease that has ended: %v", context.Cause(ctx))
			}
			<-ctx.Done()
			return nil
		}))
		sleep(10 * ttl)
		if asked < 4 || len(h.all()) != 1 {
			t.Errorf("%d terms after %d checks, want one, by the second lease", len(h.all()), asked)
		}
	})
}

func TestADeadLeaderIsSucceeded(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		for range 20 {
			var h history
			dead, heir := f.process("dead"), f.process("heir")
			d, e := dead.elector(), heir.elector()
			run(t, d, h.work("dead", nil))
			sleep(time.Second)
			run(t, e, h.work("heir", nil))
			sleep(5*time.Second + time.Duration(len(h.all()))*77*time.Millisecond)
			dead.cut.Store(true) // nobody hears of it any more
			died := time.Now()
			sleep(2 * ttl)
			wantWithin(t, "take-over", h.latest(t).start.Sub(died), 0, ttl+200*time.Millisecond)
			h.check(t)
			_ = d.Close()
			_ = e.Close()
		}
	})
}

func TestAMinorityOfNodesChangesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		var h history
		run(t, f.process("a").elector(), h.work("a", nil))
		run(t, f.process("b").elector(), h.work("b", nil))
		for range 20 {
			f.each(2, func(n *memnode.Node) { n.Kill(true) })
			sleep(3 * ttl)
			f.each(2, func(n *memnode.Node) { n.Restart() })
			sleep(time.Second)
		}
		if all := h.all(); len(all) != 1 || !all[0].end.IsZero() {
			t.Errorf("terms %+v, want one that goes on", all)
		}
	})
}

func TestWithoutAMajorityNobodyLeads(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		var h history
		run(t, f.process("a").elector(), h.work("a", nil))
		run(t, f.process("b").elector(), h.work("b", nil))
		sleep(10 * time.Second)
		f.each(3, func(n *memnode.Node) { n.Kill(true) })
		down := time.Now()
		sleep(20 * ttl)
		all := h.all()
		if len(all) != 1 || all[0].end.IsZero() {
			t.Fatalf("terms %+v, want one that has ended", all)
		}
		wantWithin(t, "end of the leader", all[0].end.Sub(down), 0, ttl)
		f.each(3, func(n *memnode.Node) { n.Restart() })
		sleep(5 * time.Second)
		if len(h.all()) != 2 {
			t.Errorf("terms %+v, want a second one when the nodes are back", h.all())
		}
		h.check(t)
	})
}

// Tokens rise over thousands of terms, while nodes of a minority forget all that they know.
func TestProveTokensRise(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		var h history
		for _, name := range []string{"a", "b", "c"} {
			run(t, f.process(name).elector(leader.WithBackoff(10*time.Millisecond, time.Second)),
				h.work(name, func(context.Context, leader.Term) error { return nil }))
		}
		for i := range scaled(100, 1000) {
			sleep(50 * time.Millisecond)
			f.nodes[i%2].Wipe()
		}
		if all := h.all(); len(all) < scaled(1000, 10_000) || all[0].token == 0 {
			t.Fatalf("%d terms, the first with token %d: want thousands with tokens", len(all), h.all()[0].token)
		}
		t.Logf("%d terms", len(h.all()))
		h.check(t)
	})
}

func TestPanicsGiveTheRoleUpAndGoOn(t *testing.T) {
	for name, fall := range map[string]func(){
		"a panic":              func() { panic("fallen") },
		"an exiting goroutine": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fleet) {
				var h history
				var told []leader.Ended
				a := f.process("a").elector(leader.WithEnded(func(end leader.Ended) { told = append(told, end) }))
				b := f.process("b").elector()
				done := make(chan any, 1)
				go func() {
					defer func() { done <- recover() }()
					_ = a.Run(t.Context(), func(context.Context, leader.Term) error { sleepPlain(time.Second); fall(); return nil })
				}()
				sleep(100 * time.Millisecond)
				run(t, b, h.work("b", nil))
				wantPanic := any(nil)
				if strings.Contains(name, "panic") {
					wantPanic = "fallen"
				}
				if got := <-done; got != wantPanic {
					t.Errorf("Run panicked with %v, want %v", got, wantPanic)
				}
				fell := time.Now()
				sleep(time.Second)
				wantWithin(t, "take-over", h.latest(t).start.Sub(fell), -handOver, handOver)
				if len(told) != 1 || !errors.Is(told[0].Err, leader.ErrPanicked) {
					t.Errorf("told of %+v, want one term that panicked", told)
				}
				wantIs(t, "Healthy", a.Healthy(0), leader.ErrNotRunning)
				run(t, a, leader.Idle) // it can run again
			})
		})
	}
}

func sleepPlain(d time.Duration) { <-time.After(d) }

func TestSeveralRolesInOneProcess(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		p := f.process("a")
		var electors []*leader.Elector
		for _, name := range []string{"planner", "cleaner", "mailer"} {
			e, err := leader.New(p.Locker, name)
			if err != nil {
				t.Fatal(err)
			}
			electors = append(electors, e)
			run(t, e, leader.Idle)
		}
		sleep(time.Minute)
		if err := electors[1].Resign(t.Context()); err != nil {
			t.Errorf("Resign: %v", err)
		}
		for i, e := range electors {
			if err := e.IsLeader(t.Context()); (err == nil) != (i != 1) {
				t.Errorf("%s: IsLeader is %v", e.Role(), err)
			}
		}
	})
}

func TestRunEndsForFewReasons(t *testing.T) {
	stopped := errors.New("stopped")
	tests := map[string]struct {
		end  func(process, *leader.Elector, context.CancelCauseFunc)
		want error
	}{
		"its context ends":     {func(_ process, _ *leader.Elector, c context.CancelCauseFunc) { c(nil) }, context.Canceled},
		"with a cause":         {func(_ process, _ *leader.Elector, c context.CancelCauseFunc) { c(stopped) }, stopped},
		"the Elector is close": {func(_ process, e *leader.Elector, _ context.CancelCauseFunc) { _ = e.Close() }, leader.ErrClosed},
		"the Locker is closed": {func(p process, _ *leader.Elector, _ context.CancelCauseFunc) { _ = p.Locker.Close() }, redlock.ErrClosed},
	}
	for name, tc := range tests {
		for _, state := range []string{"leading", "waiting", "pausing"} {
			t.Run(name+", "+state, func(t *testing.T) {
				inBubble(t, func(t *testing.T, f *fleet) {
					p := f.process("a")
					if state == "waiting" {
						run(t, f.process("b").elector(), leader.Idle)
						sleep(time.Second)
					}
					work := leader.Idle
					if state == "pausing" {
						work = func(context.Context, leader.Term) error { return errors.New("broken") }
					}
					e := p.elector(leader.WithBackoff(time.Hour, time.Hour))
					ctx, cancel := context.WithCancelCause(t.Context())
					defer cancel(nil)
					done := make(chan error, 1)
					go func() { done <- e.Run(ctx, work) }()
					sleep(time.Second)
					wantIs(t, "a second Run", e.Run(ctx, leader.Idle), leader.ErrRunning)
					tc.end(p, e, cancel)
					wantIs(t, "Run", <-done, tc.want)
					wantIs(t, "IsLeader", e.IsLeader(t.Context()), leader.ErrNotLeader)
					_ = e.Close()
					_ = e.Close()
					wantIs(t, "Run after Close", e.Run(t.Context(), leader.Idle), leader.ErrClosed)
				})
			})
		}
	}
}

func TestClosingWaitsForTheWork(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		returned := false
		e := f.process("a").elector()
		run(t, e, func(ctx context.Context, _ leader.Term) error {
			<-ctx.Done()
			wantIs(t, "cause", context.Cause(ctx), leader.ErrClosed)
			sleepPlain(time.Minute)
			returned = true
			return nil
		})
		sleep(time.Second)
		_ = e.Close()
		if !returned {
			t.Error("Close has not waited for the work")
		}
		settled()
		f.each(5, func(n *memnode.Node) {
			if keys := n.Keys(); len(keys) > 0 && keys[0].Key == role {
				t.Errorf("%s still has %v", n.Name(), keys)
			}
		})
	})
}

func TestNewRefusesSettingsThatBreakARule(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		locker := f.process("a").Locker
		tests := map[string]struct {
			locker *redlock.Locker
			role   string
			opts   []leader.Option
			want   string // part of the error
		}{
			"no locker":              {nil, role, nil, "the locker is nil"},
			"no role":                {locker, "", nil, "the role is empty"},
			"a long role":            {locker, strings.Repeat("x", leader.MaxRoleBytes+1), nil, "over 505"},
			"a reserved role":        {locker, "redlock:x", nil, "reserved"},
			"a role of requests":     {locker, "x:resign", nil, "reserved for requests"},
			"no backoff":             {locker, role, []leader.Option{leader.WithBackoff(0, 0)}, "backoff 0s is not positive"},
			"a shrinking backoff":    {locker, role, []leader.Option{leader.WithBackoff(2, 1)}, "under its beginning"},
			"a hasty poll":           {locker, role, []leader.Option{leader.WithPoll(time.Millisecond)}, "poll every 1ms"},
			"a check that is nil":    {locker, role, []leader.Option{leader.WithHealthCheck(nil, 1)}, "check is nil"},
			"a check without pause":  {locker, role, []leader.Option{leader.WithHealthCheck(healthy, 0)}, "check every 0s"},
			"two faults, one told":   {nil, "", nil, "the role is empty"},
			"two faults, both told":  {nil, "", nil, "the locker is nil"},
			"nothing wrong with nil": {locker, role, []leader.Option{nil}, ""},
		}
		for name, tc := range tests {
			_, err := leader.New(tc.locker, tc.role, tc.opts...)
			if tc.want == "" && err == nil {
				continue
			}
			config, ok := errors.AsType[*redlock.ConfigError](err)
			if !ok || !strings.Contains(config.Error(), tc.want) {
				t.Errorf("%s: error %v, want a ConfigError with %q", name, err, tc.want)
			}
		}
		e := f.process("a").elector(leader.WithLease(redlock.WithTTL(time.Hour)))
		if _, ok := errors.AsType[*redlock.ConfigError](e.Run(t.Context(), leader.Idle)); !ok {
			t.Error("Run campaigns with a TTL over MaxTTL")
		}
		if _, ok := errors.AsType[*redlock.ConfigError](e.Run(t.Context(), nil)); !ok {
			t.Error("Run takes a work that is nil")
		}
	})
}

func healthy(context.Context) error { return nil }

func TestIsLeader(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		p := f.process("a")
		e := p.elector()
		ask := func(when string, want error) {
			t.Helper()
			wantIs(t, "IsLeader "+when, e.IsLeader(t.Context()), want)
			if _, ok := e.Term(); ok != (want == nil) {
				t.Errorf("Term %s: %v", when, ok)
			}
		}
		ask("before Run", leader.ErrNotLeader)
		run(t, e, func(ctx context.Context, _ leader.Term) error {
			<-ctx.Done()
			wantIs(t, "IsLeader after the context", e.IsLeader(context.Background()), leader.ErrNotLeader)
			sleepPlain(time.Second)
			return nil
		})
		sleep(time.Second)
		ask("while leading", nil)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		wantIs(t, "IsLeader with an ended context", e.IsLeader(ended), context.Canceled)
		term, _ := e.Term()
		if term.Role != role || !term.Valid() || !term.Started.Equal(time.Now().Add(-time.Second)) || term.Context().Err() != nil {
			t.Errorf("term %+v", term)
		}
		f.each(5, func(n *memnode.Node) { n.Wipe(); n.Kill(true) })
		for e.IsLeader(t.Context()) == nil {
			if !term.Valid() {
				t.Fatal("IsLeader is nil, but the term is not valid")
			}
			sleepPlain(time.Millisecond)
		}
		ask("after the loss", leader.ErrNotLeader)
		wantIs(t, "IsLeader after the loss", e.IsLeader(t.Context()), redlock.ErrLost)
		none := leader.Term{}
		if none.Valid() || none.Remaining() != 0 || none.Context().Err() == nil {
			t.Error("the zero Term is one")
		}
	})
}

// The work may give up by itself, with its own context, and does not wait for itself.
func TestWorkThatResigns(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		var h history
		e := f.process("a").elector()
		run(t, e, h.work("a", func(ctx context.Context, _ leader.Term) error {
			if err := e.Resign(ctx); err != nil {
				t.Errorf("Resign: %v", err)
			}
			return ctx.Err()
		}))
		sleep(10 * time.Second)
		if all := h.all(); len(all) < 5 {
			t.Errorf("%d terms, want several", len(all))
		}
		h.check(t)
	})
}
