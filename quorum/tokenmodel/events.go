package tokenmodel

// An Event is something that an exploration should have met, or else it shows little.
type Event uint8

const (
	// Contended: a token was returned while another running client had a key.
	Contended Event = iota
	// Duplicate: a request for a vote was carried out a second time, after the key from the first was gone.
	Duplicate
	// Repeated: a request for a vote was carried out a second time, while the key from the first was there.
	Repeated
	// Late: a request for a vote was carried out after its client had given up, died, or returned.
	Late
	// Raised: a counter was raised where the client held the lock.
	Raised
	// Refused: a raise met a node that its client did not hold any more, or never did (R1).
	Refused
	// Restarted: a client that had a majority heard of a larger counter and began a new round (R2).
	Restarted
	// LostReply: a reply was lost whose request had been carried out.
	LostReply
	// LateReply: a reply was overtaken by what other clients did on its node.
	LateReply
	// Died: a client that held the lock on some node gave up or died.
	Died
	// Expired: a key vanished while its client was still trying.
	Expired
	// Disused: a counter vanished and its floor stood in for it.
	Disused
	// Forgot: a node forgot a running client's key.
	Forgot
	// HandedOver: a vote replaced the key of a client that had returned.
	HandedOver
	// Reopened: a node that had forgotten gave votes again.
	Reopened
	// CountedReopened: a token was returned that counts on a node that had forgotten.
	CountedReopened
	eventKinds = iota
)

var eventNames = [eventKinds]string{
	"contended", "duplicate", "repeated", "late", "raised", "refused", "restarted", "lost reply", "late reply",
	"died", "expired", "disused", "forgot", "handed over", "reopened", "counted reopened",
}

// String returns the event's name in lower case.
func (e Event) String() string {
	if int(e) < len(eventNames) {
		return eventNames[e]
	}
	return "unknown"
}

// events is a set of them.
type events uint16

func (e Event) when(happens bool) events { return events(bit(happens)) << e }

// always maps a kind of step to what any such step is.
var always = [kinds]events{
	repeats:  1 << Repeated,
	raises:   1 << Raised,
	refuses:  1 << Refused,
	disuses:  1 << Disused,
	succeeds: 1 << HandedOver,
	reopens:  1 << Reopened,
}

// holds reports whether the client has a key on some node.
func (x *expansion) holds(a uint8) bool {
	for _, n := range x.from.nodes[:x.w.Nodes] {
		if n.holder == a+1 {
			return true
		}
	}
	return false
}

func (x *expansion) atReturn(a uint8) events {
	contended, replyLost := false, false
	for b := range uint8(x.w.Clients) {
		contended = contended || b != a && x.from.clients[b].phase == running && x.holds(b)
	}
	all := x.from.forgot > 0 && !x.from.anyShut(x.w)
	for _, v := range x.from.votes[a][:x.w.Nodes] {
		all = all && v.exact && !v.over
		replyLost = replyLost || v.reply != none
	}
	return Contended.when(contended) | CountedReopened.when(all) | LostReply.when(replyLost)
}

func (x *expansion) atEnd(a uint8) events { return Died.when(x.holds(a)) }

func (x *expansion) atVote(a, j uint8) events {
	v := x.from.votes[a][j]
	return Late.when(x.from.clients[a].phase != running) | Duplicate.when(v.voted || v.reply != none)
}

func (s *state) atHearing(w *World, a, j uint8) events {
	reply, token, holder := s.votes[a][j].reply, s.clients[a].token, s.nodes[j].holder
	chosen := token != none && s.votesHeard(w, a) >= w.majority()
	return Restarted.when(chosen && reply != low && reply > token) | LateReply.when(holder != 0 && holder != a+1)
}

// eventsOf returns all that a step is.
func eventsOf(st step) events {
	return st.events | always[st.kind] | LostReply.when(st.keep)
}
