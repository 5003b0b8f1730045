package quorumtest

import (
	"fmt"
	"strings"
	"time"

	"github.com/quorumlock/quorumlock/quorum"
)

// Announcements are checked on a key that theirs holds, and for which others than its holder wait.
var announceChecks = checks{
	"who listens is told so first": func(a *asker) {
		e := a.listen(a.key)
		e.stop()
		again := a.listen(a.key)
		again.wantsSilence()
	},
	"waiters are named oldest first": func(a *asker) {
		e := a.listen(a.key)
		a.hold(a.key)
		a.refused(a.key, "b", 2*time.Minute)
		a.refused(a.key, "a", time.Minute)
		a.refused(a.key, "c", 3*time.Minute)
		for _, id := range []string{"c", "b", "a"} {
			a.wantWaiting(true, a.free(a.key, ""))
			e.wants(quorum.Freed, id)
			a.hold(a.key)
		}
		a.wantWaiting(false, a.free(a.key, ""))
		e.wantsSilence()
	},
	"the order of their notes does not count": func(a *asker) {
		e := a.listen(a.key)
		a.hold(a.key)
		for i := range 20 {
			a.refused(a.key, fmt.Sprint("w", i), time.Duration(i+1)*time.Minute)
		}
		a.wantWaiting(true, a.free(a.key, ""))
		e.wants(quorum.Freed, "w19")
	},
	"who is noted again keeps its place": func(a *asker) {
		e := a.listen(a.key)
		a.hold(a.key)
		a.refused(a.key, "first", time.Hour)
		a.refused(a.key, "second", time.Minute)
		a.refused(a.key, "first", 0)
		a.wantWaiting(true, a.free(a.key, ""))
		e.wants(quorum.Freed, "first")
		a.hold(a.key)
		a.wantWaiting(true, a.free(a.key, ""))
		e.wants(quorum.Freed, "second")
		e.wantsSilence() // and first was there once only
	},
	"who was not noted again for too long is passed over": deadWaiters,
	"who is granted the key is taken off": func(a *asker) {
		e := a.listen(a.key)
		a.hold(a.key)
		a.refused(a.key, "w", time.Minute)
		a.want(quorum.Mine, a.rival(quorum.Release, 0))
		a.wantWaiting(false, a.try(a.key, "w", time.Minute))
		release := a.free(a.key, "")
		release.Value = a.mine + "w"
		a.wantWaiting(false, release)
		e.wantsSilence()
	},
	"who is granted the key is told of, if others wait": func(a *asker) {
		e := a.listen(a.key)
		a.hold(a.key)
		a.refused(a.key, "first", time.Hour)
		a.refused(a.key, "second", time.Minute)
		a.wantWaiting(true, a.free(a.key, ""))
		e.wants(quorum.Freed, "first")
		a.wantWaiting(true, a.try(a.key, "first", time.Hour))
		e.wants(quorum.Taken, "first")
	},
	"a grant without Announce tells nobody, and says that others wait": func(a *asker) {
		e := a.listen(a.key)
		a.hold(a.key)
		a.refused(a.key, "w", time.Minute)
		a.want(quorum.Mine, a.rival(quorum.Release, 0))
		grant := a.try(a.key, "other", 0)
		grant.Announce = false
		a.wantWaiting(true, grant)
		a.want(quorum.Mine, quorum.Op{Kind: quorum.Release, Key: a.key, Value: grant.Value})
		e.wantsSilence()
	},
	"an acquire without a waiter notes nobody and tells nobody": func(a *asker) {
		e := a.listen(a.key)
		a.hold(a.key)
		a.refused(a.key, "w", time.Minute)
		plain := a.op(quorum.Acquire, long)
		plain.Announce = true
		a.wantOther(a.theirs, plain)
		a.want(quorum.Mine, a.rival(quorum.Release, 0))
		a.wantWaiting(false, plain)
		a.want(quorum.Mine, a.op(quorum.Release, 0))
		e.wantsSilence()
	},
	"a late acquire notes nobody": func(a *asker) {
		e := a.listen(a.key)
		a.hold(a.key)
		a.want(quorum.Late, a.lateBy(time.Second, a.try(a.key, "w", time.Minute)))
		a.wantWaiting(false, a.free(a.key, ""))
		e.wantsSilence()
	},
	"where nobody waits nothing is told": func(a *asker) {
		e := a.listen(a.key)
		a.wantWaiting(false, a.try(a.key, "w", time.Minute))
		release := a.free(a.key, "")
		release.Value = a.mine + "w"
		a.wantWaiting(false, release)
		e.wantsSilence()
	},
	"a release without Announce tells nobody": func(a *asker) {
		e := a.listen(a.key)
		a.hold(a.key)
		a.refused(a.key, "w", time.Minute)
		quiet := a.free(a.key, "self")
		quiet.Announce = false
		a.wantWaiting(false, quiet)
		e.wantsSilence()
		a.hold(a.key)
		a.wantWaiting(true, a.free(a.key, ""))
		e.wants(quorum.Freed, "w") // which is still there, and self is not
		a.hold(a.key)
		a.wantWaiting(false, a.free(a.key, ""))
	},
	"a release that keeps the key for a while tells nobody": func(a *asker) {
		e := a.listen(a.key)
		a.hold(a.key)
		a.refused(a.key, "w", time.Minute)
		keep := a.free(a.key, "self")
		keep.TTL = long
		a.wantWaiting(false, keep)
		a.want(quorum.Mine, a.rival(quorum.Release, 0))
		e.wantsSilence()
		a.hold(a.key)
		a.wantWaiting(true, a.free(a.key, ""))
		e.wants(quorum.Freed, "w")
	},
	"a release that finds nothing of its own tells nobody and notes nobody": func(a *asker) {
		e := a.listen(a.key)
		a.want(quorum.Free, a.free(a.key, "self"))
		a.hold(a.key)
		foreign := a.free(a.key, "self")
		foreign.Value = a.mine
		a.wantOther(a.theirs, foreign)
		a.wantWaiting(false, a.free(a.key, ""))
		e.wantsSilence()
	},
	"who waits on the releasing side is noted after the others": func(a *asker) {
		e := a.listen(a.key)
		a.hold(a.key)
		a.refused(a.key, "w", time.Minute)
		a.wantWaiting(true, a.free(a.key, "self"))
		e.wants(quorum.Freed, "w")
		a.hold(a.key)
		a.wantWaiting(true, a.free(a.key, ""))
		e.wants(quorum.Freed, "self")
	},
	"who waits on the releasing side is not named by that release": func(a *asker) {
		e := a.listen(a.key)
		a.hold(a.key)
		a.refused(a.key, "self", time.Hour)
		a.wantWaiting(false, a.free(a.key, "self"))
		a.hold(a.key)
		a.refused(a.key, "w", time.Minute)
		a.wantWaiting(true, a.free(a.key, "self"))
		e.wants(quorum.Freed, "w")
		a.hold(a.key)
		a.wantWaiting(true, a.free(a.key, ""))
		e.wants(quorum.Freed, "self")
	},
	"a hand-over tells nobody, and says whether others wait": func(a *asker) {
		e := a.listen(a.key)
		a.want(quorum.Mine, a.op(quorum.Acquire, long))
		a.wantWaiting(false, a.handOver(long))
		a.refused(a.key, "w", time.Minute)
		op := a.handOver(long)
		a.wantWaiting(true, op)
		op.Value, op.Next = a.theirs, a.mine
		op.Announce = true
		a.wantWaiting(true, op)
		op.Value, op.Next = op.Next, op.Value
		op.Waiter = &quorum.Waiter{ID: "w"}
		a.wantWaiting(false, op) // it is the only one
		op.Value, op.Next = op.Next, op.Value
		op.Waiter = &quorum.Waiter{ID: "another"}
		a.wantWaiting(true, op)
		release := a.free(a.key, "")
		release.Value = a.mine
		a.wantWaiting(true, release)
		e.wants(quorum.Freed, "w")
		e.wantsSilence()
	},
	"other keys are not told": func(a *asker) {
		e := a.listen(a.key)
		for _, key := range []string{a.key + "\x00", a.key[:len(a.key)-1], a.key + " ", " " + a.key, strings.ToUpper(a.key)} {
			a.hold(key)
			a.refused(key, "w", time.Minute)
			a.wantWaiting(true, a.free(key, ""))
		}
		e.wantsSilence()
	},
	"keys are told apart byte for byte": func(a *asker) {
		for _, s := range awkward {
			e := a.listen(a.key + s)
			a.hold(e.key)
			a.refused(e.key, "w", time.Minute)
			a.wantWaiting(true, a.free(e.key, ""))
			e.wants(quorum.Freed, "w")
		}
	},
	"a name may be as long as allowed": func(a *asker) {
		e := a.listen(a.key)
		id := strings.Repeat("aZ09-_xx", quorum.MaxWaiterID/8)
		a.hold(a.key)
		a.refused(a.key, id, time.Minute)
		a.wantWaiting(true, a.free(a.key, ""))
		e.wants(quorum.Freed, id)
	},
	"a name that cannot be fails its operation alone": func(a *asker) {
		_ = a.listen(a.key)
		for _, id := range []string{"", "a b", "a\n", "é", strings.Repeat("x", quorum.MaxWaiterID+1)} {
			_ = a.wantBadAlone(fmt.Sprintf("waiter %q", id), a.try(a.key, id, 0))
		}
	},
	"every listener is told": func(a *asker) {
		first, second := a.listen(a.key), a.listen(a.key)
		a.hold(a.key)
		a.refused(a.key, "w", time.Minute)
		a.wantWaiting(true, a.free(a.key, ""))
		first.wants(quorum.Freed, "w")
		second.wants(quorum.Freed, "w")
	},
	"who has stopped is not told, and the others are": func(a *asker) {
		stopped, other := a.listen(a.key), a.listen(a.key)
		stopped.stop()
		stopped.stop()
		other.wantsSilence()
		if len(stopped.heard) > 0 {
			a.Errorf("a listener that has stopped was told %v", <-stopped.heard)
		}
	},
	"a batch is told of in its order": func(a *asker) {
		e := a.listen(a.key)
		a.hold(a.key)
		a.refused(a.key, "first", time.Hour)
		a.refused(a.key, "second", time.Minute)
		again := a.free(a.key, "")
		again.Value = a.mine + "first"
		a.ask(a.free(a.key, ""), a.try(a.key, "first", time.Hour), again)
		e.wants(quorum.Freed, "first")
		e.wants(quorum.Taken, "first")
		e.wants(quorum.Freed, "second")
	},
	"what a flush took is not named": func(a *asker) {
		e := a.listen(a.key)
		if a.Wipe == nil {
			a.Skip("this node cannot be wiped")
		}
		a.hold(a.key)
		a.refused(a.key, "w", time.Minute)
		a.Wipe()
		a.hold(a.key)
		a.wantWaiting(false, a.free(a.key, ""))
		e.wantsSilence()
	},
	"closing ends with somebody listening": func(a *asker) {
		_ = a.listen(a.key)
		if err := a.Node.Close(); err != nil {
			a.Errorf("Close: %v", err)
		}
	},
}

