package chaos_test

import (
	"context"
	"slices"
	"testing"

	"github.com/quorumlock/quorumlock/chaos"
)

// A sleepy lock does not try again while it waits: it would have to be told, and nobody tells.
type sleepy struct{ chaos.Lock }

func (l sleepy) Acquire(ctx context.Context, name string, terms chaos.Terms) (chaos.Lease, error) {
	terms.Wait = false
	lease, err := l.Lock.Acquire(ctx, name, terms)
	if err != nil {
		<-ctx.Done()
	}
	return lease, err
}

// The judge of waking sees a lock whose waiting calls hang, on a fleet that is always healthy in its majority.
func TestALockThatSleepsOnIsCaught(t *testing.T) {
	open := chaos.Redlock()
	for _, p := range chaos.Profiles() {
		if p.Name != "waiting" {
			continue
		}
		caught := 0
		const runs = 4
		for seed := range uint64(runs) {
			s := p.Scenario(seed)
			s.Load.Open = func(m chaos.Member) (chaos.Lock, error) {
				lock, err := open(m)
				return sleepy{lock}, err
			}
			r, _ := simulators[0].play(t, seed, s, p.Network)
			if slices.ContainsFunc(r.Verdicts, func(v chaos.Verdict) bool { return v.Invariant == "waking" && len(v.Violations) > 0 }) {
				caught++
			}
		}
		if caught < runs/2 {
			t.Errorf("caught in %d of %d runs", caught, runs)
		}
		return
	}
	t.Error("there is no profile of that name")
}
