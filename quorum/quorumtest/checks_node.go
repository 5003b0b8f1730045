package quorumtest

import (
	"context"
	"time"

	"github.com/quorumlock/quorumlock/quorum"
)

var nodeChecks = checks{
	"it has a name, and keeps it": func(a *asker) {
		name := a.Node.Name()
		a.want(quorum.Free, a.op(quorum.Inspect, 0))
		if again := a.Node.Name(); name == "" || again != name {
			a.Errorf("names = %q, then %q", name, again)
		}
	},
	"a cancelled question fails without effect": func(a *asker) {
		ctx, cancel := context.WithTimeout(a.Context(), patience)
		cancel()
		a.wantNoEffect(ctx)
	},
	"a question whose deadline is over fails without effect": func(a *asker) {
		ctx, cancel := context.WithDeadline(a.Context(), time.Now().Add(-time.Second))
		defer cancel()
		a.wantNoEffect(ctx)
	},
	"closing ends": func(a *asker) {
		a.want(quorum.Mine, a.op(quorum.Acquire, time.Second))
		closed := make(chan error, 1)
		go func() { closed <- a.Node.Close() }()
		timeout := a.Clock.NewTimer(patience)
		defer timeout.Stop()
		select {
		case err := <-closed:
			if err != nil {
				a.Errorf("Close: %v", err)
			}
		case <-timeout.C():
			a.Errorf("Close has not ended after %v", patience)
		}
	},
	"closing without ever asking ends": func(a *asker) {
		if err := a.Node.Close(); err != nil {
			a.Errorf("Close: %v", err)
		}
	},
}

// wantNoEffect asks with a context that has ended.
func (a *asker) wantNoEffect(ended context.Context) {
	a.Helper()
	for i, answer := range a.Node.Ask(ended, []quorum.Op{a.op(quorum.Acquire, long), a.op(quorum.Heal, long)}) {
		if answer.Verdict != quorum.Failed || answer.Err == nil {
			a.Errorf("operation %d = %v (%v), want failed with an error", i, answer.Verdict, answer.Err)
		}
	}
	a.want(quorum.Free, a.op(quorum.Inspect, 0))
}
