package quorum_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/memnode"
)

var seeds = flag.Uint64("seeds", 3, "worlds of each kind to play through in TestMutualExclusion")

// A profile is a kind of bad day.
type profile struct {
	size, votes int
	rate        func(r *rand.Rand) float64 // of a node's clock
	faults      bool
	eager       bool // claimants use all of their validity, and ask again at once
}

var profiles = map[string]profile{
	"random faults on three nodes": {size: 3, rate: anyRate, faults: true},
	"random faults on five nodes":  {size: 5, rate: anyRate, faults: true},
	"random faults, one more vote": {size: 5, votes: 4, rate: anyRate, faults: true},
	"fast nodes, eager claimants":  {size: 3, rate: fastest, eager: true},
	"fast nodes, eager, faults":    {size: 3, rate: fastest, eager: true, faults: true},
}

// Within the drift that the engines allow for.
func anyRate(r *rand.Rand) float64 { return 0.991 + r.Float64()*0.018 }
func fastest(*rand.Rand) float64   { return 1 / 0.9901 }

// The promise of the whole package: whatever happens to nodes that do not forget, no two claims of one
// key are valid at once, operations of one claim on one node are serial, and when all is well again and
// all are released, nothing is left anywhere.
func TestMutualExclusion(t *testing.T) {
	for name, p := range profiles {
		t.Run(name, func(t *testing.T) {
			for seed := range *seeds {
				inBubble(t, func(t *testing.T) { newWorld(t, p, seed).run() })
			}
		})
	}
}

// A world is some programs, each with an engine of its own, over the same nodes.
type world struct {
	*fleet
	profile profile
	seed    uint64
	engines []*quorum.Engine
	taps    [][]*tap // by engine
	terms   quorum.Terms

	mu     sync.Mutex
	claims []*quorum.Claim // won and not yet released
	won    int
	missed int
	values int
	faults int
}

const (
	worldTime = 20 * sec
	programs  = 3
	claimants = 3 // in each program
)

func newWorld(t *testing.T, p profile, seed uint64) *world {
	w := &world{
		fleet:   &fleet{t: t, clock: clock.Process()},
		profile: p,
		seed:    seed,
		terms:   quorum.Terms{TTL: 5 * sec, MinValidity: 2 * sec, Timeout: 250 * ms},
	}
	if p.eager {
		w.terms.TTL, w.terms.MinValidity = 2*sec, sec // for more handovers
	}
	random := w.random(0)
	for i := range p.size {
		n := memnode.New(fmt.Sprintf("mem-%d", i+1), w.clock)
		n.SetClockRate(p.rate(random))
		w.nodes = append(w.nodes, n)
	}
	for range programs {
		var nodes []quorum.Node
		var taps []*tap
		for _, n := range w.nodes {
			taps = append(taps, &tap{Node: shared{n}, clock: w.clock})
			nodes = append(nodes, taps[len(taps)-1])
		}
		w.taps = append(w.taps, taps)
		w.engines = append(w.engines, newEngine(t, nodes, w.clock, withVotes(p.votes), func(c *quorum.Config) {
			c.Drift = clock.Drift{Rate: 0.01}
		}))
	}
	t.Cleanup(func() {
		for _, n := range w.nodes {
			n.Close()
		}
	})
	return w
}

// shared is a node that other engines need when this one closes.
type shared struct{ *memnode.Node }

func (shared) Close() error { return nil }

// random returns a source of its own for each part of the world.
func (w *world) random(part int) *rand.Rand { return rand.New(rand.NewPCG(w.seed, uint64(part))) }

func (w *world) run() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), worldTime)
	defer cancel()
	var all sync.WaitGroup
	for i := range programs * claimants {
		all.Go(func() { w.claimant(ctx, i) })
	}
	if w.profile.faults {
		for i := range 2 {
			all.Go(func() { w.nemesis(ctx, i) })
		}
	}
	all.Wait()
	// A release that was not answered is tried again within the second.
	time.Sleep(2*w.terms.Timeout + 2*sec)
	synctest.Wait()
	for i, n := range w.nodes {
		if keys := n.Keys(); len(keys) > 0 {
			w.t.Errorf("seed %d: node %d keeps %+v in the end", w.seed, i+1, keys)
		}
	}
	for _, taps := range w.taps {
		w.fleet.taps = taps
		w.wantSerial()
	}
	if w.won < 3 || w.missed < 20 || w.profile.faults && w.faults < 20 {
		w.t.Errorf("seed %d: %d won, %d missed, %d faults: too quiet to show anything", w.seed, w.won, w.missed, w.faults)
	}
}

