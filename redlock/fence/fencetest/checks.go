package fencetest

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"

	"github.com/quorumlock/quorumlock/redlock/fence"
)

var registerChecks = checks{
	"the first token is admitted, whatever it is": func(g *guarded) {
		g.admits(34)
	},
	"a larger token is admitted": func(g *guarded) {
		g.admits(1, 2, 34, fence.MaxToken)
	},
	"an equal token is the same holder": func(g *guarded) {
		g.admits(34, 34, 34)
	},
	"a smaller token is refused, and told the newest": func(g *guarded) {
		g.admits(34)
		g.refuses(g.register(33), 33, 34)
	},
	"a refused token changes nothing": func(g *guarded) {
		g.admits(34)
		g.refuses(g.register(32), 32, 34)
		g.refuses(g.register(33), 33, 34)
		g.admits(34)
	},
	"the largest tokens are compared exactly": func(g *guarded) {
		g.admits(fence.MaxToken-2, fence.MaxToken-1, fence.MaxToken)
		g.refuses(g.register(fence.MaxToken-1), fence.MaxToken-1, fence.MaxToken)
	},
	"tokens are compared as numbers, not as text": func(g *guarded) {
		g.admits(9, 10)
		g.refuses(g.register(9), 9, 10)
	},
	"resources do not know each other": func(g *guarded) {
		g.admits(34)
		g.name = g.fresh("")
		g.admits(1)
	},
	"names are compared byte by byte": func(g *guarded) {
		stem := g.name
		g.admits(34)
		for _, end := range []string{"x", "X", "ä", "a\u0308", "x'; DROP TABLE fence; --", `x"`, "x%", "x{y}", "x*"} {
			g.name = stem + end
			g.prepare(g.name)
			g.admits(1)
		}
	},
	"any sequence is judged as by a naive model": func(g *guarded) {
		dice := rand.New(rand.NewPCG(6, 3))
		newest := uint64(0)
		for range 200 {
			token := 1 + dice.Uint64N(newest+newest/2+3)
			err := g.register(token)
			if token < newest {
				g.refuses(err, token, newest)
				continue
			}
			if err != nil {
				g.Fatalf("Register(%d) after %d: %v", token, newest, err)
			}
			newest = token
		}
	},
}

var refuseChecks = checks{
	"0 is no token, and changes nothing": func(g *guarded) {
		g.badToken(0)
		g.admits(34)
		g.badToken(0)
		g.refuses(g.register(33), 33, 34)
	},
	"2^53 is over the largest token, and changes nothing": func(g *guarded) {
		g.admits(34)
		g.badToken(fence.MaxToken + 1)
		g.badToken(1 << 63)
		g.admits(35)
	},
	"a name that is empty or too long is refused": func(g *guarded) {
		for _, name := range []string{"", strings.Repeat("n", fence.MaxResourceBytes+1)} {
			g.name = name
			if err := g.register(34); err == nil || errors.Is(err, fence.ErrStale) {
				g.Errorf("a name of %d bytes: error %v, want one about the name", len(name), err)
			}
		}
	},
	"a context that has ended is an error": func(g *guarded) {
		ctx, cancel := context.WithCancel(g.Context())
		cancel()
		if err := g.fixture.Guard.Register(ctx, g.name, 34); !errors.Is(err, context.Canceled) {
			g.Errorf("error %v, want one that wraps %v", err, context.Canceled)
		}
	},
}

func (g *guarded) badToken(token uint64) {
	g.Helper()
	if err := g.register(token); !errors.Is(err, fence.ErrBadToken) {
		g.Errorf("Register(%d) = %v, want ErrBadToken", token, err)
	}
}
