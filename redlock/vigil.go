package redlock

import (
	"slices"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
)

// A vigil decides when a call that waits for a lock tries again. It is a value without I/O, clock or lock.
//
// Announcements only ever bring the next try forward, and never past poll: a lock is tried again even if every
// announcement is lost.
type vigil struct {
	self string        // this Locker's name among those who wait
	need int           // nodes that have to announce a release for it to be certain
	trip time.Duration // a round trip to the nodes
	back time.Duration // how long a waiter that is not named holds back

	due  clock.Instant // of the next try
	poll clock.Instant // at the latest
	// enlist: no node has this call on its list of waiters yet, so it tries as soon as somebody else has taken
	// the lock, to be put on it.
	enlist bool
	// struck: this call was named and came too late. Who is named is on that list no more, so it tries at once,
	// to be put on it again.
	struck bool

	freed []int         // nodes that have announced the release
	first clock.Instant // when the first one did
	rank  int           // of the node whose word on who is to try counts
	named string        // that word
	taken int           // if not 0: the rank from which on "freed" is old news, since a node before has said "taken"
}

// begin begins an attempt: what is heard from now on may say more than its answer.
func (v *vigil) begin() {
	v.due, v.poll, v.enlist = clock.Forever, clock.Forever, false
	v.taken, v.struck = 0, false
	v.quiet()
}

// rest begins a sleep until poll, or until what was heard since the attempt began, or will be, brings the next
// one forward.
func (v *vigil) rest(poll clock.Instant) { v.due, v.poll = min(v.due, poll), poll }

func (v *vigil) quiet() { v.freed, v.named, v.rank = v.freed[:0], "", 0 }

// isNamed reports whether the next try is ours before that of all others.
func (v *vigil) isNamed() bool { return len(v.freed) > 0 && v.named == v.self }

// homeFreed reports whether the key's home has announced a release since the last attempt.
func (v *vigil) homeFreed() bool { return len(v.freed) > 0 && v.rank == 0 }

// hear takes in what a node announces, which has that rank among the nodes of the key.
func (v *vigil) hear(now clock.Instant, node, rank int, a quorum.Announcement) {
	switch a.Kind {
	case quorum.Listening: // something may have been missed
		v.due = min(v.due, now.Add(v.back))
	case quorum.Taken:
		v.over()
		v.due, v.taken = v.poll, rank+1
		if v.enlist {
			v.due = min(v.poll, now)
		}
	case quorum.Freed:
		v.hearFreed(now, node, rank, a.Waiter)
	}
	if v.struck {
		v.due = min(v.due, now)
	}
}

// over ends what was heard of one release: somebody else has taken the lock since.
func (v *vigil) over() {
	v.struck = v.struck || v.isNamed()
	v.quiet()
}

// hearFreed decides who tries a freed lock, and when: whom the key's home names at once, somebody else's
// choice once enough nodes are free or have had a round trip's time for it, and all others only if the one
// that was named has not taken it by then.
func (v *vigil) hearFreed(now clock.Instant, node, rank int, waiter string) {
	if v.taken > 0 && rank >= v.taken {
		return // it is about the release before
	}
	v.taken = 0
	if rank == v.rank && waiter != v.named && slices.Contains(v.freed, node) {
		v.over() // it was taken by one who did not say so, and is free again
	}
	if len(v.freed) == 0 {
		v.first = now
	}
	if len(v.freed) == 0 || rank < v.rank {
		v.rank, v.named = rank, waiter
	}
	if !slices.Contains(v.freed, node) {
		v.freed = append(v.freed, node)
	}
	due := v.first.Add(v.trip)
	if len(v.freed) >= v.need || v.named == v.self && v.rank == 0 {
		due = now
	}
	if v.named != v.self {
		due = v.first.Add(v.trip + v.back)
	}
	v.due = min(due, v.poll)
}
