package redisnode

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/quorumlock/quorumlock/quorum"
)

const (
	// silence is how long a server may owe an answer before its connection is given up. Callers have
	// left long before; until then an answer that comes late still finds the connection open.
	silence = 3 * time.Second
	// doubt is how long a server may owe an answer before another connection is tried beside its first.
	// If that one opens, it is the connection that is dead, not the server.
	doubt = 500 * time.Millisecond
	// recently is how old the last word of a server may be that counts as one that answers.
	recently = 100 * time.Millisecond
)

var errSilent = errors.New("the server has been silent for too long")

// wakeBy makes the alarm ring at t or earlier. The caller holds mu.
func (n *Node) wakeBy(t, now time.Time) {
	if n.closed || !n.alarmAt.IsZero() && !t.Before(n.alarmAt) {
		return
	}
	n.alarmAt = t
	if n.alarm == nil {
		n.alarm = time.AfterFunc(t.Sub(now), n.ring)
		return
	}
	n.alarm.Reset(t.Sub(now))
}

// ring looks after what time has brought: deadlines, a batch that is due, a silent server.
func (n *Node) ring() {
	now := time.Now()
	n.mu.Lock()
	n.alarmAt = time.Time{}
	late := n.takeLate(now)
	silent := n.link
	if since, owes := n.owes(); !owes || now.Sub(since) < silence {
		silent = nil
		if owes && now.Sub(since) >= doubt {
			n.open(now)
			n.wakeBy(since.Add(silence), now)
		} else if owes {
			n.wakeBy(since.Add(doubt), now)
		}
	}
	l, b := n.next(now, false)
	n.mu.Unlock()
	giveAll(late)
	n.send(l, b, false)
	if silent != nil {
		n.drop(silent, errSilent)
	}
}

// takeLate fails the requests whose deadline has passed. The caller holds mu.
func (n *Node) takeLate(now time.Time) []*request {
	if n.dueAt.IsZero() || now.Before(n.dueAt) {
		if !n.dueAt.IsZero() {
			n.wakeBy(n.dueAt, now)
		}
		return nil
	}
	late, next := n.box.overdue(now)
	if n.dueAt = next; !next.IsZero() {
		n.wakeBy(next, now)
	}
	for _, r := range late {
		r.fail(n.failure(n.timeout(r, now)))
	}
	return late
}

// owes reports whether the server owes an answer, and since when.
func (n *Node) owes() (since time.Time, owes bool) {
	if n.link == nil || n.box.idle() {
		return time.Time{}, false
	}
	since = n.box.flight[0].at
	if n.link.heard.After(since) {
		since = n.link.heard
	}
	return since, true
}

// timeout is the error of a request whose deadline has passed. The caller holds mu.
func (n *Node) timeout(r *request, now time.Time) error {
	switch {
	case r.sent:
		return fmt.Errorf("no answer: %w", context.DeadlineExceeded)
	case n.link == nil:
		return &unsentError{fmt.Errorf("no connection was ready: %w", context.DeadlineExceeded)}
	case now.Sub(n.link.heard) < recently:
		return &unsentError{fmt.Errorf("%w: %w", quorum.ErrBusy, context.DeadlineExceeded)}
	}
	return &unsentError{fmt.Errorf("behind requests that were not answered: %w", context.DeadlineExceeded)}
}
