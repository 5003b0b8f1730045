package quorumtest

import (
	"fmt"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
)

var timeChecks = checks{
	"a key goes when its TTL is over, and not before": func(a *asker) {
		const ttl = 50 * time.Millisecond
		sent := a.Clock.Now()
		a.want(quorum.Mine, a.op(quorum.Acquire, ttl))
		a.untilFree(a.op(quorum.Inspect, 0))
		if lived := a.Clock.Now().Sub(sent); lived < ttl-clock.Granularity {
			a.Errorf("the key was gone %v after it was asked for, want %v", lived, ttl)
		}
		a.want(quorum.Mine, a.rival(quorum.Acquire, long))
	},
	"a key that is extended outlives its first TTL": extendedInTime,
	"what is left goes down": func(a *asker) {
		first := a.want(quorum.Mine, a.op(quorum.Acquire, long)).Remaining
		a.want(quorum.Mine, a.twin("twin", quorum.Acquire, 20*time.Millisecond))
		a.untilFree(a.twin("twin", quorum.Inspect, 0))
		if left := a.want(quorum.Mine, a.op(quorum.Inspect, 0)).Remaining; left > first-15*time.Millisecond {
			a.Errorf("remaining = %v more than 20ms after it was %v", left, first)
		}
	},
	"fractions of a millisecond are rounded up": roundingUp,
	"answers say what time it is on the node": func(a *asker) {
		const year = 365 * 24 * time.Hour
		before := a.want(quorum.Free, a.op(quorum.Inspect, 0)).NodeTime
		if before < 29*year {
			a.Errorf("node time = %v, want the time since 1970", before)
		}
		a.want(quorum.Mine, a.op(quorum.Acquire, 20*time.Millisecond))
		a.untilFree(a.op(quorum.Inspect, 0))
		if after := a.want(quorum.Free, a.op(quorum.Inspect, 0)).NodeTime; after-before < 15*time.Millisecond {
			a.Errorf("node time went from %v to %v while a key of 20ms ran out", before, after)
		}
	},
}

// extendedInTime watches an equal key that is not extended, to know when the first TTL is over. A
// busy machine may need longer than that for two questions, and gets another try with more.
func extendedInTime(a *asker) {
	for ttl := 50 * time.Millisecond; ttl < patience; ttl *= 4 {
		key, other := fmt.Sprint("extended ", ttl), fmt.Sprint("left alone ", ttl)
		a.want(quorum.Mine, a.twin(key, quorum.Acquire, ttl))
		a.want(quorum.Mine, a.twin(other, quorum.Acquire, ttl))
		if a.ask(a.twin(key, quorum.Extend, long))[0].Verdict != quorum.Mine {
			continue
		}
		a.untilFree(a.twin(other, quorum.Inspect, 0))
		a.want(quorum.Mine, a.twin(key, quorum.Inspect, 0))
		return
	}
	a.Errorf("no key could be extended before it ran out")
}

// twin is an operation of the asker on a second key.
func (a *asker) twin(suffix string, kind quorum.Kind, ttl time.Duration) quorum.Op {
	return quorum.Op{Kind: kind, Key: a.key + suffix, Value: a.mine, TTL: ttl}
}

// roundingUp tries several keys, because a node that lets a millisecond pass between storing the key
// and looking at it may answer one less; a node that rounds down never gets above the floor.
func roundingUp(a *asker) {
	const floor, ttl = 200 * time.Millisecond, 200*time.Millisecond + time.Nanosecond
	for i := range 20 {
		op := a.twin(fmt.Sprint(i), quorum.Acquire, ttl)
		if a.want(quorum.Mine, op).Remaining > floor {
			return
		}
	}
	a.Errorf("a TTL of %v never left more than %v", ttl, floor)
}

var limitChecks = checks{
	"an acquire after its time is late and writes nothing": func(a *asker) {
		a.want(quorum.Late, a.lateBy(time.Second, a.op(quorum.Acquire, long)))
		a.want(quorum.Free, a.op(quorum.Inspect, 0))
	},
	"a heal after its time is late and writes nothing": func(a *asker) {
		a.want(quorum.Late, a.lateBy(time.Second, a.op(quorum.Heal, long)))
		a.want(quorum.Free, a.op(quorum.Inspect, 0))
	},
	"a late acquire does not even lengthen": func(a *asker) {
		a.want(quorum.Mine, a.op(quorum.Acquire, long))
		a.want(quorum.Late, a.lateBy(time.Second, a.op(quorum.Acquire, 2*long)))
		a.want(quorum.Late, a.lateBy(time.Second, a.op(quorum.Heal, 2*long)))
		a.wantLeft(a.want(quorum.Mine, a.op(quorum.Inspect, 0)), nearlyLong, long)
	},
	"an acquire in time is granted": func(a *asker) {
		a.want(quorum.Mine, a.lateBy(-patience, a.op(quorum.Acquire, long)))
		a.want(quorum.Mine, a.lateBy(-patience, a.op(quorum.Heal, long)))
	},
	"no limit is no limit": func(a *asker) {
		op := a.op(quorum.Acquire, long)
		op.NotAfter = 0
		a.want(quorum.Mine, op)
	},
	"the other kinds know no limit": func(a *asker) {
		a.want(quorum.Mine, a.op(quorum.Acquire, long))
		a.want(quorum.Mine, a.lateBy(time.Second, a.op(quorum.Inspect, 0)))
		a.want(quorum.Mine, a.lateBy(time.Second, a.op(quorum.Extend, long)))
		a.want(quorum.Mine, a.lateBy(time.Second, a.op(quorum.Release, 0)))
	},
	"an answer after being late is as good as any": func(a *asker) {
		a.want(quorum.Late, a.lateBy(time.Second, a.op(quorum.Acquire, long)))
		a.want(quorum.Mine, a.lateBy(-patience, a.op(quorum.Acquire, long)))
	},
	"slack is all that a limit may be missed by": func(a *asker) {
		for _, kind := range []quorum.Kind{quorum.Acquire, quorum.Heal} {
			slack := a.want(quorum.Mine, a.lateBy(-patience, a.op(kind, long))).Slack
			if slack > patience {
				a.Fatalf("slack = %v on an undisturbed connection", slack)
			}
			a.want(quorum.Late, a.lateBy(slack+5*clock.Granularity, a.op(kind, long)))
		}
	},
}

// lateBy returns op with a limit that is d in the past.
func (a *asker) lateBy(d time.Duration, op quorum.Op) quorum.Op {
	op.NotAfter = a.Clock.Now().Add(-d)
	return op
}
