package redlock

import (
	"testing"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
)

func isFirst(s *spot) bool {
	select {
	case <-s.first:
		return true
	default:
		return false
	}
}

func TestALineIsFirstComeFirstServed(t *testing.T) {
	var l lines
	a, b, c := l.join("key", &call{started: 1}), l.join("key", &call{started: 2}), l.join("key", &call{started: 3})
	other := l.join("other", &call{})
	if !isFirst(a) || isFirst(b) || isFirst(c) || !isFirst(other) {
		t.Error("not exactly the first of each line is the first")
	}
	l.leave(b, false)
	if isFirst(c) {
		t.Error("one who leaves from the middle makes the one behind it the first")
	}
	if _, unused := l.leave(a, true); unused != nil || !isFirst(c) || !l.isBehindOurs(c) {
		t.Error("the winner's next is not the first, or does not know that the lock is ours")
	}
	if since, waits := l.next("key"); since != 3 || !waits || l.size() != 2 {
		t.Errorf("the first has waited since %d (waits: %v) and %d wait, want 3 and 2", since, waits, l.size())
	}
	l.leave(c, false)
	l.leave(other, false)
	if len(l.keys) != 0 || l.size() != 0 {
		t.Errorf("%d lines are left when nobody waits", len(l.keys))
	}
}

func TestAHandOverGoesToTheFirstThatWaits(t *testing.T) {
	claim := new(quorum.Claim)
	tests := map[string]struct {
		before    func(l *lines, s *spot)
		claim     *quorum.Claim
		heir      bool // somebody is the heir
		taken     bool
		unclaimed bool // it comes to one who has left meanwhile
	}{
		"who takes it": {claim: claim, heir: true, taken: true},
		"who waits on, if it does not come about":  {heir: true},
		"nobody, if the first asks the nodes":      {before: func(l *lines, s *spot) { l.begin(s) }},
		"nobody, if the first is an heir already":  {before: func(l *lines, _ *spot) { l.heir("key") }},
		"nobody, if it leaves before it is handed": {claim: claim, heir: true, unclaimed: true},
	}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) {
			var l lines
			s, behind := l.join("key", &call{}), l.join("key", &call{})
			if test.before != nil {
				test.before(&l, s)
			}
			heir := l.heir("key")
			if (heir == s) != test.heir {
				t.Fatalf("the heir is %v", heir)
			}
			if heir == nil {
				return
			}
			if l.begin(s) {
				t.Error("the heir asks the nodes while it is handed the lock")
			}
			if test.unclaimed {
				l.leave(s, false)
			}
			if taken := l.deliver(s, test.claim); taken != test.taken {
				t.Errorf("taken: %v, want %v", taken, test.taken)
			}
			if want := test.taken || test.unclaimed; isFirst(behind) != want {
				t.Errorf("the one behind is first: %v, want %v", !want, want)
			}
			if test.claim == nil && !l.begin(s) {
				t.Error("it may not try for itself afterwards")
			}
		})
	}
}

func TestALockThatIsHandedToOneWhoLeavesIsGivenBack(t *testing.T) {
	var l lines
	claim := new(quorum.Claim)
	s := l.join("key", &call{})
	if heir := l.heir("key"); !l.deliver(heir, claim) {
		t.Fatal("not taken")
	}
	if _, unused := l.leave(s, false); unused != claim {
		t.Error("the lock that it did not take up is lost")
	}
	if len(l.keys) != 0 {
		t.Error("the line is left")
	}
}

func TestAKeyIsFreeToAskFor(t *testing.T) {
	tests := map[string]struct {
		before func(l *lines)
		want   bool
	}{
		"at first":                            {func(*lines) {}, true},
		"not while somebody waits":            {func(l *lines) { l.join("key", &call{}) }, false},
		"when another key is waited for":      {func(l *lines) { l.join("other", &call{}) }, true},
		"not while it is left to others":      {func(l *lines) { l.leaveTo("key", 0, 11) }, false},
		"when it was left to others for long": {func(l *lines) { l.leaveTo("key", 0, 10) }, true},
	}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) {
			var l lines
			test.before(&l)
			if got := l.free("key", clock.Instant(10)); got != test.want {
				t.Errorf("free: %v, want %v", got, test.want)
			}
		})
	}
}

// A home node that is listened to later than a majority may have named the one who waits, unheard.
func TestAHomeThatIsHeardLateIsAskedAgain(t *testing.T) {
	w := &watch{
		clock: clock.Process(), rank: func(node int) int { return node },
		vigil: vigil{need: 2}, listening: make(map[int]bool), awake: make(chan struct{}, 1),
	}
	w.vigil.begin()
	w.rest(clock.Forever)
	for _, node := range []int{1, 2} {
		w.hear(node, quorum.Announcement{Kind: quorum.Listening})
	}
	w.begin()
	w.rest(clock.Forever)
	w.hear(3, quorum.Announcement{Kind: quorum.Listening})
	if w.due() != clock.Forever {
		t.Error("another node that is heard makes it try again")
	}
	w.hear(0, quorum.Announcement{Kind: quorum.Listening})
	if w.due() == clock.Forever {
		t.Error("it sleeps on, though its home may have named it")
	}
}
