package fencetest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quorumlock/quorumlock/redlock/fence"
)

var errWrite = errors.New("the write has failed")

var togetherChecks = checks{
	"of tokens presented at once, none is admitted after a larger one": func(g *guarded) {
		const workers, each = 4, 25
		var (
			sure atomic.Uint64 // every token up to here was admitted, or is too old now
			all  sync.WaitGroup
		)
		for w := range uint64(workers) {
			all.Go(func() {
				for i := range uint64(each) {
					token := 1 + i*workers + w*7%workers
					before := sure.Load()
					err := g.register(token)
					switch {
					case err == nil && token < before:
						g.Errorf("token %d was admitted after %d had been", token, before)
					case err == nil:
						raise(&sure, token)
					case !errors.Is(err, fence.ErrStale):
						g.Errorf("Register(%d) = %v", token, err)
					}
				}
			})
		}
		all.Wait()
		g.refuses(g.register(1), 1, sure.Load())
	},
}

func raise(to *atomic.Uint64, token uint64) {
	for {
		old := to.Load()
		if token <= old || to.CompareAndSwap(old, token) {
			return
		}
	}
}

var writeChecks = checks{
	"a write that is admitted runs once": func(g *guarded) {
		runs := 0
		err := g.write(34, func(context.Context) error { runs++; return nil })
		if err != nil || runs != 1 {
			g.Errorf("Write: error %v, ran %d times, want nil and once", err, runs)
		}
	},
	"a write that is refused does not run": func(g *guarded) {
		g.admits(34)
		mustNot := func(context.Context) error { g.Error("a refused write ran"); return nil }
		g.refuses(g.write(33, mustNot), 33, 34)
		if err := g.write(0, mustNot); !errors.Is(err, fence.ErrBadToken) {
			g.Errorf("Write with token 0: %v, want ErrBadToken", err)
		}
	},
	"a write registers its token": func(g *guarded) {
		if err := g.write(34, func(context.Context) error { return nil }); err != nil {
			g.Fatal(err)
		}
		g.refuses(g.register(33), 33, 34)
	},
	"a write's error is passed on, and its token stays registered": func(g *guarded) {
		if err := g.write(34, func(context.Context) error { return errWrite }); !errors.Is(err, errWrite) {
			g.Errorf("error %v, want %v", err, errWrite)
		}
		g.refuses(g.register(33), 33, 34)
	},
	"a write that panics does not keep the resource": func(g *guarded) {
		func() {
			defer func() { _ = recover() }()
			_ = g.write(34, func(context.Context) error { panic("in a write") })
		}()
		g.admits(35)
	},
	"a token that a read has registered refuses an older write": func(g *guarded) {
		g.admits(33) // the old holder reads
		g.admits(34) // the new one reads
		g.refuses(g.write(33, func(context.Context) error { return nil }), 33, 34)
		if err := g.write(34, func(context.Context) error { return nil }); err != nil {
			g.Error(err)
		}
	},
	"nothing is registered while a write runs": func(g *guarded) {
		err := g.write(34, func(ctx context.Context) error {
			brief, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
			defer cancel()
			if err := g.fixture.Guard.Register(brief, g.name, 35); err == nil || errors.Is(err, fence.ErrStale) {
				g.Errorf("Register(35) = %v while 34 was writing, want an end of waiting", err)
			}
			return nil
		})
		if err != nil {
			g.Fatal(err)
		}
		g.admits(35)
	},
	"writes at once are one after the other": func(g *guarded) {
		const workers, each = 4, 10
		var (
			sum int // of writes, guarded by nothing else
			all sync.WaitGroup
		)
		for range workers {
			all.Go(func() {
				for range each {
					if err := g.write(34, func(context.Context) error { sum++; return nil }); err != nil {
						g.Error(err)
					}
				}
			})
		}
		all.Wait()
		if sum != workers*each {
			g.Errorf("%d writes were seen, want %d", sum, workers*each)
		}
	},
}
