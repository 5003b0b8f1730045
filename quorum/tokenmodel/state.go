package tokenmodel

// The largest model that fits the encoding.
const (
	maxNodes   = 5
	maxClients = 3
)

// A value is a token, or the place of one in the order of all tokens that matter in a state: see
// [World.Ceiling]. Tokens are only ever compared.
type value uint8

const (
	none value = 0
	// low stands for a reply that is known to be smaller than its client's token. It tells the client
	// of a vote; how small it was changes nothing.
	low value = 255
)

type phase uint8

const (
	fresh    phase = iota // has sent nothing
	running               // asks for votes, raises counters
	ended                 // gave up or died; what it sent may still arrive
	returned              // has given its token to its caller; may let go of its keys at any moment
)

// A node is one server.
type node struct {
	holder  uint8 // the client whose key is there, from 1; 0 if the lock is free
	counter value // the larger of the lock's counter and the floor for missing counters
	shut    bool  // has forgotten and gives no vote
}

// A client is one attempt to get the lock, with a value of its own.
type client struct {
	phase phase
	token value // the largest counter that it has heard of from nodes it may hold
	after value // the largest token returned when it began; kept for [BeginOrder] only
}

// A vote is what is between a client and a node.
type vote struct {
	voted bool  // the client has heard that the node voted for it
	exact bool  // the client has heard that its key was there while the counter was its token
	over  bool  // the time that the client may count on its key there has passed; kept for [ReturnOrder] only
	old   bool  // the vote was given before some node forgot
	reply value // the node's last reply, on its way for as long as it would tell the client something
}

// A state is all that the future depends on.
type state struct {
	nodes   [maxNodes]node
	clients [maxClients]client
	votes   [maxClients][maxNodes]vote
	last    value // the largest token returned
	forgot  uint8 // how often a node forgot
}

// eachValue calls change with every token in the state.
func (s *state) eachValue(w *World, change func(*value)) {
	change(&s.last)
	for j := range w.Nodes {
		change(&s.nodes[j].counter)
	}
	for a := range w.Clients {
		change(&s.clients[a].token)
		change(&s.clients[a].after)
		for j := range w.Nodes {
			if s.votes[a][j].reply != low {
				change(&s.votes[a][j].reply)
			}
		}
	}
}

// tidy drops what can have no effect any more, so that states that differ only in that are one.
func (s *state) tidy(w *World) {
	least := low // token of a running client
	waiting := false
	for a := range w.Clients {
		c := &s.clients[a]
		s.tidyClient(w, a)
		switch c.phase {
		case fresh:
			waiting = true
		case running:
			least = min(least, c.token)
		}
	}
	if !waiting && least == low { // nobody is left who could return anything
		*s = state{}
		for a := range w.Clients {
			s.clients[a].phase = ended
		}
		return
	}
	for a := range w.Clients {
		if c := &s.clients[a]; c.phase == returned && c.token < least {
			c.token = none // no token will be equal to it
		}
	}
	for j := range w.Nodes {
		if n := &s.nodes[j]; w.Lean && !s.runs(n.holder) {
			n.holder = 0
		}
	}
	if !waiting && s.last < least {
		s.last = none
	}
}

// tidyClient drops what can have no effect any more on one client.
func (s *state) tidyClient(w *World, a int) {
	c := &s.clients[a]
	if c.phase == running && s.doomed(w, a) {
		*c = client{phase: ended}
	}
	if c.phase == ended || w.Order == ReturnOrder && c.phase == returned {
		c.token = none
	}
	if c.phase != running {
		s.votes[a] = [maxNodes]vote{}
		return
	}
	if c.token > c.after {
		c.after = none
	}
	for j := range w.Nodes {
		s.votes[a][j].tidy(w, c.token)
	}
}

// doomed reports whether so many votes are over that a client can never return.
func (s *state) doomed(w *World, a int) bool {
	over := 0
	for _, v := range s.votes[a][:w.Nodes] {
		over += int(bit(v.over))
	}
	return w.Nodes-over < w.majority()
}

func (v *vote) tidy(w *World, token value) {
	if w.Lean {
		v.voted = true
		v.exact = v.exact && !v.over
	}
	switch {
	case v.reply == none:
	case v.voted && (v.reply == low || v.reply < token || v.reply == token && (v.exact || w.Lean && v.over)):
		v.reply = none
	case v.reply < token:
		v.reply = low
	}
}

// spread makes room for one token between any two and beyond the ends.
func (s *state) spread(w *World) {
	s.eachValue(w, func(v *value) { *v *= 2 })
}

// rank renumbers the tokens 1, 2, 3 ... in their order.
func (s *state) rank(w *World) {
	var used uint64
	s.eachValue(w, func(v *value) { used |= 1 << *v })
	used &^= 1 << none
	var ranks [64]value
	next := none
	for v := range ranks {
		if used>>v&1 == 1 {
			next++
			ranks[v] = next
		}
	}
	s.eachValue(w, func(v *value) { *v = ranks[*v] })
}
