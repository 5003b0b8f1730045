package quorumtest

import (
	"fmt"
	"slices"
	"time"

	"github.com/quorumlock/quorumlock/quorum"
)

// tokenChecks are made on nodes that have forgotten everything, where small hints say all that is to be known
// of a number. They count with TTLs of up to longest, unless they wait for counters to be forgotten.
var tokenChecks = checks{
	"the first grant takes the hint": func(a *asker) {
		a.forgets()
		a.wantToken(1000, a.hinted(1000, a.op(quorum.Acquire, long)))
	},
	"later grants are larger, whatever the hint": func(a *asker) {
		a.forgets()
		for _, turn := range []struct{ hint, want uint64 }{{1000, 1000}, {1000, 1001}, {1, 1002}, {5000, 5000}, {4999, 5001}} {
			a.wantToken(turn.want, a.hinted(turn.hint, a.op(quorum.Acquire, long)))
			a.want(quorum.Mine, a.op(quorum.Release, 0))
		}
	},
	"a number outlives its lock": func(a *asker) {
		a.forgets()
		a.wantToken(1000, a.hinted(1000, a.op(quorum.Acquire, 20*time.Millisecond)))
		a.untilFree(a.op(quorum.Inspect, 0))
		a.wantToken(1001, a.hinted(1, a.rival(quorum.Acquire, long)))
	},
	"a hand-over is a grant": func(a *asker) {
		a.forgets()
		a.wantToken(1000, a.hinted(1000, a.op(quorum.Acquire, long)))
		a.wantToken(1001, a.hinted(1, a.handOver(long)))
		back := a.handOver(long)
		back.Value, back.Next = back.Next, back.Value
		a.wantToken(2000, a.hinted(2000, back))
	},
	"a hand-over of what has no number gives it one": func(a *asker) {
		a.forgets()
		a.Plant(a.key, a.mine)
		a.wantToken(1000, a.hinted(1000, a.handOver(long)))
	},
	"a value that is there already keeps its number, so that a lost reply does no harm": func(a *asker) {
		a.forgets()
		for range 2 {
			a.wantToken(1000, a.hinted(1000, a.op(quorum.Acquire, long)))
			a.wantToken(1000, a.hinted(5000, a.op(quorum.Acquire, 2*long)))
		}
		for range 2 {
			a.wantToken(1001, a.hinted(1, a.handOver(long)))
			a.wantToken(1001, a.hinted(5000, a.handOver(2*long)))
		}
		a.wantToken(1001, a.hinted(5000, a.rival(quorum.Acquire, long)))
	},
	"a value that is there without a number gets one": func(a *asker) {
		a.forgets()
		a.wantToken(0, a.op(quorum.Acquire, long))
		a.wantToken(1000, a.hinted(1000, a.op(quorum.Acquire, long)))
	},
	"who asks for none gets none, and none is spent": func(a *asker) {
		a.forgets()
		a.wantToken(1000, a.hinted(1000, a.op(quorum.Acquire, long)))
		a.want(quorum.Mine, a.op(quorum.Release, 0))
		a.wantToken(0, a.op(quorum.Acquire, long))
		a.wantToken(0, a.handOver(long))
		a.want(quorum.Mine, a.rival(quorum.Release, 0))
		a.wantToken(1001, a.hinted(1, a.op(quorum.Acquire, long)))
	},
	"nothing else is numbered": func(a *asker) {
		a.forgets()
		a.wantToken(1000, a.hinted(1000, a.op(quorum.Acquire, long)))
		for _, kind := range []quorum.Kind{quorum.Extend, quorum.Inspect, quorum.Heal, quorum.Release, quorum.Heal} {
			op := a.hinted(5000, a.op(kind, long))
			if kind == quorum.Release {
				op.TTL = 0
			}
			a.wantToken(0, op)
		}
		a.want(quorum.Mine, a.op(quorum.Release, 0))
		a.wantToken(1001, a.hinted(1, a.op(quorum.Acquire, long)))
	},
	"who is refused gets none, and none is spent": func(a *asker) {
		a.forgets()
		a.wantToken(1000, a.hinted(1000, a.rival(quorum.Acquire, long)))
		a.wantOther(a.theirs, a.hinted(5000, a.op(quorum.Acquire, long)))
		a.want(quorum.Late, a.lateBy(time.Second, a.hinted(5000, a.rival(quorum.Acquire, long))))
		a.want(quorum.Late, a.lateBy(time.Second, a.hinted(5000, a.handOver(long))))
		third := a.hinted(5000, a.handOver(long))
		third.Next = "third:" + a.theirs
		a.wantOther(a.theirs, third)
		a.want(quorum.Mine, a.rival(quorum.Release, 0))
		a.want(quorum.Free, a.hinted(5000, a.handOver(long)))
		a.want(quorum.Late, a.lateBy(time.Second, a.hinted(5000, a.op(quorum.Acquire, long))))
		a.wantToken(1001, a.hinted(1, a.op(quorum.Acquire, long)))
	},
	"a hint from the future counts as one second ahead of the node": func(a *asker) {
		a.forgets()
		const second = uint64(time.Second / time.Microsecond)
		before := microseconds(a.want(quorum.Free, a.op(quorum.Inspect, 0)))
		answer := a.want(quorum.Mine, a.hinted(quorum.MaxToken-1, a.op(quorum.Acquire, long)))
		if after := microseconds(answer) + second; answer.Token < before+second || answer.Token > after {
			a.Errorf("token %d with a hint from the year 2255, want %d to %d", answer.Token, before+second, after)
		}
		handed := a.want(quorum.Mine, a.hinted(quorum.MaxToken-1, a.handOver(long)))
		if latest := max(microseconds(handed)+second, answer.Token+1); handed.Token <= answer.Token || handed.Token > latest {
			a.Errorf("token %d after %d with a hint from the year 2255, want up to %d", handed.Token, answer.Token, latest)
		}
	},
	"two keys do not share a counter": func(a *asker) {
		a.forgets()
		a.wantToken(1000, a.hinted(1000, a.op(quorum.Acquire, long)))
		for name, s := range awkward {
			a.wantToken(5, a.hinted(5, a.twin(s, quorum.Acquire, long)))
			a.Logf("key with %s: a counter of its own", name)
		}
	},
	"a raise is exact": func(a *asker) {
		a.forgets()
		a.wantToken(1000, a.hinted(1000, a.op(quorum.Acquire, long)))
		a.wantLeft(a.wantToken(5000, a.raise(5000, a.op(quorum.Raise, 0))), nearlyLong, long)
		a.wantToken(5000, a.hinted(9000, a.op(quorum.Acquire, long)))
		a.want(quorum.Mine, a.op(quorum.Release, 0))
		a.wantToken(5001, a.hinted(1, a.op(quorum.Acquire, long)))
	},
	"a raise never lowers": func(a *asker) {
		a.forgets()
		a.wantToken(1000, a.hinted(1000, a.op(quorum.Acquire, long)))
		a.wantToken(1000, a.raise(10, a.op(quorum.Raise, 0)))
		a.wantToken(1000, a.raise(1000, a.op(quorum.Raise, 0)))
		a.wantToken(1000, a.hinted(1, a.op(quorum.Acquire, long)))
	},
	"a raise needs the key to hold the value": func(a *asker) {
		a.forgets()
		a.wantToken(1000, a.hinted(1000, a.op(quorum.Acquire, long)))
		a.want(quorum.Mine, a.op(quorum.Release, 0))
		a.want(quorum.Free, a.raise(5000, a.op(quorum.Raise, 0)))
		a.want(quorum.Free, a.op(quorum.Inspect, 0))
		a.wantToken(1001, a.hinted(1, a.rival(quorum.Acquire, long)))
		a.wantLeft(a.wantOther(a.theirs, a.raise(5000, a.op(quorum.Raise, 0))), nearlyLong, long)
		a.wantToken(1001, a.hinted(1, a.rival(quorum.Acquire, long)))
	},
	"a raise makes a counter where there is none": func(a *asker) {
		a.forgets()
		a.Plant(a.key, a.mine)
		a.wantEndless(a.wantToken(1000, a.raise(1000, a.op(quorum.Raise, 0))))
		a.wantToken(1000, a.hinted(1, a.op(quorum.Acquire, long)))
	},
	"a raise knows no limit, and no TTL": func(a *asker) {
		a.forgets()
		a.want(quorum.Mine, a.op(quorum.Acquire, long))
		a.wantLeft(a.wantToken(1000, a.lateBy(time.Second, a.raise(1000, a.op(quorum.Raise, 2*long)))), nearlyLong, long)
		a.wantLeft(a.want(quorum.Mine, a.op(quorum.Inspect, 0)), nearlyLong, long)
	},
	"forgotten numbers never come back": forgottenNumbers,
	"large numbers are exact": func(a *asker) {
		a.forgets()
		defer a.Wipe() // other keys would begin there one day
		a.want(quorum.Mine, a.op(quorum.Acquire, long))
		for _, n := range []uint64{1<<31 + 1, 99_999_999_999_999, 1_763_769_600_123_457, quorum.MaxToken - 2, quorum.MaxToken - 1} {
			a.wantToken(n, a.raise(n, a.op(quorum.Raise, 0)))
			a.wantToken(n, a.hinted(1, a.op(quorum.Acquire, long)))
		}
	},
	"who cannot get a number gets nothing": numbersAtTheEnd,
	"operations of a batch are numbered in turn": func(a *asker) {
		a.forgets()
		mine, theirs := a.hinted(10, a.op(quorum.Acquire, long)), a.hinted(5, a.rival(quorum.Acquire, long))
		far := a.hinted(100, a.twin("far", quorum.Acquire, long))
		far.MaxTTL = time.Millisecond
		a.wantTokens([]uint64{10, 0, 0, 11, 100, 50, 0, 51, 0, 52, 0},
			mine, theirs, a.op(quorum.Release, 0), theirs, far, a.raise(50, a.rival(quorum.Raise, 0)),
			a.rival(quorum.Release, 0), mine, a.rival(quorum.Release, 0), a.hinted(1, a.handOver(long)), a.op(quorum.Inspect, 0))
	},
	"those who wait are numbered like others": func(a *asker) {
		a.forgets()
		known := a.twin("waiting", quorum.Acquire, long)
		known.Waiter = &quorum.Waiter{ID: "w", Waited: time.Minute}
		refused := a.hinted(7, a.op(quorum.Acquire, long))
		refused.Waiter, refused.Announce = known.Waiter, true
		release := a.twin("waiting", quorum.Release, 0)
		release.Waiter, release.Announce = known.Waiter, true
		a.wantTokens([]uint64{11, 0, 30, 0, 31, 12},
			a.hinted(11, a.rival(quorum.Acquire, long)), refused, a.hinted(30, known), release, a.hinted(1, known),
			a.hinted(1, quorum.Op{Kind: quorum.HandOver, Key: a.key, Value: a.theirs, Next: a.mine, TTL: long}))
	},
	"what cannot be asked for does not take the others down": func(a *asker) {
		acquire, raise := a.hinted(1, a.op(quorum.Acquire, long)), a.raise(1, a.op(quorum.Raise, 0))
		endless, hurried, handed := a.hinted(quorum.MaxToken, acquire), acquire, a.hinted(quorum.MaxToken, a.handOver(long))
		hurried.MaxTTL = time.Millisecond / 2
		nameless, instant := raise, raise
		nameless.Value, instant.MaxTTL = "", 0
		for name, bad := range map[string]quorum.Op{
			"acquire with too large a hint": endless, "acquire without MaxTTL": hurried, "hand-over with too large a hint": handed,
			"raise to nothing": a.raise(0, raise), "raise to too much": a.raise(quorum.MaxToken, raise),
			"raise without a value": nameless, "raise without MaxTTL": instant,
		} {
			_ = a.wantBadAlone(name, bad)
		}
		a.want(quorum.Free, a.op(quorum.Inspect, 0))
	},
}

