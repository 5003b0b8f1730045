package redlock

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
)

func TestValuesAreFreshAndCarryTheLabel(t *testing.T) {
	seen := make(map[string]bool)
	for range 1000 {
		value := newValue("host:1")
		if seen[value] {
			t.Fatalf("value %q came twice", value)
		}
		seen[value] = true
		if got := holderOf(value); got != "host:1" {
			t.Fatalf("holderOf(%q) = %q", value, got)
		}
	}
	for _, foreign := range []string{"", "x", "b2hsYWxhbGFsYWxhbGFsYQ==", strings.Repeat("x", valueRandom)} {
		if got := holderOf(foreign); got != "" {
			t.Errorf("holderOf(%q) = %q, want none", foreign, got)
		}
	}
}

func FuzzTicket(f *testing.F) {
	f.Add(uint64(7), "job", newValue("me"), "AgABeHk")
	f.Add(quorum.MaxToken-1, "\x00\xff", "v", "")
	f.Fuzz(func(t *testing.T, token uint64, key, value, junk string) {
		if n, k, v, err := parseTicket(newTicket(token, key, value)); err == nil && (n != token || k != key || v != value) {
			t.Errorf("(%d, %q, %q) came back as (%d, %q, %q)", token, key, value, n, k, v)
		} else if err != nil && value != "" && token < quorum.MaxToken && validateKey(key) == nil {
			t.Errorf("(%d, %q, %q): %v", token, key, value, err)
		}
		if n, k, v, err := parseTicket(junk); err == nil && newTicket(n, k, v) != junk {
			t.Errorf("%q is read as (%d, %q, %q), whose ticket is another", junk, n, k, v)
		}
	})
}

// FuzzOptions: whatever the options say, a configuration is either refused or has terms that an engine
// can work with.
func FuzzOptions(f *testing.F) {
	f.Add(int64(DefaultTTL), int64(0), int64(0), int64(DefaultMaxTTL), 0.01, int64(0), 5, 0, "me")
	f.Add(int64(-1), int64(1)<<62, int64(1)<<62, int64(-1), 2.0, int64(-5), 0, 9, "\x00")
	f.Fuzz(func(t *testing.T, ttl, grace, least, maxTTL int64, rate float64, step int64, nodes, votes int, holder string) {
		c := newConfig([]Option{
			WithTTL(time.Duration(ttl)), WithGrace(time.Duration(grace)), WithMinValidity(time.Duration(least)),
			WithMaxTTL(time.Duration(maxTTL)), WithDrift(rate, time.Duration(step)), WithVotes(votes), WithHolder(holder),
		})
		if c.validate(nodes) != nil {
			return
		}
		terms := c.lease.terms()
		valid := c.drift.Validity(terms.TTL)
		switch {
		case terms.TTL < MinTTL, terms.Lifetime() > c.maxTTL, terms.Lifetime() < terms.TTL:
			t.Errorf("terms %+v with MaxTTL %v", terms, c.maxTTL)
		case terms.MinValidity < 0, terms.MinValidity > valid, valid <= 0, valid >= terms.TTL:
			t.Errorf("terms %+v leave %v", terms, valid)
		case terms.Timeout < 50*time.Millisecond, terms.Timeout > time.Second:
			t.Errorf("node timeout %v", terms.Timeout)
		}
	})
}

func TestBackoff(t *testing.T) {
	const ms = time.Millisecond
	tests := map[string]struct {
		next func(b *backoff) time.Duration
		want []time.Duration
	}{
		"a split doubles from two round trips": {
			func(b *backoff) time.Duration { return b.split(3*ms, 1) },
			[]time.Duration{6 * ms, 12 * ms, 24 * ms, 48 * ms, 96 * ms, 192 * ms, 250 * ms, 250 * ms},
		},
		"a split may wait for nothing": {
			func(b *backoff) time.Duration { return b.split(3*ms, 0) }, []time.Duration{0, 0, 0},
		},
		"a fast fleet still gets a bound to draw from": {
			func(b *backoff) time.Duration { return b.split(10*time.Microsecond, 1) }, []time.Duration{2 * ms, 4 * ms},
		},
		"held waits at least half of its bound": {
			func(b *backoff) time.Duration { return b.held(0, 0, time.Second, 0) },
			[]time.Duration{2 * ms, 4 * ms, 8 * ms, 16 * ms, 32 * ms, 50 * ms, 50 * ms},
		},
		"held is bounded by half of a short TTL": {
			func(b *backoff) time.Duration { return b.held(0, 0, 20*ms, 1) }, []time.Duration{4 * ms, 8 * ms, 10 * ms, 10 * ms},
		},
		"held ends with the holder's time": {
			func(b *backoff) time.Duration { return b.held(time.Millisecond, 0, time.Second, 0.5) }, []time.Duration{2 * ms, 2 * ms},
		},
		"a silent fleet is asked ever less often": {
			func(b *backoff) time.Duration { return b.down(1) },
			[]time.Duration{50 * ms, 100 * ms, 200 * ms, 400 * ms, 800 * ms, time.Second, time.Second},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var b backoff
			for i, want := range tc.want {
				if got := tc.next(&b); got != want {
					t.Errorf("pause %d = %v, want %v", i+1, got, want)
				}
			}
		})
	}
}

