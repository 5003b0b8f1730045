package chaos

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorumlock/quorumlock/clock"
)

// rings returns when a timer of d rings, counted from now, if the machine is treated so meanwhile.
func rings(t *testing.T, d time.Duration, treat func(m *machine)) (after time.Duration, m *machine) {
	t.Helper()
	m = newMachine()
	begin := time.Now()
	timer := m.NewTimer(d)
	treat(m)
	<-timer.C()
	return time.Since(begin), m
}

func TestMachineTimers(t *testing.T) {
	const s = time.Second
	halt := func(asleep bool, from, to time.Duration) func(*machine) {
		return func(m *machine) {
			go func() {
				time.Sleep(from)
				goOn := m.halt(asleep)
				time.Sleep(to - from)
				goOn()
			}()
		}
	}
	both := func(a, b func(*machine)) func(*machine) {
		return func(m *machine) { a(m); b(m) }
	}
	tests := map[string]struct {
		treat func(*machine)
		want  time.Duration // for a timer of 10s
	}{
		"a machine that runs":                       {func(*machine) {}, 10 * s},
		"stopped and back before it rings":          {halt(false, 2*s, 5*s), 10 * s},
		"stopped when it should ring":               {halt(false, 8*s, 15*s), 15*s + wake},
		"asleep and awake before it rings":          {halt(true, 2*s, 5*s), 13 * s},
		"asleep when it should ring":                {halt(true, 8*s, 15*s), 17 * s},
		"asleep twice":                              {both(halt(true, 2*s, 5*s), halt(true, 6*s, 8*s)), 15 * s},
		"asleep, and stopped when it should ring":   {both(halt(true, 2*s, 5*s), halt(false, 12*s, 20*s)), 20*s + wake},
		"stopped by two, and back after the second": {both(halt(false, 8*s, 12*s), halt(false, 9*s, 15*s)), 15*s + wake},
		"asleep for longer than the timer, at once": {halt(true, 0, 100*s), 110 * s},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got, _ := rings(t, 10*s, tc.treat)
				if got < tc.want || got > tc.want+2*wake {
					t.Errorf("the timer of 10s rings after %v, want %v", got, tc.want)
				}
				synctest.Wait()
			})
		})
	}
}

func TestMachineRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, m := rings(t, 10*time.Second, func(*machine) {})
		if got != 10*time.Second || m.Now() != clock.Instant(10*time.Second) {
			t.Errorf("at rate 1 it rings after %v, at %v", got, m.Now())
		}
		m.setRate(2)
		begin := time.Now()
		timer := m.NewTimer(10 * time.Second)
		<-timer.C()
		if got := time.Since(begin); got != 5*time.Second || m.Now() != clock.Instant(20*time.Second) {
			t.Errorf("at rate 2 it rings after %v, at %v, want after 5s, at 20s", got, time.Duration(m.Now()))
		}
	})
}

// The clock counts the time in which the machine stood still, also asleep.
func TestMachineClockMovesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		goOn := m.halt(true)
		time.Sleep(time.Minute)
		goOn()
		if got := m.Now(); got != clock.Instant(time.Minute) {
			t.Errorf("after a minute asleep the clock is at %v", time.Duration(got))
		}
	})
}

func TestMachineTimerStopAndReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		timer := m.NewTimer(time.Second)
		if !timer.Stop() || timer.Stop() {
			t.Error("Stop says true for a timer that runs, and false for one that does not")
		}
		if timer.Reset(time.Second) {
			t.Error("Reset of a stopped timer says that it ran")
		}
		time.Sleep(2 * time.Second)
		if timer.Stop() {
			t.Error("Stop of a timer that has rung says that it ran")
		}
		select {
		case <-timer.C():
			t.Error("a stale value after Stop")
		default:
		}
		timer.Reset(time.Second)
		goOn := m.halt(false)
		time.Sleep(2 * time.Second)
		if !timer.Stop() {
			t.Error("a timer that is due on a stopped machine has not rung")
		}
		goOn()
		time.Sleep(time.Second)
		select {
		case <-timer.C():
			t.Error("a timer that was stopped rings when its machine goes on")
		default:
		}
	})
}

// pass lets nobody through while the machine stands still.
func TestMachinePass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		m.pass()
		goOn := m.halt(false)
		begin, passed := time.Now(), make(chan time.Duration)
		go func() {
			m.pass()
			passed <- time.Since(begin)
		}()
		time.Sleep(time.Second)
		goOn()
		if got := <-passed; got != time.Second {
			t.Errorf("passed after %v, want 1s", got)
		}
	})
}
