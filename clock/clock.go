// Package clock measures the time a lease may be trusted.
//
// It holds two things: instants on a clock that does not stand still while the machine sleeps
// ([Clock], [System]), and the arithmetic that turns "this request was sent then, and asked for
// that much time" into a deadline that is safe to act on ([Drift]).
//
// # Guarantee
//
// Let a node keep a key for at least (T - step)/(1 + rateNode) of real time after a request was
// sent, and let this clock's rate be wrong by at most rateClient. Then the node still keeps the key
// at every instant before
//
//	sent + L*(1 - Rate) - Step - Granularity
//
// provided Rate >= 1 - (1 - rateClient)/(1 + rateNode) and L <= T. That instant is
// [Drift.Deadline].
//
// # Limits
//
// Nothing here can see the time between reading the clock and acting on what it said: a process
// that is stopped in between acts late. Code that must not act late fences its writes.
package clock

import "time"

// An Instant is a point on one [Clock]'s own time line, in nanoseconds since an origin that the
// clock chooses. Instants of different clocks, or of different processes, do not compare.
//
// It is not a [time.Time] on purpose: that type's arithmetic uses a clock which stops while the
// machine is suspended, and the compiler now refuses to mix the two.
type Instant int64

const (
	// Never is earlier than every instant a clock returns: the deadline of a promise nobody made.
	Never Instant = -1 << 63
	// Forever is later than every instant a clock returns.
	Forever Instant = 1<<63 - 1
)

// Add returns t+d. Never and Forever absorb every duration, and a sum that does not fit stops at
// them.
func (t Instant) Add(d time.Duration) Instant {
	if t == Never || t == Forever {
		return t
	}
	sum := t + Instant(d)
	switch {
	case d > 0 && sum < t:
		return Forever
	case d < 0 && sum > t:
		return Never
	}
	return sum
}

// Sub returns t-u. It stops at the ends of [time.Duration], so that the time left until Forever is
// the largest duration and the time left until Never the smallest.
func (t Instant) Sub(u Instant) time.Duration {
	d := t - u
	switch {
	case t > u && (d < 0 || t == Forever):
		return 1<<63 - 1
	case t < u && (d > 0 || t == Never):
		return -1 << 63
	}
	return time.Duration(d)
}

// Before reports whether t is earlier than u.
func (t Instant) Before(u Instant) bool { return t < u }

// A Clock tells the time elapsed since some fixed origin, and wakes its callers.
//
// Now never goes backwards. It must count the time during which the machine was suspended; a clock
// that does not, over-trusts every lease it is asked about. Timers may fire late, also by the whole
// time of a suspension, so code that waits for an instant looks at Now when it wakes and bounds each
// wait. All methods may be called from several goroutines.
type Clock interface {
	Now() Instant
	// NewTimer returns a timer that fires once, d after the call or later. The caller stops it.
	NewTimer(d time.Duration) Timer
}

// A Timer fires once. Its methods follow [time.Timer]: after Stop or Reset returns, C delivers no
// stale value. One goroutine uses a timer.
type Timer interface {
	C() <-chan time.Time
	Reset(d time.Duration) bool
	Stop() bool
}

// Process returns a clock on Go's own monotonic time, counted from the call. That time stands still
// while the machine is suspended, so leases are not safe on it where machines sleep. It is the clock
// for tests in a synctest bubble, whose virtual time it follows; everything else wants [System].
func Process() Clock { return process{origin: time.Now()} }

type process struct{ origin time.Time }

func (p process) Now() Instant                   { return Instant(time.Since(p.origin)) }
func (p process) NewTimer(d time.Duration) Timer { return goTimer{time.NewTimer(d)} }

// goTimer is the runtime's timer behind the Timer interface.
type goTimer struct{ *time.Timer }

func (t goTimer) C() <-chan time.Time { return t.Timer.C }
