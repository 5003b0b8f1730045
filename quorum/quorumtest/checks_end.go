package quorumtest

import (
	"time"

	"github.com/quorumlock/quorumlock/quorum"
)

var releaseChecks = checks{
	"its own key is gone": func(a *asker) {
		a.want(quorum.Mine, a.op(quorum.Acquire, long))
		a.wantLeft(a.want(quorum.Mine, a.op(quorum.Release, 0)), 0, 0)
		a.want(quorum.Free, a.op(quorum.Inspect, 0))
		a.want(quorum.Mine, a.rival(quorum.Acquire, long))
	},
	"a key of somebody else is left alone": func(a *asker) {
		a.want(quorum.Mine, a.rival(quorum.Acquire, long))
		a.wantOther(a.theirs, a.op(quorum.Release, 0))
		a.wantOther(a.theirs, a.op(quorum.Release, time.Second))
		a.wantLeft(a.want(quorum.Mine, a.rival(quorum.Inspect, 0)), nearlyLong, long)
	},
	"a free key stays free": func(a *asker) {
		a.want(quorum.Free, a.op(quorum.Release, 0))
		a.want(quorum.Free, a.op(quorum.Release, long))
		a.want(quorum.Free, a.op(quorum.Inspect, 0))
	},
	"a second time does nothing": func(a *asker) {
		a.want(quorum.Mine, a.op(quorum.Acquire, long))
		a.want(quorum.Mine, a.op(quorum.Release, 0))
		a.want(quorum.Free, a.op(quorum.Release, 0))
	},
	"with a TTL the key is kept for no longer": func(a *asker) {
		a.want(quorum.Mine, a.op(quorum.Acquire, 2*long))
		a.wantLeft(a.want(quorum.Mine, a.op(quorum.Release, long)), nearlyLong, long)
		a.wantLeft(a.want(quorum.Mine, a.op(quorum.Inspect, 0)), nearlyLong, long)
		a.wantOther(a.mine, a.rival(quorum.Acquire, long))
	},
	"with a TTL the key is kept for no less": func(a *asker) {
		a.want(quorum.Mine, a.op(quorum.Acquire, long))
		a.wantLeft(a.want(quorum.Mine, a.op(quorum.Release, 2*long)), nearlyLong+long, 2*long)
		a.wantLeft(a.want(quorum.Mine, a.op(quorum.Inspect, 0)), nearlyLong+long, 2*long)
	},
	"with a TTL a second time is the same": func(a *asker) {
		a.want(quorum.Mine, a.op(quorum.Acquire, long))
		a.want(quorum.Mine, a.op(quorum.Release, long))
		a.wantLeft(a.want(quorum.Mine, a.op(quorum.Release, long)), nearlyLong, long)
	},
	"with a TTL a key without one gets it": func(a *asker) {
		a.Plant(a.key, a.mine)
		a.wantLeft(a.want(quorum.Mine, a.op(quorum.Release, long)), nearlyLong, long)
	},
	"a key kept for a while goes by itself": func(a *asker) {
		a.want(quorum.Mine, a.op(quorum.Acquire, long))
		a.want(quorum.Mine, a.op(quorum.Release, 20*time.Millisecond))
		a.untilFree(a.op(quorum.Inspect, 0))
	},
}

var inspectChecks = checks{
	"nothing is there": func(a *asker) {
		a.want(quorum.Free, a.op(quorum.Inspect, 0))
	},
	"its own value is there": func(a *asker) {
		a.want(quorum.Mine, a.op(quorum.Acquire, long))
		a.wantLeft(a.want(quorum.Mine, a.op(quorum.Inspect, 0)), nearlyLong, long)
	},
	"another value is there": func(a *asker) {
		a.want(quorum.Mine, a.rival(quorum.Acquire, long))
		a.wantLeft(a.wantOther(a.theirs, a.op(quorum.Inspect, 0)), nearlyLong, long)
	},
	"without a value it asks who holds the key": func(a *asker) {
		a.want(quorum.Mine, a.op(quorum.Acquire, long))
		a.wantOther(a.mine, quorum.Op{Kind: quorum.Inspect, Key: a.key})
	},
	"a key without TTL is known to have none": func(a *asker) {
		a.Plant(a.key, a.theirs)
		a.wantEndless(a.wantOther(a.theirs, a.op(quorum.Inspect, 0)))
	},
	"a TTL means nothing to it": func(a *asker) {
		a.want(quorum.Mine, a.op(quorum.Acquire, long))
		a.want(quorum.Mine, a.op(quorum.Inspect, time.Second))
		a.want(quorum.Mine, a.op(quorum.Inspect, 2*long))
		a.wantLeft(a.want(quorum.Mine, a.op(quorum.Inspect, 0)), nearlyLong, long)
	},
}

// wantEndless demands that the key has no TTL.
func (a *asker) wantEndless(answer quorum.Answer) {
	a.Helper()
	if answer.Remaining != quorum.NoExpiry {
		a.Fatalf("remaining = %v, want no expiry", answer.Remaining)
	}
}
