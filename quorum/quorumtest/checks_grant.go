package quorumtest

import (
	"time"

	"github.com/quorumlock/quorumlock/quorum"
)

var acquireChecks = checks{
	"a free key is taken": func(a *asker) {
		a.wantLeft(a.want(quorum.Mine, a.op(quorum.Acquire, long)), nearlyLong, long)
		a.want(quorum.Mine, a.op(quorum.Inspect, 0))
	},
	"a key of somebody else is left alone": func(a *asker) {
		a.want(quorum.Mine, a.rival(quorum.Acquire, long))
		a.wantLeft(a.wantOther(a.theirs, a.op(quorum.Acquire, time.Second)), nearlyLong, long)
		a.wantLeft(a.want(quorum.Mine, a.rival(quorum.Inspect, 0)), nearlyLong, long)
	},
	"its own value is a grant again, so that a lost reply does no harm": func(a *asker) {
		a.want(quorum.Mine, a.op(quorum.Acquire, long))
		a.want(quorum.Mine, a.op(quorum.Acquire, long))
	},
	"re-arming never shortens": func(a *asker) {
		a.want(quorum.Mine, a.op(quorum.Acquire, long))
		a.wantLeft(a.want(quorum.Mine, a.op(quorum.Acquire, time.Second)), nearlyLong, long)
		a.wantLeft(a.want(quorum.Mine, a.op(quorum.Inspect, 0)), nearlyLong, long)
	},
	"re-arming lengthens": func(a *asker) {
		a.want(quorum.Mine, a.op(quorum.Acquire, long))
		a.wantLeft(a.want(quorum.Mine, a.op(quorum.Acquire, 2*long)), nearlyLong+long, 2*long)
		a.wantLeft(a.want(quorum.Mine, a.op(quorum.Inspect, 0)), nearlyLong+long, 2*long)
	},
	"a key without TTL is left alone, and known to have none": func(a *asker) {
		a.Plant(a.key, a.theirs)
		a.wantEndless(a.wantOther(a.theirs, a.op(quorum.Acquire, time.Second)))
	},
	"its own value without TTL keeps none, since that would shorten it": func(a *asker) {
		a.Plant(a.key, a.mine)
		a.wantEndless(a.want(quorum.Mine, a.op(quorum.Acquire, time.Second)))
		a.wantEndless(a.want(quorum.Mine, a.op(quorum.Inspect, 0)))
	},
	"of a hundred values at once exactly one wins": oneOfMany,
}

var extendChecks = checks{
	"its own key lives on": func(a *asker) {
		a.want(quorum.Mine, a.op(quorum.Acquire, long))
		a.wantLeft(a.want(quorum.Mine, a.op(quorum.Extend, 2*long)), nearlyLong+long, 2*long)
		a.wantLeft(a.want(quorum.Mine, a.op(quorum.Inspect, 0)), nearlyLong+long, 2*long)
	},
	"it never shortens": func(a *asker) {
		a.want(quorum.Mine, a.op(quorum.Acquire, long))
		a.wantLeft(a.want(quorum.Mine, a.op(quorum.Extend, time.Second)), nearlyLong, long)
		a.wantLeft(a.want(quorum.Mine, a.op(quorum.Inspect, 0)), nearlyLong, long)
	},
	"it never creates": func(a *asker) {
		a.want(quorum.Free, a.op(quorum.Extend, long))
		a.want(quorum.Free, a.op(quorum.Inspect, 0))
	},
	"a key of somebody else is left alone": func(a *asker) {
		a.want(quorum.Mine, a.rival(quorum.Acquire, long))
		a.wantLeft(a.wantOther(a.theirs, a.op(quorum.Extend, 2*long)), nearlyLong, long)
		a.wantLeft(a.want(quorum.Mine, a.rival(quorum.Inspect, 0)), nearlyLong, long)
	},
	"its own value without TTL keeps none, since that would shorten it": func(a *asker) {
		a.Plant(a.key, a.mine)
		a.wantEndless(a.want(quorum.Mine, a.op(quorum.Extend, time.Second)))
		a.wantEndless(a.want(quorum.Mine, a.op(quorum.Inspect, 0)))
	},
}

var healChecks = checks{
	"a lost key comes back": func(a *asker) {
		a.wantLeft(a.want(quorum.Mine, a.op(quorum.Heal, long)), nearlyLong, long)
		a.want(quorum.Mine, a.op(quorum.Inspect, 0))
	},
	"its own key is not shortened": func(a *asker) {
		a.want(quorum.Mine, a.op(quorum.Acquire, long))
		a.wantLeft(a.want(quorum.Mine, a.op(quorum.Heal, time.Second)), nearlyLong, long)
	},
	"its own key is lengthened": func(a *asker) {
		a.want(quorum.Mine, a.op(quorum.Acquire, long))
		a.wantLeft(a.want(quorum.Mine, a.op(quorum.Heal, 2*long)), nearlyLong+long, 2*long)
	},
	"a key of somebody else is left alone": func(a *asker) {
		a.want(quorum.Mine, a.rival(quorum.Acquire, long))
		a.wantOther(a.theirs, a.op(quorum.Heal, 2*long))
		a.wantLeft(a.want(quorum.Mine, a.rival(quorum.Inspect, 0)), nearlyLong, long)
	},
	"what a flush took comes back": func(a *asker) {
		if a.Wipe == nil {
			a.Skip("this node cannot be wiped")
		}
		a.want(quorum.Mine, a.op(quorum.Acquire, long))
		a.Wipe()
		a.want(quorum.Free, a.op(quorum.Extend, long))
		a.want(quorum.Mine, a.op(quorum.Heal, long))
		a.want(quorum.Mine, a.op(quorum.Extend, long))
	},
}
