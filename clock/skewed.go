package clock

import (
	"math"
	"sync"
	"time"
)

// Skewed is a clock for tests: it runs faster or slower than the clock below it, and can be moved
// forward at once, as a machine that wakes from a suspend sees it. Make one with [NewSkewed]. Its
// methods may be called from several goroutines.
type Skewed struct {
	base Clock

	mu   sync.Mutex
	rate float64 // seconds of this clock per second of base
	from Instant // base time of the last change
	at   Instant // this clock's time then
}

// NewSkewed returns a clock that agrees with base until it is told otherwise.
func NewSkewed(base Clock) *Skewed {
	now := base.Now()
	return &Skewed{base: base, rate: 1, from: now, at: now}
}

// Now returns the skewed time.
func (s *Skewed) Now() Instant {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, now := s.read()
	return now
}

// read returns the time below and the skewed time that belongs to it. The caller holds mu.
func (s *Skewed) read() (base, now Instant) {
	base = s.base.Now()
	return base, s.at.Add(time.Duration(float64(base.Sub(s.from)) * s.rate))
}

// SetRate makes the clock run at rate from now on: 1.01 is one percent fast. A rate below 0 would
// run backwards and counts as 0, a clock that stands still.
func (s *Skewed) SetRate(rate float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.from, s.at = s.read()
	s.rate = max(rate, 0)
}

// Suspend moves the clock forward by d without its timers noticing: what a process sees of a
// suspend. A negative d is ignored, since a Clock never goes backwards.
func (s *Skewed) Suspend(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.from, s.at = s.read()
	s.at = s.at.Add(max(d, 0))
}

// NewTimer returns a timer that fires when this clock, at the rate it has now, will have advanced by
// d. A clock that stands still gets a timer that never fires.
func (s *Skewed) NewTimer(d time.Duration) Timer {
	return &skewedTimer{clock: s, Timer: s.base.NewTimer(s.toBase(d))}
}

func (s *Skewed) toBase(d time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	scaled := math.Ceil(float64(d) / s.rate) // never early: who waits for the rest would spin
	if !(scaled < math.MaxInt64) {           // also NaN, from 0/0
		return math.MaxInt64
	}
	return time.Duration(scaled)
}

type skewedTimer struct {
	Timer
	clock *Skewed
}

func (t *skewedTimer) Reset(d time.Duration) bool { return t.Timer.Reset(t.clock.toBase(d)) }
