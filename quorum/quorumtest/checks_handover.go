package quorumtest

import (
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
)

// handOver is a hand-over of the asker's key from its value to the other one.
func (a *asker) handOver(ttl time.Duration) quorum.Op {
	op := a.op(quorum.HandOver, ttl)
	op.Next = a.theirs
	return op
}

var handOverChecks = checks{
	"the next value is in the place of the old one": func(a *asker) {
		a.want(quorum.Mine, a.op(quorum.Acquire, long))
		a.wantLeft(a.want(quorum.Mine, a.handOver(long)), nearlyLong, long)
		a.wantLeft(a.want(quorum.Mine, a.rival(quorum.Inspect, 0)), nearlyLong, long)
	},
	"the old value is gone": func(a *asker) {
		a.want(quorum.Mine, a.op(quorum.Acquire, long))
		a.want(quorum.Mine, a.handOver(long))
		a.wantOther(a.theirs, a.op(quorum.Inspect, 0))
		a.wantOther(a.theirs, a.op(quorum.Extend, long))
		a.wantOther(a.theirs, a.op(quorum.Release, 0))
		a.want(quorum.Mine, a.rival(quorum.Release, 0))
		a.want(quorum.Free, a.op(quorum.Inspect, 0))
	},
	"the key lives for no longer than asked": func(a *asker) {
		a.want(quorum.Mine, a.op(quorum.Acquire, 3*long))
		a.wantLeft(a.want(quorum.Mine, a.handOver(long)), nearlyLong, long)
		a.wantLeft(a.want(quorum.Mine, a.rival(quorum.Inspect, 0)), nearlyLong, long)
	},
	"the key lives for no less than asked": func(a *asker) {
		a.want(quorum.Mine, a.op(quorum.Acquire, time.Minute))
		a.wantLeft(a.want(quorum.Mine, a.handOver(2*long)), nearlyLong+long, 2*long)
		a.wantLeft(a.want(quorum.Mine, a.rival(quorum.Inspect, 0)), nearlyLong+long, 2*long)
	},
	"a key without a TTL gets one": func(a *asker) {
		a.Plant(a.key, a.mine)
		a.wantLeft(a.want(quorum.Mine, a.handOver(long)), nearlyLong, long)
		a.wantLeft(a.want(quorum.Mine, a.rival(quorum.Inspect, 0)), nearlyLong, long)
	},
	"a second time is a vote again, so that a lost reply does no harm": func(a *asker) {
		a.want(quorum.Mine, a.op(quorum.Acquire, long))
		a.want(quorum.Mine, a.handOver(long))
		a.wantLeft(a.want(quorum.Mine, a.handOver(time.Second)), nearlyLong, long)
		a.wantLeft(a.want(quorum.Mine, a.handOver(2*long)), nearlyLong+long, 2*long)
		a.wantLeft(a.want(quorum.Mine, a.rival(quorum.Inspect, 0)), nearlyLong+long, 2*long)
	},
	"a next value without a TTL keeps none, since that would shorten it": func(a *asker) {
		a.Plant(a.key, a.theirs)
		a.wantEndless(a.want(quorum.Mine, a.handOver(time.Second)))
		a.wantEndless(a.want(quorum.Mine, a.rival(quorum.Inspect, 0)))
	},
	"a free key stays free": func(a *asker) {
		a.want(quorum.Free, a.handOver(long))
		a.want(quorum.Free, a.op(quorum.Inspect, 0))
	},
	"a key of somebody else is left alone": func(a *asker) {
		third := a.rival(quorum.Acquire, long)
		third.Value = "third:" + a.theirs
		a.want(quorum.Mine, third)
		a.wantLeft(a.wantOther(third.Value, a.handOver(2*long)), nearlyLong, long)
		third.Kind = quorum.Inspect
		a.wantLeft(a.want(quorum.Mine, third), nearlyLong, long)
	},
	"it can go back and forth": func(a *asker) {
		a.want(quorum.Mine, a.op(quorum.Acquire, long))
		back := a.handOver(long)
		back.Value, back.Next = back.Next, back.Value
		for range 3 {
			a.want(quorum.Mine, a.handOver(long))
			a.want(quorum.Mine, back)
		}
		a.want(quorum.Mine, a.op(quorum.Inspect, 0))
	},
	"after its time it is late and changes nothing": func(a *asker) {
		a.want(quorum.Mine, a.op(quorum.Acquire, long))
		a.want(quorum.Late, a.lateBy(time.Second, a.handOver(2*long)))
		a.wantLeft(a.want(quorum.Mine, a.op(quorum.Inspect, 0)), nearlyLong, long)
		a.want(quorum.Mine, a.handOver(long))
		a.want(quorum.Late, a.lateBy(time.Second, a.handOver(2*long)))
		a.wantLeft(a.want(quorum.Mine, a.rival(quorum.Inspect, 0)), nearlyLong, long)
	},
	"in time it is carried out, and slack is all that its limit may be missed by": func(a *asker) {
		a.want(quorum.Mine, a.op(quorum.Acquire, long))
		slack := a.want(quorum.Mine, a.lateBy(-patience, a.handOver(long))).Slack
		if slack > patience {
			a.Fatalf("slack = %v on an undisturbed connection", slack)
		}
		a.want(quorum.Late, a.lateBy(slack+5*clock.Granularity, a.handOver(long)))
	},
	"the next value is kept byte for byte": func(a *asker) {
		for name, s := range awkward {
			op := a.twin(name, quorum.Acquire, long)
			a.want(quorum.Mine, op)
			op.Kind, op.Next = quorum.HandOver, a.theirs+s
			a.want(quorum.Mine, op)
			op.Kind = quorum.Inspect
			a.wantOther(a.theirs+s, op)
		}
	},
	"one that cannot be does not take the others down": func(a *asker) {
		worthless, nobody, itself := a.handOver(long), a.handOver(long), a.handOver(long)
		worthless.Value, nobody.Next, itself.Next = "", "", itself.Value
		for name, bad := range map[string]quorum.Op{
			"from nobody": worthless, "to nobody": nobody, "to itself": itself, "without TTL": a.handOver(0),
			"for half a millisecond": a.handOver(time.Millisecond / 2),
		} {
			_ = a.wantBadAlone("hand-over "+name, bad)
		}
	},
}
