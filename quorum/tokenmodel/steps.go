package tokenmodel

// A kind of step, by what happens in it.
type kind uint8

const (
	begins   kind = iota // a client sends its request for a vote to every node
	votes                // such a request arrives where the lock is free
	succeeds             // such a request arrives where the key is that of a client that has returned: a hand-over
	repeats              // such a request arrives where the client's key is already
	raises               // a request to raise the counter arrives where the client's key is
	refuses              // such a request arrives where it is not (R1)
	reaches              // the same, but it raises the counter all the same (RaiseAnywhere)
	hears                // a reply arrives at its client
	returns              // a client returns its token
	ends                 // a client gives up or dies
	expires              // a key vanishes
	disuses              // a counter vanishes, after long disuse
	forgets              // a node loses all it knows
	reopens              // such a node votes again
	kinds    = iota
)

// A step is one thing that happens.
type step struct {
	kind   kind
	client uint8
	node   uint8
	keep   bool // the reply is lost; the one before is still under way
	events events
}

// An expansion finds all that can happen in a state.
type expansion struct {
	w     *World
	from  state
	top   value // the largest token that a vote may have
	visit func(step, *state)
}

// expand calls visit with each step that is possible in s, and the state after it: nil if that is s.
func (w *World) expand(s *state, visit func(step, *state)) {
	x := expansion{w: w, from: *s, top: value(w.Ceiling), visit: visit}
	if w.Ceiling == 0 {
		x.from.spread(w)
		x.from.eachValue(w, func(v *value) { x.top = max(x.top, *v+1) })
		x.top = max(x.top, 1)
	}
	for a := range uint8(w.Clients) {
		x.client(a)
		if s.clients[a].phase == fresh {
			continue
		}
		for j := range uint8(w.Nodes) {
			x.vote(a, j)
			x.raise(a, j)
			x.hearing(a, j)
		}
	}
	for j := range uint8(w.Nodes) {
		x.expire(j)
		x.disuse(j)
		x.forget(j)
		x.reopen(j)
	}
}

// emit hands out what a step leads to.
func (x *expansion) emit(st step, next *state) {
	next.tidy(x.w)
	if x.w.Ceiling == 0 {
		next.rank(x.w)
	}
	x.visit(st, next)
}

// client begins, returns, or ends.
func (x *expansion) client(a uint8) {
	next := x.from
	c := &next.clients[a]
	switch c.phase {
	case fresh:
		c.phase = running
		if x.w.Order == BeginOrder {
			c.after = next.last
		}
		x.emit(step{kind: begins, client: a}, &next)
	case running:
		if x.mayReturn(a) {
			c.phase = returned
			next.last = max(next.last, c.token)
			c.after = none
			x.emit(step{kind: returns, client: a, events: x.atReturn(a)}, &next)
			next = x.from
		}
		*c = client{phase: ended}
		x.emit(step{kind: ends, client: a, events: x.atEnd(a)}, &next)
	}
}

// votesHeard returns how many nodes the client knows to have voted for it.
func (s *state) votesHeard(w *World, a uint8) int {
	heard := 0
	for j := range w.Nodes {
		if s.votes[a][j].voted {
			heard++
		}
	}
	return heard
}

// mayReturn decides whether a client may return its token now: a majority counts.
func (x *expansion) mayReturn(a uint8) bool {
	exact, alive, both := 0, 0, 0
	for _, v := range x.from.votes[a][:x.w.Nodes] {
		isAlive := v.voted && !v.over
		exact += int(bit(v.exact))
		alive += int(bit(isAlive))
		both += int(bit(v.exact && isAlive))
	}
	q := x.w.majority()
	switch {
	case x.w.Flaws.NoWriteBack:
		return alive >= q
	case x.w.Flaws.CountExpired, x.w.Flaws.RaiseAnywhere:
		return exact >= q && alive >= q
	}
	return both >= q
}

// vote: a client's request for a vote arrives, for the first time or once more.
func (x *expansion) vote(a, j uint8) {
	n := x.from.nodes[j]
	if n.shut || x.w.Lean && x.from.clients[a].phase != running {
		return
	}
	if n.holder == a+1 {
		if x.w.Lean {
			return // it has heard of this vote
		}
		next := x.from
		x.reply(step{kind: repeats, client: a, node: j}, &next, n.counter)
		return
	}
	how := votes
	if n.holder != 0 {
		if !x.w.HandOver || x.from.clients[n.holder-1].phase != returned {
			return // refused; the client learns at most a token, and any may be proposed as it is
		}
		how = succeeds
	}
	least := n.counter + 1
	if x.w.Flaws.StandStill {
		least = max(n.counter, 1)
	}
	for token := least; token <= x.top; token++ {
		next := x.from
		next.nodes[j] = node{holder: a + 1, counter: token}
		x.reply(step{kind: how, client: a, node: j, events: x.atVote(a, j)}, &next, token)
	}
}

// raise: a client's request to raise the counter to its token arrives, or arrives once more.
func (x *expansion) raise(a, j uint8) {
	c := x.from.clients[a]
	n := x.from.nodes[j]
	asked := c.phase == running && c.token != none && x.from.votesHeard(x.w, a) >= x.w.majority()
	if !asked || n.shut || x.w.Flaws.NoWriteBack {
		return
	}
	next := x.from
	after := max(n.counter, c.token)
	switch {
	case n.holder == a+1:
		next.nodes[j].counter = after
		if x.w.Flaws.AcceptLarger {
			after = c.token
		}
		x.reply(step{kind: raises, client: a, node: j}, &next, after)
	case !x.w.Flaws.RaiseAnywhere:
		x.visit(step{kind: refuses, client: a, node: j}, nil)
	default:
		next.nodes[j].counter = after
		if after == c.token {
			next.votes[a][j].exact = true
		}
		x.emit(step{kind: reaches, client: a, node: j}, &next)
	}
}

// reply puts a reply on its way. Of two replies of one node to one client, either may be the one that
// is lost.
func (x *expansion) reply(st step, next *state, reply value) {
	a, j := st.client, st.node
	if next.clients[a].phase != running {
		x.emit(st, next) // nobody listens
		return
	}
	v := &next.votes[a][j]
	if v.reply != none {
		kept := *next
		lost := st
		lost.keep = true
		x.emit(lost, &kept)
	}
	v.reply = reply
	if x.w.Lean {
		st.events |= next.atHearing(x.w, a, j)
		next.hear(x.w, a, j)
	}
	x.emit(st, next)
}

// hearing: a reply arrives.
func (x *expansion) hearing(a, j uint8) {
	if x.from.votes[a][j].reply == none {
		return
	}
	next := x.from
	next.hear(x.w, a, j)
	x.emit(step{kind: hears, client: a, node: j, events: x.from.atHearing(x.w, a, j)}, &next)
}

// hear tells a client what a node has replied.
func (s *state) hear(w *World, a, j uint8) {
	c := &s.clients[a]
	v := &s.votes[a][j]
	reply := v.reply
	v.voted, v.reply = true, none
	if reply == low || reply < c.token {
		return
	}
	if reply > c.token {
		c.token = reply
		for i := range w.Nodes {
			s.votes[a][i].exact = false
		}
	}
	v.exact = true
}
