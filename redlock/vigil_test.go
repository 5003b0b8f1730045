package redlock

import (
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
)

// A heard is one announcement: when it came, from the node of which rank, and what it said.
type heard struct {
	at   time.Duration
	rank int
	quorum.Announcement
}

func freed(at time.Duration, rank int, waiter string) heard {
	return heard{at, rank, quorum.Announcement{Kind: quorum.Freed, Waiter: waiter}}
}

func taken(at time.Duration, rank int, waiter string) heard {
	return heard{at, rank, quorum.Announcement{Kind: quorum.Taken, Waiter: waiter}}
}

func listening(at time.Duration, rank int) heard {
	return heard{at, rank, quorum.Announcement{Kind: quorum.Listening}}
}

// In all of these "us" waits on five nodes, with a round trip of 1 ms, and holds back for 5 ms.
func TestAWaiterTriesAgain(t *testing.T) {
	const ms = time.Millisecond
	const us, them = "us", "them"
	tests := map[string]struct {
		heard []heard
		due   time.Duration
		named bool
	}{
		"at its poll, if it hears nothing": {due: 500 * ms},
		"at once, if its home names it":    {heard: []heard{freed(10*ms, 0, us)}, due: 10 * ms, named: true},
		"a round trip after the first node, if that is not its home": {
			heard: []heard{freed(10*ms, 1, us)}, due: 11 * ms, named: true,
		},
		"as soon as a majority is free, if one of them names it": {
			heard: []heard{freed(10*ms, 3, us), freed(10*ms+200, 1, us), freed(10*ms+300, 2, "")},
			due:   10*ms + 300, named: true,
		},
		"not sooner for a node that says the same thing three times": {
			heard: []heard{freed(10*ms, 1, us), freed(10*ms+1, 1, us), freed(10*ms+2, 1, us)},
			due:   11 * ms, named: true,
		},
		"after a while, if another is named and does not come": {
			heard: []heard{freed(10*ms, 0, them)}, due: 16 * ms,
		},
		"no sooner if a majority names another": {
			heard: []heard{freed(10*ms, 0, them), freed(10*ms, 1, them), freed(10*ms, 2, them)}, due: 16 * ms,
		},
		"after a while, if the home names another than the rest": {
			heard: []heard{freed(10*ms, 3, us), freed(10*ms, 0, them), freed(10*ms, 2, us)}, due: 16 * ms,
		},
		"at once, if the home names it and the rest another": {
			heard: []heard{freed(10*ms, 3, them), freed(11*ms, 0, us)}, due: 11 * ms, named: true,
		},
		"at its poll, if who was named has taken it": {
			heard: []heard{freed(10*ms, 0, them), taken(11*ms, 0, them)}, due: 500 * ms,
		},
		"at its poll, if others still tell of the release before": {
			heard: []heard{freed(10*ms, 0, them), taken(11*ms, 0, them), freed(11*ms, 1, us), freed(11*ms, 2, us)},
			due:   500 * ms,
		},
		"when it is freed again": {
			heard: []heard{freed(10*ms, 0, them), taken(11*ms, 0, them), freed(20*ms, 0, us)}, due: 20 * ms, named: true,
		},
		"soon, if it may have missed something": {heard: []heard{listening(10*ms, 2)}, due: 15 * ms},
		"at once, if it was named and another was quicker": {
			heard: []heard{freed(10*ms, 0, us), taken(11*ms, 0, them)}, due: 11 * ms,
		},
		"at once, if the lock was freed again since": {
			heard: []heard{freed(10*ms, 0, us), taken(11*ms, 0, them), freed(14*ms, 0, them)}, due: 14 * ms,
		},
		"at once, if another was quicker and did not say so": {
			heard: []heard{freed(10*ms, 0, us), freed(14*ms, 0, them)}, due: 14 * ms,
		},
		"at once, if it is named after another that did not say that it took it": {
			heard: []heard{freed(10*ms, 0, them), freed(14*ms, 0, us)}, due: 14 * ms, named: true,
		},
		"never after its poll": {heard: []heard{freed(499*ms, 0, them)}, due: 500 * ms},
	}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) {
			v := vigil{self: us, need: 3, trip: ms, back: 5 * ms}
			v.begin()
			v.rest(clock.Instant(500 * ms))
			for _, h := range test.heard {
				v.hear(clock.Instant(h.at), h.rank, h.rank, h.Announcement)
			}
			if v.due != clock.Instant(test.due) || v.isNamed() != test.named {
				t.Errorf("it tries at %v, named: %v; want %v, %v", time.Duration(v.due), v.isNamed(), test.due, test.named)
			}
		})
	}
}

func TestWhatIsHeardDuringAnAttemptCounts(t *testing.T) {
	v := vigil{self: "us", need: 3, trip: 1, back: 5}
	v.begin()
	v.hear(10, 0, 0, quorum.Announcement{Kind: quorum.Freed, Waiter: "us"})
	v.rest(500)
	if v.due != 10 {
		t.Errorf("the next try is at %d, want 10: the lock was freed after the attempt had been refused", v.due)
	}
	v.begin()
	v.rest(500)
	if v.due != 500 || v.isNamed() {
		t.Errorf("after another attempt the next try is at %d, want 500: the news is used up", v.due)
	}
}

func TestAWaiterThatIsOnNoListEnlistsWhenTheLockIsTaken(t *testing.T) {
	v := vigil{self: "us", need: 3, trip: 1, back: 5, enlist: true}
	v.begin()
	v.rest(500)
	v.enlist = true
	v.hear(10, 0, 0, quorum.Announcement{Kind: quorum.Taken, Waiter: "them"})
	if v.due != 10 {
		t.Errorf("it tries at %d, want 10", v.due)
	}
}

func TestCourtesy(t *testing.T) {
	var c courtesy
	c.note("a", 0, 10)
	c.note("b", 5, 15)
	c.note("a", 8, 18)
	tests := map[string]struct {
		at    clock.Instant
		key   string
		until clock.Instant
	}{
		"a key that was never released":               {8, "c", clock.Never},
		"a key that was":                              {8, "b", 15},
		"a key that was released again":               {12, "a", 18},
		"a key whose time is over":                    {16, "b", clock.Never},
		"a key whose last time is over, and is empty": {18, "a", clock.Never},
	}
	for _, sentence := range []string{
		"a key that was never released", "a key that was", "a key that was released again",
		"a key whose time is over", "a key whose last time is over, and is empty",
	} {
		test := tests[sentence]
		if got := c.until(test.key, test.at); got != test.until {
			t.Errorf("%s: left to others until %d, want %d", sentence, got, test.until)
		}
	}
	if len(c.keys)+len(c.order) > 0 {
		t.Errorf("%d keys and %d entries are left when all is over", len(c.keys), len(c.order))
	}
}
