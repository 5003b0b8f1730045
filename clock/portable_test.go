package clock

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

func TestRatchet(t *testing.T) {
	const ms, s = time.Millisecond, time.Second
	tests := map[string]struct {
		leads []time.Duration
		want  []time.Duration
	}{
		"clocks that agree":                      {[]time.Duration{0, 0}, []time.Duration{0, 0}},
		"a suspend is counted":                   {[]time.Duration{0, 5 * s}, []time.Duration{0, 5 * s}},
		"once":                                   {[]time.Duration{5 * s, 5 * s}, []time.Duration{5 * s, 5 * s}},
		"jitter is not":                          {[]time.Duration{300, -200, ms - 1, 1 - ms}, []time.Duration{0, 0, 0, 0}},
		"a whole step is no jitter":              {[]time.Duration{ms}, []time.Duration{ms}},
		"small suspends add up":                  {[]time.Duration{ms / 2, ms, ms + ms/2, 2 * ms}, []time.Duration{0, ms, ms, 2 * ms}},
		"a slewed clock is taken for suspends":   {[]time.Duration{ms - 1, ms, 2*ms - 1, 2 * ms}, []time.Duration{0, ms, ms, 2 * ms}},
		"a backward step takes nothing back":     {[]time.Duration{5 * s, -s}, []time.Duration{5 * s, 5 * s}},
		"nor hides a later suspend":              {[]time.Duration{0, -60 * s, -55 * s}, []time.Duration{0, 0, 5 * s}},
		"a step back by less than a step is not": {[]time.Duration{5 * s, 5*s - ms + 1, 6 * s}, []time.Duration{5 * s, 5 * s, 6 * s}},
		"slewing back hides nothing either": {
			[]time.Duration{-ms, -2 * ms, -3 * ms, 2*s - 3*ms},
			[]time.Duration{0, 0, 0, 2 * s},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var r ratchet
			for i, lead := range tc.leads {
				if got := r.observe(lead); got != tc.want[i] {
					t.Errorf("after leads %v: sum %v, want %v", tc.leads[:i+1], got, tc.want[i])
				}
			}
		})
	}
}

// A machine's two clocks, as one [time.Time] carries them, and a test sets them.
type machine struct {
	boot       time.Time
	mono, wall time.Duration // since boot
}

// read returns a time whose two readings differ. No method of [time.Time] makes one: Add moves both, and
// the others drop the monotonic reading. So the test reaches into it, and checks what it got.
func (m *machine) read() time.Time {
	now := m.boot.Add(m.wall)
	layout := (*struct {
		wall      uint64
		monotonic int64
		location  *time.Location
	})(unsafe.Pointer(&now))
	layout.monotonic += int64(m.mono - m.wall)
	if now.Sub(m.boot) != m.mono || now.Round(0).Sub(m.boot.Round(0)) != m.wall {
		panic("time.Time no longer keeps its monotonic reading in its second word")
	}
	return now
}

func TestPortable(t *testing.T) {
	const ms, s = time.Millisecond, time.Second
	type step struct{ mono, wall, want time.Duration } // what each clock moves by
	tests := map[string][]step{
		"both clocks agree":                        {{s, s, s}, {1, 1, 1}, {0, 0, 0}},
		"a suspend shows on the wall clock only":   {{s, s, s}, {ms, 8 * time.Hour, 8 * time.Hour}, {s, s, s}},
		"the wall clock is set forward":            {{s, 61 * s, 61 * s}, {s, s, s}},
		"the wall clock is set back":               {{s, -time.Hour, s}, {s, s, s}},
		"a suspend after it was set back":          {{s, -time.Hour, s}, {s, 9 * s, 9 * s}},
		"a suspend, and the correction after it":   {{0, 9 * s, 9 * s}, {s, -8 * s, s}, {s, s, s}},
		"two readings that are not quite together": {{s, s + ms/2, s}, {s, s - ms/2, s}},
		"a slewed clock is never trusted for more": {{s, s + ms/2, s}, {s, s + ms/2, s + ms}},
	}
	for name, script := range tests {
		t.Run(name, func(t *testing.T) {
			m := machine{boot: time.Now()}
			p := newPortable(m.read)
			if now := p.Now(); now != 0 {
				t.Errorf("clock starts at %d, want 0", now)
			}
			for i, step := range script {
				before := p.Now()
				m.mono += step.mono
				m.wall += step.wall
				if got := p.Now().Sub(before); got != step.want {
					t.Errorf("step %d: clock moved by %v while the monotonic one moved by %v and the wall clock by %v, want %v",
						i, got, step.mono, step.wall, step.want)
				}
			}
		})
	}
}

// However the wall clock is thrown about, the portable clock never goes backwards, nor slower than the
// monotonic one.
func TestPortableIsMonotone(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		m := machine{boot: time.Now()}
		p := newPortable(m.read)
		for range 100 {
			before := p.Now()
			mono := time.Duration(random.Int64N(int64(time.Second)) >> random.IntN(30))
			wall := mono + (time.Duration(random.Int64N(int64(2*time.Minute)))-time.Minute)>>random.IntN(36)
			m.mono += mono
			m.wall += wall
			if got := p.Now().Sub(before); got < mono {
				t.Fatalf("clock moved by %v while the monotonic one moved by %v and the wall clock by %v", got, mono, wall)
			}
		}
	}
}

// In normal life the portable clock is the monotonic one, and its timers are the runtime's.
func TestPortableOnThisMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPortable(time.Now)
		timer := p.NewTimer(time.Hour)
		defer timer.Stop()
		<-timer.C()
		if got := p.Now(); got != Instant(time.Hour) {
			t.Errorf("clock says %v when a timer of 1h has fired", time.Duration(got))
		}
	})
}

func TestPortableIsShared(t *testing.T) {
	p := newPortable(time.Now)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			last := p.Now()
			for range 1000 {
				now := p.Now()
				if now.Before(last) {
					t.Errorf("clock went from %d back to %d", last, now)
					return
				}
				last = now
			}
		})
	}
	all.Wait()
}
