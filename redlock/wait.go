package redlock

import (
	crand "crypto/rand"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"time"
)

// Bounds of the pauses between two attempts of one waiting caller.
const (
	splitPauseMin = 2 * time.Millisecond // the least that "two round trips" is taken to be
	splitPauseMax = 250 * time.Millisecond
	heldPauseMin  = 4 * time.Millisecond
	heldPauseMax  = 100 * time.Millisecond
	downPauseMin  = 50 * time.Millisecond
	downPauseMax  = time.Second
)

// A backoff says how long a waiting caller sleeps after a miss. It is a value without clock; random is
// in [0, 1). Its zero value is ready.
type backoff struct{ splits, helds, downs int }

// split follows a round that nobody won: a wholly random pause, for the claimants have to drift apart,
// whose bound starts at two round trips and doubles.
func (b *backoff) split(roundTrip time.Duration, random float64) time.Duration {
	b.splits++
	bound := doubled(max(2*roundTrip, splitPauseMin), b.splits, splitPauseMax)
	return scale(bound, random)
}

// held follows a round that found a holder: the pause grows, so that a long-held lock is not asked for
// all the time, and ends early if the holder's time does. retryAfter 0 means that is not known.
func (b *backoff) held(retryAfter, roundTrip, ttl time.Duration, random float64) time.Duration {
	b.splits = 0
	b.helds++
	limit := min(heldPauseMax, ttl/2)
	bound := doubled(max(2*roundTrip, heldPauseMin), b.helds, limit)
	pause := bound/2 + scale(bound/2, random)
	if retryAfter > 0 && retryAfter < pause {
		return retryAfter + scale(max(2*roundTrip, splitPauseMin), random)
	}
	return pause
}

// down follows a round in which too few nodes answered: asking at once would only add load.
func (b *backoff) down(random float64) time.Duration {
	b.downs++
	bound := doubled(downPauseMin, b.downs, downPauseMax)
	return bound/2 + scale(bound/2, random)
}

// doubled is start for the first try and twice as much for each further one, up to limit.
func doubled(start time.Duration, tries int, limit time.Duration) time.Duration {
	for ; tries > 1 && start < limit; tries-- {
		start *= 2
	}
	return min(start, limit)
}

func scale(d time.Duration, random float64) time.Duration {
	return time.Duration(float64(d) * random)
}

// jitter draws the random part of pauses. All callers of a Locker share it.
type jitter struct {
	mu  sync.Mutex
	rng *rand.Rand
}

func newJitter() *jitter {
	var seed [16]byte
	_, _ = crand.Read(seed[:])                // never fails; it ends the program instead
	return &jitter{rng: rand.New(rand.NewPCG( //nolint:gosec // pauses, not secrets
		binary.LittleEndian.Uint64(seed[:8]), binary.LittleEndian.Uint64(seed[8:])))}
}

func (j *jitter) next() float64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.rng.Float64()
}

const (
	// pollMax bounds the pause between two tries of a waiting call that hears nothing.
	pollMax = time.Second
	// holdBackMin is the least time that a waiter leaves to the one who was named before it.
	holdBackMin = 4 * time.Millisecond
	holdBackMax = 50 * time.Millisecond
	// heirPatience is how often a call that is being handed the lock looks whether it still is.
	heirPatience = time.Second
)

// holdBack is how long a waiter that is not named leaves the lock to the one who is: two round trips, for the
// news and for the taking, and a random time, so that not all come at once if it has died.
func holdBack(trip time.Duration, random float64) time.Duration {
	least := min(max(2*trip, holdBackMin), holdBackMax)
	return least + scale(least, random)
}

// poll is how long a call that listens sleeps at most after it has found the lock held for retryAfter.
func poll(ttl, retryAfter, trip time.Duration, random float64) time.Duration {
	limit := min(ttl/2, pollMax)
	pause := limit/2 + scale(limit/2, random)
	if retryAfter > 0 {
		return min(pause, retryAfter+scale(holdBack(trip, 0), random))
	}
	return pause
}
