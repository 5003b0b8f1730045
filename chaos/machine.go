package chaos

import (
	"math"
	"slices"
	"sync"
	"time"

	"github.com/quorumlock/quorumlock/clock"
)

// A machine is a client's computer in a simulation, and its clock: it can be stopped, be put to sleep, and
// go at a rate of its own.
//
// A stopped process does not run its timers: those that were due ring when it goes on. A machine that slept
// lets its timers wait for the rest of their time, as Go's do, though its clock has moved on.
//
// Reading its clock does not wait while it stands still: the lock reads it under mutexes, and a wait for one of
// those is no waiting to a synctest bubble. What stands still is what a client's work does, its timers, and its
// end of each link, which is all that others can see of it.
type machine struct {
	skewed *clock.Skewed
	wrong  time.Duration // by how much its time of day is ahead

	mu    sync.Mutex
	rate  float64
	halts int
	going chan struct{} // closed when the last halt ends; nil while it runs
	slept time.Duration // in all
	due   []*machineTimer
}

func newMachine() *machine {
	return &machine{skewed: clock.NewSkewed(clock.Process()), rate: 1}
}

// Now is the machine's time. It moves on while the machine stands still.
func (m *machine) Now() clock.Instant { return m.skewed.Now() }

// Wall is the machine's time of day, which may be years off.
func (m *machine) Wall() time.Time { return time.Now().Add(m.wrong) }

// setRate makes the clock and the timers that are set from now on run at rate.
func (m *machine) setRate(rate float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rate = rate
	m.skewed.SetRate(rate)
}

// real is how long d of the machine's time takes. The caller holds mu.
func (m *machine) real(d time.Duration) time.Duration {
	return time.Duration(math.Ceil(float64(max(d, 0)) / m.rate))
}

// pass returns at once, or when the machine goes on.
func (m *machine) pass() {
	for {
		m.mu.Lock()
		going := m.going
		m.mu.Unlock()
		if going == nil {
			return
		}
		<-going
	}
}

// halt stops the machine, and returns what lets it go on.
func (m *machine) halt(asleep bool) (goOn func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.halts++; m.halts == 1 {
		m.going = make(chan struct{})
	}
	since := time.Now()
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if asleep {
			m.slept += time.Since(since)
		}
		if m.halts--; m.halts == 0 {
			m.goOn()
		}
	}
}

// wake is how long a machine takes to go on. Timers that were due ring together then, so that nothing depends
// on which of them was set first.
const wake = 1031 * time.Nanosecond

// goOn needs mu.
func (m *machine) goOn() {
	close(m.going)
	m.going = nil
	for _, t := range m.due {
		t.set(wake)
	}
	m.due = nil
}

// NewTimer returns a timer that rings when d has passed on the machine, and the machine runs.
func (m *machine) NewTimer(d time.Duration) clock.Timer {
	t := &machineTimer{machine: m, rings: make(chan time.Time, 1)}
	m.mu.Lock()
	defer m.mu.Unlock()
	t.arm(d)
	return t
}

// A machineTimer is a timer of a machine, whose mu guards it.
type machineTimer struct {
	machine *machine
	rings   chan time.Time

	armed bool
	round int           // counts the alarms, so that an old one is not taken for the last
	at    time.Time     // when it is to ring, unless the machine sleeps until then
	slept time.Duration // of the machine, as far as at allows for it
	alarm *time.Timer
}

func (t *machineTimer) C() <-chan time.Time { return t.rings }

func (t *machineTimer) arm(d time.Duration) {
	t.armed = true
	t.slept = t.machine.slept
	wait := t.machine.real(d)
	t.at = time.Now().Add(wait)
	t.set(wait)
}

func (t *machineTimer) set(after time.Duration) {
	t.round++
	round := t.round
	t.alarm = time.AfterFunc(after, func() {
		t.machine.mu.Lock()
		defer t.machine.mu.Unlock()
		if t.armed && t.round == round {
			t.ring()
		}
	})
}

func (t *machineTimer) ring() {
	m := t.machine
	switch missed := m.slept - t.slept; {
	case m.going != nil:
		m.due = append(m.due, t)
	case missed > 0:
		t.slept = m.slept
		t.at = t.at.Add(missed)
		t.set(max(time.Until(t.at), wake))
	default:
		t.armed = false
		t.rings <- time.Now()
	}
}

// Stop follows [time.Timer.Stop].
func (t *machineTimer) Stop() bool {
	t.machine.mu.Lock()
	defer t.machine.mu.Unlock()
	return t.disarm()
}

func (t *machineTimer) disarm() bool {
	was := t.armed
	t.armed = false
	t.round++
	t.alarm.Stop()
	t.machine.due = slices.DeleteFunc(t.machine.due, func(other *machineTimer) bool { return other == t })
	select {
	case <-t.rings:
	default:
	}
	return was
}

// Reset follows [time.Timer.Reset].
func (t *machineTimer) Reset(d time.Duration) bool {
	t.machine.mu.Lock()
	defer t.machine.mu.Unlock()
	was := t.disarm()
	t.arm(d)
	return was
}