// forgets lets the node forget every number.
func (a *asker) forgets() {
	a.Helper()
	if a.Wipe == nil {
		a.Skip("this node cannot be wiped")
	}
	a.Wipe()
}

// longest is the MaxTTL of most operations that ask for a number.
const longest = 10 * long

// hinted is op with that hint.
func (a *asker) hinted(hint uint64, op quorum.Op) quorum.Op {
	op.Hint, op.MaxTTL = hint, longest
	return op
}

// raise is op with that token to raise the counter to.
func (a *asker) raise(token uint64, op quorum.Op) quorum.Op {
	op.Token, op.MaxTTL = token, longest
	return op
}

// wantToken asks for one operation and ends the check if it is not granted with that number.
func (a *asker) wantToken(want uint64, op quorum.Op) quorum.Answer {
	a.Helper()
	answer := a.want(quorum.Mine, op)
	if answer.Token != want {
		a.Fatalf("%v of %q for %q with hint %d = token %d, want %d", op.Kind, op.Key, op.Value, op.Hint, answer.Token, want)
	}
	return answer
}

// wantTokens asks for a batch and demands those numbers.
func (a *asker) wantTokens(want []uint64, batch ...quorum.Op) {
	a.Helper()
	answers := a.ask(batch...)
	got := make([]uint64, len(answers))
	for i, answer := range answers {
		got[i] = answer.Token
	}
	if !slices.Equal(got, want) {
		a.Errorf("tokens = %d (%v), want %d", got, verdicts(answers), want)
	}
}