// deadWaiters notes three, of whom one is noted again, and a fourth that waits alone. A busy machine may need too
// long for that, and gets another try.
func deadWaiters(a *asker) {
	for i := range 3 {
		key, lonely := fmt.Sprint(a.key, i), fmt.Sprint(a.key, i, " lonely")
		e, alone := a.listen(key), a.listen(lonely)
		a.hold(key)
		a.hold(lonely)
		noted := a.Clock.Now()
		a.refused(key, "dead", time.Hour)
		a.refused(key, "renewed", 30*time.Minute)
		a.refused(lonely, "dead", time.Hour)
		a.outlast(fmt.Sprint("half ", i), quorum.WaiterLife/2)
		renewed := a.Clock.Now()
		a.refused(key, "late", 5*time.Minute)
		a.refused(key, "renewed", 0)
		inTime := a.Clock.Now().Sub(noted) < quorum.WaiterLife
		a.outlast(fmt.Sprint("whole ", i), quorum.WaiterLife/2+10*time.Millisecond)
		answers := a.ask(a.free(key, ""), a.free(lonely, ""))
		if !inTime || a.Clock.Now().Sub(renewed) >= quorum.WaiterLife {
			continue
		}
		if !answers[0].Waiting || answers[1].Waiting {
			a.Errorf("others wait: %t with a living one, %t with a dead one", answers[0].Waiting, answers[1].Waiting)
		}
		e.wants(quorum.Freed, "renewed")
		alone.wantsSilence()
		return
	}
	a.Errorf("no waiter could be renewed in time")
}

// outlast waits until d is over on the node.
func (a *asker) outlast(suffix string, d time.Duration) {
	a.Helper()
	a.want(quorum.Mine, a.twin(suffix, quorum.Acquire, d))
	a.untilFree(a.twin(suffix, quorum.Inspect, 0))
}
