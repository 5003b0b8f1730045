package tokenmodel

import "math/bits"

// expire: a key vanishes, because its time is over or its client has released it.
func (x *expansion) expire(j uint8) {
	holder := x.from.nodes[j].holder
	if holder == 0 {
		return
	}
	next := x.from
	next.nodes[j].holder = 0
	if x.w.Clocks && x.from.runs(holder) {
		next.votes[holder-1][j].over = true
	}
	x.emit(step{kind: expires, client: holder - 1, node: j, events: Expired.when(x.from.runs(holder))}, &next)
}

// disuse: a counter vanishes; what it was is in the floor, unless that is lost too.
func (x *expansion) disuse(j uint8) {
	if n := x.from.nodes[j]; n.counter == none || n.holder != 0 {
		return
	}
	if !x.w.Flaws.LoseFloor {
		x.visit(step{kind: disuses, node: j}, nil)
		return
	}
	next := x.from
	next.nodes[j].counter = none
	x.emit(step{kind: disuses, node: j}, &next)
}

// forget: a node loses its key, its counter and its floor.
func (x *expansion) forget(j uint8) {
	if int(x.from.forgot) >= x.w.Forgets || x.from.anyShut(x.w) {
		return
	}
	next := x.from
	next.forgot++
	if x.w.Clocks && !x.w.Flaws.NoQuarantine {
		for i, n := range x.from.nodes[:x.w.Nodes] {
			if x.from.runs(n.holder) {
				v := &next.votes[n.holder-1][i]
				v.old = !v.over
			}
		}
	}
	next.nodes[j] = node{shut: true}
	x.emit(step{kind: forgets, node: j, events: Forgot.when(x.from.runs(x.from.nodes[j].holder))}, &next)
}

// runs reports whether the holder of a key is a client that has neither returned nor ended.
func (s *state) runs(holder uint8) bool { return holder != 0 && s.clients[holder-1].phase == running }

// anyShut reports whether a node is in quarantine.
func (s *state) anyShut(w *World) bool {
	for _, n := range s.nodes[:w.Nodes] {
		if n.shut {
			return true
		}
	}
	return false
}

// reopen: the quarantine of a node that forgot ends. Every vote from before is over by then. Its floor
// is the largest of a majority of others.
func (x *expansion) reopen(j uint8) {
	if !x.from.nodes[j].shut {
		return
	}
	next := x.from
	next.nodes[j].shut = false
	for a := range x.w.Clients {
		for i := range x.w.Nodes {
			v := &next.votes[a][i]
			v.over, v.old = v.over || v.old, false
		}
	}
	if x.w.Flaws.NoFloor {
		x.emit(step{kind: reopens, node: j}, &next)
		return
	}
	for others := range uint8(1) << x.w.Nodes {
		if bits.OnesCount8(others) != x.w.majority() || others>>j&1 == 1 {
			continue
		}
		opened := next
		for i, n := range x.from.nodes[:x.w.Nodes] {
			if others>>i&1 == 1 {
				opened.nodes[j].counter = max(opened.nodes[j].counter, n.counter)
			}
		}
		x.emit(step{kind: reopens, node: j}, &opened)
	}
}
