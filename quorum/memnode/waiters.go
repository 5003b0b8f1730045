package memnode

import (
	"cmp"
	"maps"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
)

// waiters is who waits for which key, as far as the node has noted it. Like the store it has no clock of its
// own.
//
// Invariant: a note whose until is not after now counts as absent, be it still in its list or not.
type waiters struct {
	lists   map[string]map[string]note // by key, and by the waiter's ID
	sweepAt int                        // the number of lists at which dead notes are thrown out
}

// A note is one waiter of one key.
type note struct {
	since clock.Instant // it waits; of the node, like until
	until clock.Instant // it counts
}

// note notes who waits for the key, or renews the note. Who is noted already keeps its place.
func (w *waiters) note(key string, who quorum.Waiter, now clock.Instant) {
	w.sweep(now)
	list := w.lists[key]
	if list == nil {
		list = make(map[string]note)
		w.lists[key] = list
	}
	fresh := note{since: now.Add(-max(who.Waited, 0)), until: now.Add(quorum.WaiterLife)}
	if before, known := list[who.ID]; known && now.Before(before.until) {
		fresh.since = min(fresh.since, before.since)
	}
	list[who.ID] = fresh
}

// remove takes a waiter off.
func (w *waiters) remove(key, id string) {
	delete(w.lists[key], id)
	if len(w.lists[key]) == 0 {
		delete(w.lists, key)
	}
}

// oldest returns the ID of who has waited longest, other than except, and "" if nobody waits.
func (w *waiters) oldest(key, except string, now clock.Instant) string {
	var (
		oldest string
		first  note
	)
	for id, n := range w.lists[key] {
		if id == except || !now.Before(n.until) {
			continue
		}
		if oldest == "" || cmp.Or(cmp.Compare(n.since, first.since), cmp.Compare(id, oldest)) < 0 {
			oldest, first = id, n
		}
	}
	return oldest
}

// sweep throws dead notes out each time the number of lists has doubled.
func (w *waiters) sweep(now clock.Instant) {
	if len(w.lists) < w.sweepAt {
		return
	}
	w.expire(now)
	w.sweepAt = max(smallStore, 2*len(w.lists))
}

// expire throws dead notes out.
func (w *waiters) expire(now clock.Instant) {
	maps.DeleteFunc(w.lists, func(_ string, list map[string]note) bool {
		maps.DeleteFunc(list, func(_ string, n note) bool { return !now.Before(n.until) })
		return len(list) == 0
	})
}

func (w *waiters) forget() {
	w.lists = make(map[string]map[string]note)
	w.sweepAt = smallStore
}

// news is an announcement about a key.
type news struct {
	key string
	quorum.Announcement
}

// attend does for those who wait what the operation says, once it is carried out, and completes its answer.
func (s *store) attend(op quorum.Op, answer *quorum.Answer, now clock.Instant) {
	switch waits := op.Waiter != nil; {
	case op.Kind == quorum.Acquire && waits && answer.Verdict == quorum.Other:
		s.waiters.note(op.Key, *op.Waiter, now)
	case answer.Verdict != quorum.Mine:
	case op.Kind == quorum.Acquire && waits:
		answer.Waiting = s.taken(op, now)
	case removes(op) && op.Announce:
		answer.Waiting = s.freed(op, now)
	case op.Kind == quorum.HandOver:
		answer.Waiting = s.waiters.oldest(op.Key, waiterOf(op), now) != ""
	}
}

// taken takes the waiter off that was granted the key, and reports whether there are others.
func (s *store) taken(op quorum.Op, now clock.Instant) bool {
	s.waiters.remove(op.Key, op.Waiter.ID)
	others := s.waiters.oldest(op.Key, op.Waiter.ID, now) != ""
	if others && op.Announce {
		s.announce(op.Key, quorum.Taken, op.Waiter.ID)
	}
	return others
}

// freed names who has waited longest for a key that was released, and reports whether there is anybody. Then
// it notes who waits on the releasing side.
func (s *store) freed(op quorum.Op, now clock.Instant) bool {
	next := s.waiters.oldest(op.Key, waiterOf(op), now)
	if next != "" {
		s.waiters.remove(op.Key, next)
		s.announce(op.Key, quorum.Freed, next)
	}
	if op.Waiter != nil {
		s.waiters.note(op.Key, *op.Waiter, now)
	}
	return next != ""
}

// waiterOf returns the ID of the operation's waiter, or "".
func waiterOf(op quorum.Op) string {
	if op.Waiter == nil {
		return ""
	}
	return op.Waiter.ID
}

// removes reports whether the operation removes its value.
func removes(op quorum.Op) bool { return op.Kind == quorum.Release && op.TTL == 0 }

func (s *store) announce(key string, kind quorum.AnnouncementKind, id string) {
	s.news = append(s.news, news{key, quorum.Announcement{Kind: kind, Waiter: id}})
}

// takeNews returns what was to be announced since it was called last.
func (s *store) takeNews() []news {
	list := s.news
	s.news = nil
	return list
}

// attended reports whether nodes look at the operation's Waiter.
func attended(op quorum.Op) bool {
	return op.Waiter != nil && (op.Kind == quorum.Acquire || op.Kind == quorum.Release && op.Announce)
}

// goodID reports whether a waiter may have the name.
func goodID(id string) bool {
	for _, c := range []byte(id) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return 1 <= len(id) && len(id) <= quorum.MaxWaiterID
}
