package fakeredis

import "time"

// Held is one key that the server keeps.
type Held struct {
	Key, Value string
	// Remaining is how long it lives on, and negative if it has no TTL.
	Remaining time.Duration
}

// Keys returns what database 0 holds right now, sorted by key. It sees through every fault.
func (s *Server) Keys() []Held {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Held
	for _, a := range s.store.addresses(s.millis()) {
		if e := s.store.entries[a]; a.db == 0 {
			list = append(list, Held{Key: a.key, Value: e.value, Remaining: s.remaining(e)})
		}
	}
	return list
}

func (s *Server) remaining(e entry) time.Duration {
	if e.until == forever {
		return -1
	}
	return max(time.Duration(e.until)*time.Millisecond-s.wall.now(), 0)
}

// Put stores a key in database 0 behind the clients' backs, as an operator or a foreign program would.
// A ttl of zero or less is none.
func (s *Server) Put(key, value string, ttl time.Duration) {
	until := int64(forever)
	if ttl > 0 {
		until = (s.Time() + ttl).Milliseconds()
	}
	s.plant("put", key, entry{value: value, until: until})
}

// Spoil stores something under a key of database 0 that is no string, such as a list.
func (s *Server) Spoil(key string) {
	s.plant("spoil", key, entry{foreign: true, until: forever})
}

func (s *Server) plant(op, key string, e entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.audited(Execution{Op: op, Client: nobody, Asked: e.value}, 0, []string{key}, func() Reply {
		s.store.put(address{0, key}, e, s.millis())
		return ok
	})
}
