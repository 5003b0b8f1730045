package quorumtest

import (
	"time"

	"github.com/quorumlock/quorumlock/quorum"
)

// An ear hears what a node under test announces about one key.
type ear struct {
	*asker
	key   string
	heard chan quorum.Announcement
	stop  func()
}

// manyAnnouncements is more than a check makes.
const manyAnnouncements = 1000

// listen returns an ear that hears, or skips the check on a node that announces nothing.
func (a *asker) listen(key string) *ear {
	a.Helper()
	node, announces := a.Node.(quorum.Announcer)
	if !announces {
		a.Skip("this node announces nothing")
	}
	e := &ear{asker: a, key: key, heard: make(chan quorum.Announcement, manyAnnouncements)}
	e.stop = node.Announcements(key, func(heard quorum.Announcement) {
		select {
		case e.heard <- heard:
		default:
			a.Errorf("more than %d announcements about %q", manyAnnouncements, key)
		}
	})
	a.Cleanup(e.stop)
	e.wants(quorum.Listening, "")
	return e
}

// wants demands the next announcement in time.
func (e *ear) wants(kind quorum.AnnouncementKind, waiter string) {
	e.Helper()
	timeout := e.Clock.NewTimer(patience)
	defer timeout.Stop()
	want := quorum.Announcement{Kind: kind, Waiter: waiter}
	select {
	case heard := <-e.heard:
		if heard != want {
			e.Fatalf("about %q the node announced %v of %q, want %v of %q", e.key, heard.Kind, heard.Waiter, kind, waiter)
		}
	case <-timeout.C():
		e.Fatalf("about %q the node announced nothing within %v, want %v of %q", e.key, patience, kind, waiter)
	}
}

// wantsSilence demands that nothing was announced so far, on a key that is free now: the next announcement is the
// one that it brings about, and announcements come in order.
func (e *ear) wantsSilence() {
	e.Helper()
	const mark = "mark"
	e.hold(e.key)
	e.refused(e.key, mark, 1000*time.Hour)
	e.want(quorum.Mine, e.free(e.key, ""))
	e.wants(quorum.Freed, mark)
}

// hold takes the key for the rival.
func (a *asker) hold(key string) {
	a.Helper()
	a.want(quorum.Mine, quorum.Op{Kind: quorum.Acquire, Key: key, Value: a.theirs, TTL: long})
}

// free is the rival's release, that says so. self is who waits next on its side, if not empty.
func (a *asker) free(key, self string) quorum.Op {
	op := quorum.Op{Kind: quorum.Release, Key: key, Value: a.theirs, Announce: true}
	if self != "" {
		op.Waiter = &quorum.Waiter{ID: self}
	}
	return op
}

// try is the attempt of somebody who waits.
func (a *asker) try(key, id string, waited time.Duration) quorum.Op {
	return quorum.Op{
		Kind: quorum.Acquire, Key: key, Value: a.mine + id, TTL: long,
		Waiter: &quorum.Waiter{ID: id, Waited: waited}, Announce: true,
	}
}

// refused lets somebody try in vain, and so be noted.
func (a *asker) refused(key, id string, waited time.Duration) {
	a.Helper()
	if a.wantOther(a.theirs, a.try(key, id, waited)).Waiting {
		a.Errorf("a refused acquire says that others wait, which only a grant may")
	}
}

// wantWaiting asks for an operation that is granted, and demands what it says about others who wait.
func (a *asker) wantWaiting(waiting bool, op quorum.Op) {
	a.Helper()
	if got := a.want(quorum.Mine, op).Waiting; got != waiting {
		a.Errorf("%v of %q says that others wait: %t, want %t", op.Kind, op.Key, got, waiting)
	}
}
