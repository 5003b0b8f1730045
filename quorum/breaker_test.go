package quorum

import (
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/clock"
)

// A breaker's life as a script: what happens, and what it says to that.
func TestBreaker(t *testing.T) {
	const ms = clock.Instant(time.Millisecond)
	type step struct {
		at   clock.Instant
		does string // silent, answered or allow
		want bool   // opened, closed, allowed
		open bool   // afterwards
	}
	thrice := []step{{0, "silent", false, false}, {0, "silent", false, false}, {0, "silent", true, true}}
	after := func(steps ...step) []step { return append(thrice[:3:3], steps...) }
	tests := map[string][]step{
		"closed, it lets everything through": {{0, "allow", true, false}, {0, "allow", true, false}},
		"two failures do not open it":        {{0, "silent", false, false}, {0, "silent", false, false}, {0, "allow", true, false}},
		"three in a row do":                  thrice,
		"an answer between them starts anew": {
			{0, "silent", false, false},
			{0, "silent", false, false},
			{0, "answered", false, false},
			{0, "silent", false, false},
			{0, "silent", false, false},
			{0, "allow", true, false},
		},
		"open, it lets nothing through":   after(step{0, "allow", false, true}, step{100*ms - 1, "allow", false, true}),
		"it opens only once":              after(step{0, "silent", false, true}),
		"an answer closes it":             after(step{0, "answered", true, false}, step{0, "allow", true, false}),
		"a second answer closes nothing":  after(step{0, "answered", true, false}, step{0, "answered", false, false}),
		"once closed, it is new":          after(step{0, "answered", true, false}, step{0, "silent", false, false}, step{0, "silent", false, false}),
		"one trial per pause":             after(step{100 * ms, "allow", true, true}, step{100 * ms, "allow", false, true}, step{200*ms - 1, "allow", false, true}, step{200 * ms, "allow", true, true}),
		"a failed trial doubles the wait": after(step{100 * ms, "allow", true, true}, step{150 * ms, "silent", false, true}, step{350*ms - 1, "allow", false, true}, step{350 * ms, "allow", true, true}),
		"but not without end": after(
			step{0, "silent", false, true}, step{0, "silent", false, true}, step{0, "silent", false, true}, step{0, "silent", false, true},
			step{0, "silent", false, true}, step{1000*ms - 1, "allow", false, true}, step{1000 * ms, "allow", true, true}),
		"an answer forgets the doubling": after(
			step{0, "silent", false, true}, step{0, "answered", true, false},
			step{0, "silent", false, false}, step{0, "silent", false, false}, step{0, "silent", true, true},
			step{100*ms - 1, "allow", false, true}, step{100 * ms, "allow", true, true}),
	}
	for name, script := range tests {
		t.Run(name, func(t *testing.T) {
			var b breaker
			for i, s := range script {
				var got bool
				switch s.does {
				case "silent":
					got = b.silent(s.at)
				case "answered":
					got = b.answered()
				case "allow":
					got = b.allow(s.at)
				}
				if got != s.want || b.open() != s.open {
					t.Fatalf("step %d: %s at %v says %v and leaves open = %v, want %v and %v",
						i, s.does, time.Duration(s.at), got, b.open(), s.want, s.open)
				}
			}
		})
	}
}
