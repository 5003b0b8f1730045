package fakeredis

import (
	"maps"
	"math"
	"slices"
)

// databases is how many a server has.
const databases = 16

// forever is the until of an entry without TTL.
const forever = math.MaxInt64

// An address is where an entry is.
type address struct {
	db  int
	key string
}

// An entry is what is under a key.
type entry struct {
	value   string
	foreign bool     // of another type than a string
	waiters []waiter // of batch.lua, in a foreign one
	counts  *counts  // of batch.lua, in a foreign one that is not changed
	until   int64    // the last millisecond of its life, since the Unix epoch
}

// A store is a server's memory. It has no clock: whoever asks says which millisecond it is.
//
// Invariant: an entry that is over counts as absent, be it still in the map or not.
type store struct {
	entries map[address]entry
	sweepAt int // the size at which dead entries are thrown out
}

// smallStore is not worth sweeping.
const smallStore = 64

func newStore() store { return store{entries: make(map[address]entry), sweepAt: smallStore} }

func (s *store) get(a address, now int64) (entry, bool) {
	e, found := s.entries[a]
	return e, found && now <= e.until
}

// put stores an entry, and throws dead ones out each time the store has doubled.
func (s *store) put(a address, e entry, now int64) {
	if len(s.entries) >= s.sweepAt {
		s.expire(now)
		s.sweepAt = max(smallStore, 2*len(s.entries))
	}
	s.entries[a] = e
}

func (s *store) drop(a address) { delete(s.entries, a) }

// expire throws out what is over, so that no step back of the clock brings it back.
func (s *store) expire(now int64) {
	maps.DeleteFunc(s.entries, func(_ address, e entry) bool { return now > e.until })
}

// addresses lists what is there, in a stable order.
func (s *store) addresses(now int64) []address {
	var list []address
	for a := range s.entries {
		if _, found := s.get(a, now); found {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, compareAddresses)
	return list
}