// microseconds is the node time of an answer as tokens count it.
func microseconds(answer quorum.Answer) uint64 { return uint64(answer.NodeTime / time.Microsecond) }

// forgottenNumbers takes a key again and again after ever longer breaks, during some of which its counter is
// forgotten. The hint is taken once, so that later numbers come from what the node knows.
func forgottenNumbers(a *asker) {
	a.forgets()
	const maxTTL = 10 * time.Millisecond
	hint, last := uint64(1_000_000), uint64(0)
	pause := a.Clock.NewTimer(0)
	defer pause.Stop()
	for i := range 20 {
		op := a.hinted(hint, a.op(quorum.Acquire, long))
		op.Value, op.MaxTTL, hint = fmt.Sprint(a.mine, i), maxTTL, 1
		token := a.want(quorum.Mine, op).Token
		if token <= last {
			a.Fatalf("token %d after token %d, %v after it", token, last, time.Duration(i)*maxTTL/4)
		}
		last = token
		op.Kind, op.TTL = quorum.Release, 0
		a.want(quorum.Mine, op)
		<-pause.C()
		pause.Reset(time.Duration(i+1) * maxTTL / 4)
	}
}

// numbersAtTheEnd brings a counter to the largest number that there is.
func numbersAtTheEnd(a *asker) {
	a.forgets()
	defer a.Wipe() // other keys would begin there one day
	a.want(quorum.Mine, a.op(quorum.Acquire, long))
	a.wantToken(quorum.MaxToken-1, a.raise(quorum.MaxToken-1, a.op(quorum.Raise, 0)))
	a.wantPermanent(a.wantBadAlone("hand-over", a.hinted(1, a.handOver(long))))
	a.want(quorum.Mine, a.op(quorum.Release, 0))
	a.wantPermanent(a.wantBadAlone("acquire", a.hinted(1, a.rival(quorum.Acquire, long))))
	a.want(quorum.Free, a.rival(quorum.Inspect, 0))
	a.wantToken(0, a.rival(quorum.Acquire, long))
	a.wantToken(quorum.MaxToken-1, a.hinted(1, a.rival(quorum.Acquire, long)))
}
