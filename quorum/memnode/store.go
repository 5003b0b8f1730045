package memnode

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
)

// A store is the node's memory. It has no clock of its own: whoever asks says what time it is.
//
// Invariant: an entry whose until is not after now counts as absent, be it still in the map or not.
type store struct {
	entries  map[string]entry
	sweepAt  int // the size at which dead entries are thrown out
	audit    func(Change)
	counters counters
	waiters  waiters
	news     []news // to be announced
}

// An entry is what is under a key.
type entry struct {
	value string
	until clock.Instant // of the node; Forever without TTL
}

// remaining is how long the entry lives on.
func (e entry) remaining(now clock.Instant) time.Duration {
	if e.until == clock.Forever {
		return quorum.NoExpiry
	}
	return e.until.Sub(now)
}

func (s *store) get(key string, now clock.Instant) (entry, bool) {
	e, found := s.entries[key]
	return e, found && now.Before(e.until)
}

// put stores an entry on behalf of op.
func (s *store) put(op quorum.Op, e entry, now clock.Instant) {
	s.sweep(now)
	s.report(op, now, e.until, e.value)
	s.entries[op.Key] = e
}

// drop removes an entry on behalf of op.
func (s *store) drop(op quorum.Op, now clock.Instant) {
	s.report(op, now, clock.Never, "")
	delete(s.entries, op.Key)
}

func (s *store) report(op quorum.Op, now, until clock.Instant, after string) {
	if s.audit == nil {
		return
	}
	change := Change{Op: op, At: time.Duration(now), After: after, Kept: max(until.Sub(now), 0)}
	if before, found := s.get(op.Key, now); found {
		change.Before = before.value
	}
	s.audit(change)
}

// smallStore is not worth sweeping.
const smallStore = 64

// sweep throws dead entries out each time the store has doubled, so that keys which nobody asks for
// again do not pile up, at a constant cost for each that is stored.
func (s *store) sweep(now clock.Instant) {
	if len(s.entries) < s.sweepAt {
		return
	}
	s.expire(now)
	s.sweepAt = max(smallStore, 2*len(s.entries))
}

// expire throws dead entries out.
func (s *store) expire(now clock.Instant) {
	maps.DeleteFunc(s.entries, func(_ string, e entry) bool { return !now.Before(e.until) })
	s.counters.expire(now)
	s.waiters.expire(now)
}

// forget loses everything.
func (s *store) forget(now clock.Instant) {
	for _, held := range s.snapshot(now) {
		s.report(quorum.Op{Key: held.Key}, now, clock.Never, "")
	}
	s.entries = make(map[string]entry)
	s.sweepAt = smallStore
	s.counters.forget()
	s.waiters.forget()
}

// snapshot lists what is there, sorted by key.
func (s *store) snapshot(now clock.Instant) []Held {
	var list []Held
	for _, key := range slices.Sorted(maps.Keys(s.entries)) {
		if e, found := s.get(key, now); found {
			list = append(list, Held{Key: key, Value: e.value, Remaining: e.remaining(now)})
		}
	}
	return list
}

// apply carries out one operation.
func (s *store) apply(c command, now clock.Instant) quorum.Answer {
	if err := check(c.Op); err != nil {
		return quorum.Answer{Err: err}
	}
	answer := s.vote(c, now)
	if !answer.Answered() {
		return answer
	}
	s.attend(c.Op, &answer, now)
	answer.NodeTime = time.Duration(now)
	return answer
}

func (s *store) vote(c command, now clock.Instant) quorum.Answer {
	if c.limit.Before(now) {
		return quorum.Answer{Verdict: quorum.Late}
	}
	e, found := s.get(c.Key, now)
	handed := c.Kind == quorum.HandOver && found && e.value == c.Value
	switch {
	case handed:
	case found && e.value != valueOf(c.Op):
		return quorum.Answer{Verdict: quorum.Other, Holder: e.value, Remaining: e.remaining(now)}
	case !found && !creates(c.Kind):
		return quorum.Answer{Verdict: quorum.Free}
	case c.Kind == quorum.Release:
		return s.release(c.Op, now)
	}
	token, err := s.number(c.Op, found && !handed, now)
	if err != nil {
		return quorum.Answer{Err: err}
	}
	switch {
	case handed:
		e = entry{value: c.Next, until: now.Add(c.TTL)}
		s.put(c.Op, e, now)
	case c.Kind != quorum.Inspect && c.Kind != quorum.Raise:
		e = s.atLeast(c.Op, e, now)
	}
	return quorum.Answer{Verdict: quorum.Mine, Remaining: e.remaining(now), Token: token}
}

// number returns the number of an operation that is about to succeed, or 0 if it asks for none. Its value is
// kept if it was there already.
func (s *store) number(op quorum.Op, kept bool, now clock.Instant) (uint64, error) {
	switch {
	case op.Kind == quorum.Raise:
		return s.counters.raise(op, now)
	case numbered(op):
		return s.counters.grant(op, kept, now)
	}
	return 0, nil
}

// valueOf returns the value that the operation is a vote for.
func valueOf(op quorum.Op) string {
	if op.Kind == quorum.HandOver {
		return op.Next
	}
	return op.Value
}

// creates reports whether operations of this kind store a value where nothing is.
func creates(k quorum.Kind) bool { return k == quorum.Acquire || k == quorum.Heal }

// atLeast makes the entry live for the operation's TTL, if it would not live longer anyway. The zero
// entry, of a free key, would not.
func (s *store) atLeast(op quorum.Op, e entry, now clock.Instant) entry {
	if until := now.Add(op.TTL); e.until.Before(until) {
		e = entry{value: valueOf(op), until: until}
		s.put(op, e, now)
	}
	return e
}

func (s *store) release(op quorum.Op, now clock.Instant) quorum.Answer {
	if op.TTL == 0 {
		s.drop(op, now)
	} else {
		s.put(op, entry{value: op.Value, until: now.Add(op.TTL)}, now)
	}
	return quorum.Answer{Verdict: quorum.Mine, Remaining: op.TTL}
}

// limited reports whether operations of this kind grant, and so obey their NotAfter.
func limited(k quorum.Kind) bool { return creates(k) || k == quorum.HandOver }

// check returns what is wrong with an operation.
func check(op quorum.Op) error {
	switch op.Kind {
	case quorum.Inspect:
		return nil
	case quorum.Acquire, quorum.Extend, quorum.Heal, quorum.Release, quorum.HandOver, quorum.Raise:
	default:
		return fmt.Errorf("operation of unknown kind %d", op.Kind)
	}
	switch {
	case op.Value == "":
		return fmt.Errorf("%v without a value", op.Kind)
	case op.Kind == quorum.HandOver && (op.Next == "" || op.Next == op.Value):
		return fmt.Errorf("%v from %q to %q: want another value, and not an empty one", op.Kind, op.Value, op.Next)
	case op.TTL < time.Millisecond && !removes(op) && op.Kind != quorum.Raise:
		return fmt.Errorf("%v with TTL %v: want at least a millisecond", op.Kind, op.TTL)
	case attended(op) && !goodID(op.Waiter.ID):
		return fmt.Errorf("%v with waiter %q: want 1 to %d letters, digits, '-' or '_'", op.Kind, op.Waiter.ID, quorum.MaxWaiterID)
	}
	return checkNumbers(op)
}
