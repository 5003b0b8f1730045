package fakeredis

import (
	"cmp"
	"time"
)

// An Execution is one command, or one script, as it was carried out on one key. Commands on several
// keys make one for each.
type Execution struct {
	// Server is the server's name, Client the number of the client whose link it came over, and
	// Connection the number of its connection there.
	Server             string
	Client, Connection int
	// At is the server's wall clock: the time since the Unix epoch.
	At time.Duration
	// Op is the command's name in lower case, or the name of the script's twin; the lock's script is told
	// of operation by operation, such as "acquire". What was done behind the clients' backs is called
	// "put", "spoil", "wipe" or "kill", and has Client -1.
	Op  string
	Key string
	// Asked is the value that the client came with: a script's first argument, an operation's value, or what SET was to store.
	Asked string
	// Before and After are what was under the key, and what is now.
	Before, After State
}

// Changed reports whether the key, its value or its expiry is another one now.
func (e Execution) Changed() bool { return e.Before != e.After }

// State is what is under a key.
type State struct {
	// Exists is false if there is nothing.
	Exists bool
	// Value is empty for a key that holds no string.
	Value string
	// Expires is the last millisecond of the key's life on the server's wall clock, and 0 if it has no TTL.
	Expires time.Duration
}

// look returns what is under a key.
func (s *store) look(a address, now int64) State {
	e, found := s.get(a, now)
	if !found {
		return State{}
	}
	state := State{Exists: true, Value: e.value}
	if e.until != forever {
		state.Expires = time.Duration(e.until) * time.Millisecond
	}
	return state
}

// audited carries out step, and reports what became of the keys. The caller holds mu.
func (s *Server) audited(about Execution, db int, keys []string, step func() Reply) Reply {
	if s.audit == nil || len(keys) == 0 {
		return step()
	}
	now := s.millis()
	before := make([]State, len(keys))
	for i, key := range keys {
		before[i] = s.store.look(address{db, key}, now)
	}
	reply := step()
	about.Server, about.At = s.name, s.wall.now()
	for i, key := range keys {
		about.Key, about.Before, about.After = key, before[i], s.store.look(address{db, key}, now)
		s.audit(about)
	}
	return reply
}

// forget loses everything, and reports it as done by op. The caller holds mu.
func (s *Server) forget(about Execution) {
	now := s.millis()
	lost := s.store.addresses(now)
	before := s.store
	s.store = newStore()
	if s.audit == nil {
		return
	}
	about.Server, about.At = s.name, s.wall.now()
	for _, a := range lost {
		about.Key, about.Before = a.key, before.look(a, now)
		s.audit(about)
	}
}

func compareAddresses(a, b address) int {
	return cmp.Or(cmp.Compare(a.db, b.db), cmp.Compare(a.key, b.key))
}
