package fencetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/quorumlock/quorumlock/redlock/fence"
)

// names makes names of resources fresh within the process.
var names atomic.Uint64

// A guarded is a guard in the hands of one check.
type guarded struct {
	*testing.T
	fixture Fixture
	name    string // the resource that most checks are about
}

func newGuarded(t *testing.T, f Fixture) *guarded {
	g := &guarded{T: t, fixture: f}
	g.name = g.fresh("")
	return g
}

// fresh returns the name of a resource that nobody has used, which ends as told.
func (g *guarded) fresh(end string) string {
	name := fmt.Sprintf("fencetest %d%s", names.Add(1), end)
	g.prepare(name)
	return name
}

func (g *guarded) prepare(name string) {
	if g.fixture.Prepare != nil {
		g.fixture.Prepare(name)
	}
}

func (g *guarded) register(token uint64) error {
	return g.fixture.Guard.Register(g.Context(), g.name, token)
}

func (g *guarded) write(token uint64, write func(ctx context.Context) error) error {
	return g.fixture.Guard.(fence.WriteGuard).Write(g.Context(), g.name, token, write)
}

// admits fails the test unless all tokens are admitted, one after the other.
func (g *guarded) admits(tokens ...uint64) {
	g.Helper()
	for _, token := range tokens {
		if err := g.register(token); err != nil {
			g.Fatalf("Register(%d) = %v, want nil", token, err)
		}
	}
}

// refuses fails the test unless err says that token is older than newest.
func (g *guarded) refuses(err error, token, newest uint64) {
	g.Helper()
	stale, ok := errors.AsType[*fence.StaleError](err)
	if !ok || !errors.Is(err, fence.ErrStale) {
		g.Fatalf("token %d after %d: error %v, want a *StaleError", token, newest, err)
	}
	if want := (fence.StaleError{Resource: g.name, Token: token, Newest: newest}); *stale != want {
		g.Errorf("refusal %+v, want %+v", *stale, want)
	}
}
