package chaos

import (
	"context"
	"sync"
	"time"

	"github.com/quorumlock/quorumlock/chaos/internal/dice"
)

// A Manner is how clients behave that [Contend] for locks. Shares are from 0 to 1, and of all leases or
// attempts. Its zero value is a plain client: it tries, holds for a while, and releases.
type Manner struct {
	_ struct{}

	// Rest is the longest pause between two attempts, and Hold the longest that a lease is kept which
	// nothing else is said of. Default: a twentieth and a tenth of the TTL.
	Rest, Hold time.Duration
	// Wait is the share of attempts that wait for a held lock, and Hurry that of attempts whose context
	// ends in the middle of it.
	Wait, Hurry float64
	// Renew is the share of leases that are renewed for one to two TTLs, Whole that of leases which are
	// used to their last microsecond, and Extend that of leases which are extended shortly before their
	// end, and then used to the last microsecond.
	Renew, Whole, Extend float64
	// Abandon is the share of leases without renewal that are never released.
	Abandon float64
	// Calls is how many attempts each client makes at once, which meet at the same locks. Default: one.
	Calls int
}

// Contend returns the work of clients that compete for the load's locks.
func Contend(manner Manner) func(ctx context.Context, c *Client) {
	return func(ctx context.Context, c *Client) {
		m := manner
		if m.Rest == 0 {
			m.Rest = c.load.TTL / 20
		}
		if m.Hold == 0 {
			m.Hold = c.load.TTL / 10
		}
		var calls sync.WaitGroup
		for call := range max(m.Calls, 1) {
			w := contender{Manner: m, Client: c, dice: dice.New(uint64(c.dice), uint64(call))} //nolint:gosec // not negative
			calls.Go(func() { w.work(ctx) })
		}
		calls.Wait()
	}
}

// A contender is a client at work.
type contender struct {
	Manner
	*Client
	dice dice.Dice
}

func (w *contender) work(ctx context.Context) {
	for w.Sleep(ctx, w.dice.UpTo(w.Rest)) {
		w.round(ctx)
	}
}

// A use is what is done with a lease.
type use uint8

const (
	briefly use = iota
	renewing
	whole
	extending
)

// round is one attempt, and what follows from it.
func (w *contender) round(ctx context.Context) {
	name := w.load.Locks[w.dice.Pick(len(w.load.Locks))]
	use := w.use()
	terms := Terms{TTL: w.load.TTL, Renew: use == renewing, Wait: w.dice.Share(w.Wait)}
	patience := w.load.TTL
	if w.dice.Share(w.Hurry) {
		patience = w.dice.UpTo(min(w.load.TTL/40, 50*time.Millisecond))
	}
	asking, cancel := context.WithTimeout(ctx, patience)
	held, err := w.Acquire(asking, name, terms)
	cancel()
	if err != nil {
		return
	}
	w.keep(ctx, held, use)
	if w.dice.Share(w.Abandon) && !terms.Renew && !w.Calm() {
		return
	}
	// A client that is told to stop still gives back what it has.
	release, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.load.TTL)
	defer cancel()
	_ = held.Release(release) // what comes of it is in the history
}

func (w *contender) use() use {
	at := w.dice.Float()
	for _, choice := range []struct {
		share float64
		use   use
	}{{w.Renew, renewing}, {w.Whole, whole}, {w.Extend, extending}} {
		if at < choice.share {
			return choice.use
		}
		at -= choice.share
	}
	return briefly
}

// keep holds the lease as long as its use says.
func (w *contender) keep(ctx context.Context, held *Held, use use) {
	switch use {
	case briefly:
		w.watchFor(ctx, held, w.dice.UpTo(w.Hold))
	case renewing:
		w.watchFor(ctx, held, w.dice.Between(w.load.TTL, 2*w.load.TTL))
	case whole:
		w.toTheEnd(ctx, held)
	case extending:
		left := held.Remaining()
		if w.Sleep(ctx, left-w.dice.Between(left/100, left/5)) && held.Observe() && held.Extend(ctx) == nil {
			w.toTheEnd(ctx, held)
		}
	}
}

// watchFor observes the lease several times until d is over.
func (w *contender) watchFor(ctx context.Context, held *Held, d time.Duration) {
	const looks = 4
	for range looks {
		if !w.Sleep(ctx, d/looks) || !held.Observe() {
			return
		}
	}
}

// lastMoment is how long before its end a lease is used for the last time.
const lastMoment = time.Microsecond

// toTheEnd uses the lease as long as it is valid. It may be valid for longer than it first said, since
// votes come in late.
func (w *contender) toTheEnd(ctx context.Context, held *Held) {
	for {
		left := held.Remaining()
		if left <= lastMoment {
			held.Observe()
			return
		}
		if !w.Sleep(ctx, left-lastMoment) {
			return
		}
	}
}