func TestRetryRenewal(t *testing.T) {
	const ms = time.Millisecond
	tests := map[string]struct {
		failures             int
		remaining, roundTrip time.Duration
		want                 time.Duration
	}{
		"the first retry is soon":                    {1, 6 * time.Second, ms, 50 * ms},
		"later ones are rarer":                       {4, 60 * time.Second, ms, 400 * ms},
		"but at least every second":                  {50, 60 * time.Second, ms, time.Second},
		"a quarter of what remains bounds them":      {4, 400 * ms, ms, 100 * ms},
		"near the end they come every round trip":    {4, 10 * ms, 20 * ms, 20 * ms},
		"and never more often than every 5ms":        {4, ms, ms, 5 * ms},
		"a lease that is over is not asked in haste": {4, -time.Second, ms, 5 * ms},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := retryRenewal(tc.failures, tc.remaining, tc.roundTrip); got != tc.want {
				t.Errorf("retryRenewal(%d, %v, %v) = %v, want %v", tc.failures, tc.remaining, tc.roundTrip, got, tc.want)
			}
		})
	}
}

// An alarm is a task that is due at given times.
type alarm struct {
	place entry
	times []clock.Instant
	rung  chan clock.Instant
}

func (a *alarm) due() clock.Instant {
	if len(a.times) == 0 {
		return clock.Forever
	}
	return a.times[0]
}

func (a *alarm) look(now clock.Instant) bool {
	a.times = a.times[1:]
	a.rung <- now
	return len(a.times) > 0
}

func (a *alarm) entry() *entry { return &a.place }

func TestTheSchedulerLooksInTimeAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clk := clock.Process()
		s := newScheduler(clk)
		rung := make(chan clock.Instant, 100)
		at := func(times ...time.Duration) *alarm {
			a := &alarm{rung: rung}
			for _, d := range times {
				a.times = append(a.times, clk.Now().Add(d))
			}
			return a
		}
		removed := at(150 * time.Millisecond)
		for _, a := range []*alarm{at(time.Second, 3*time.Second), at(200 * time.Millisecond), removed, at(2 * time.Second)} {
			if !s.add(a) {
				t.Fatal("a new scheduler refused a task")
			}
		}
		s.remove(removed)
		s.remove(removed)
		s.update(removed)
		for _, want := range []time.Duration{200 * time.Millisecond, time.Second, 2 * time.Second, 3 * time.Second} {
			if got := (<-rung).Sub(0); got != want {
				t.Errorf("looked at %v, want %v", got, want)
			}
		}
		<-time.After(time.Second) // it has ended by itself, and starts again
		if !s.add(at(10 * time.Millisecond)) {
			t.Fatal("an idle scheduler refused a task")
		}
		<-rung
		left := at(time.Hour)
		s.add(left)
		if tasks := s.close(); len(tasks) != 1 || tasks[0] != task(left) {
			t.Errorf("close returned %v, want the task that was left", tasks)
		}
		if s.add(at(0)) {
			t.Error("a closed scheduler took a task")
		}
	})
}

func TestLogHooksSetEveryHook(t *testing.T) {
	var out strings.Builder
	h := LogHooks(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	err := errors.New("why")
	h.Acquired(AcquiredEvent{Name: "job"})
	h.Held(HeldEvent{Name: "job"})
	h.Split(SplitEvent{Name: "job"})
	h.Renewed(RenewedEvent{Name: "job"})
	h.Jeopardy(JeopardyEvent{Name: "job", Err: err})
	h.Lost(LostEvent{Name: "job", Err: err})
	h.Released(ReleasedEvent{Name: "job"})
	h.Released(ReleasedEvent{Name: "job", Err: err})
	h.Healed(HealedEvent{Name: "job", Node: "n"})
	h.NodeDown(NodeEvent{Node: "n", Err: err})
	h.NodeUp(NodeEvent{Node: "n"})
	if got := strings.Count(out.String(), "\n"); got != 11 {
		t.Errorf("%d lines, want 11:\n%s", got, out.String())
	}
	if got := strings.Count(out.String(), "level=WARN"); got != 5 {
		t.Errorf("%d warnings, want 5:\n%s", got, out.String())
	}
}