// claimant asks for the key, holds it for a while, and gives it back, until ctx ends.
func (w *world) claimant(ctx context.Context, i int) {
	random := w.random(i + 1)
	e := w.engines[i%programs]
	for ctx.Err() == nil {
		w.mu.Lock()
		w.values++
		value := fmt.Sprint(i, "-", w.values)
		w.mu.Unlock()
		patience, cancel := ctx, context.CancelFunc(func() {})
		if random.IntN(4) == 0 { // callers leave, too
			patience, cancel = context.WithTimeout(ctx, time.Duration(random.Int64N(int64(300*ms))))
		}
		claim, err := e.Acquire(patience, key, value, w.terms)
		cancel()
		if err != nil {
			w.pause(random, w.note(err))
			continue
		}
		w.enter(claim)
		w.hold(claim, random)
		w.leave(claim, random)
	}
}

// pause waits before the next attempt. Eager claimants are there at the very moment at which the key is
// free.
func (w *world) pause(random *rand.Rand, miss *quorum.MissError) {
	wait := random.Int64N(int64(200 * ms))
	if w.profile.eager {
		wait = random.Int64N(int64(4 * ms))
		if miss != nil && miss.RetryAfter < w.terms.TTL {
			wait += int64(miss.RetryAfter) / 100 * 98
		}
	}
	time.Sleep(time.Duration(wait))
}

// note counts a miss, and returns it.
func (w *world) note(err error) *quorum.MissError {
	w.mu.Lock()
	defer w.mu.Unlock()
	var miss *quorum.MissError
	if errors.As(err, &miss) {
		w.missed++
	} else if !errors.Is(err, context.DeadlineExceeded) {
		w.t.Errorf("seed %d: Acquire = %v", w.seed, err)
	}
	return miss
}

// enter notes a claim, and looks at it each time its validity has moved: it cannot become valid at any
// other moment.
func (w *world) enter(claim *quorum.Claim) {
	w.mu.Lock()
	w.won++
	w.claims = append(w.claims, claim)
	w.mu.Unlock()
	claim.Watch(func() { w.look(claim) })
	w.look(claim)
}

// look fails the test if another claim is valid while this one is.
func (w *world) look(claim *quorum.Claim) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.clock.Now()
	for _, other := range w.claims {
		if other != claim && now.Before(other.ValidUntil()) && now.Before(claim.ValidUntil()) {
			w.t.Errorf("seed %d: at %v, claim %s is valid until %v, and so is %s until %v", w.seed, time.Duration(now),
				claim.Value(), validUntil(claim), other.Value(), validUntil(other))
		}
	}
}

// hold keeps the claim for a while, with some extensions.
func (w *world) hold(claim *quorum.Claim, random *rand.Rand) {
	for random.IntN(3) == 0 {
		time.Sleep(time.Duration(random.Int64N(int64(2 * sec))))
		if w.clock.Now().Before(claim.ValidUntil()) {
			_ = claim.Extend(context.Background())
		}
	}
	if w.profile.eager {
		time.Sleep(claim.ValidUntil().Sub(w.clock.Now()) + 50*ms)
		return
	}
	time.Sleep(time.Duration(random.Int64N(int64(sec))))
}

func (w *world) leave(claim *quorum.Claim, random *rand.Rand) {
	w.mu.Lock()
	for i, c := range w.claims {
		if c == claim {
			w.claims = append(w.claims[:i], w.claims[i+1:]...)
			break
		}
	}
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(random.Int64N(int64(sec))))
	defer cancel()
	_ = claim.Release(ctx, 0)
}

// nemesis makes a fault, waits, mends it, and so on. No fault makes a node forget.
func (w *world) nemesis(ctx context.Context, i int) {
	random := w.random(1000 + i)
	upTo := func(d time.Duration) time.Duration { return time.Duration(random.Int64N(int64(d))) }
	for ctx.Err() == nil {
		time.Sleep(upTo(300 * ms))
		n := w.nodes[random.IntN(len(w.nodes))]
		mend := func() {}
		switch random.IntN(5) {
		case 0:
			n.Pause()
			mend = n.Resume
		case 1:
			n.Cut()
			mend = n.Restore
		case 2:
			n.DropReplies(random.IntN(5))
			mend = func() { n.DropReplies(0) }
		case 3:
			n.Delay(upTo(400*ms), upTo(200*ms))
			mend = func() { n.Delay(0, 0) }
		case 4:
			n.Kill(true)
			mend = n.Restart
		}
		w.mu.Lock()
		w.faults++
		w.mu.Unlock()
		time.Sleep(upTo(sec))
		mend()
	}
}
