package tokenmodel

import "slices"

// packed is a state in few bytes: a word for the clients, then a word for each node.
type packed [maxNodes + 1]uint64

// The largest world without a ceiling has 27 tokens at once: 5 counters, 15 replies, and for each of 3 clients
// its own and the one before it, and the last of all.
const (
	valueBits = 5
	topValue  = 1<<valueBits - 2 // the largest token that can be packed
	packedLow = 1<<valueBits - 1
)

// pack returns the state in its standard form: of all states that differ only in how nodes and
// clients are numbered, one. Nodes obey the same rules, and so do clients, so what one of these states
// can lead to, all can.
func (s *state) pack(w *World) packed {
	var best packed
	found := false
	for _, order := range w.orders {
		p, sorted := s.packAs(w, order)
		if !sorted {
			continue
		}
		slices.Sort(p[1 : 1+w.Nodes])
		if !found || slices.Compare(p[:], best[:]) < 0 {
			best, found = p, true
		}
	}
	return best
}

// packAs encodes the state with clients in the given order, and reports whether that order is one of
// those that sort them.
func (s *state) packAs(w *World, order []uint8) (packed, bool) {
	var p packed
	var place [maxClients + 1]uint64 // of holders
	var previous uint64
	for i, a := range order {
		c := s.clients[a]
		word := uint64(c.phase)<<(2*valueBits) | uint64(c.token)<<valueBits | uint64(c.after)
		if word < previous {
			return p, false
		}
		previous = word
		p[0] = p[0]<<(2*valueBits+2) | word
		place[a+1] = uint64(i) + 1
	}
	p[0] = p[0]<<(valueBits+2) | uint64(s.last)<<2 | uint64(s.forgot)
	for j := range w.Nodes {
		n := s.nodes[j]
		word := uint64(n.counter)<<3 | place[n.holder]<<1 | bit(n.shut)
		for _, a := range order {
			v := s.votes[a][j]
			reply := uint64(v.reply)
			if v.reply == low {
				reply = packedLow
			}
			word = word<<(valueBits+4) | reply<<4 | bit(v.voted)<<3 | bit(v.exact)<<2 | bit(v.over)<<1 | bit(v.old)
		}
		p[1+j] = word
	}
	return p, true
}

// unpack is the inverse of pack, up to the numbering.
func (p packed) unpack(w *World) state {
	const mask = 1<<valueBits - 1
	var s state
	s.forgot = uint8(p[0] & 3)
	s.last = value(p[0] >> 2 & mask)
	word := p[0] >> (valueBits + 2)
	for i := w.Clients - 1; i >= 0; i-- {
		s.clients[i] = client{
			phase: phase(word >> (2 * valueBits) & 3),
			token: value(word >> valueBits & mask),
			after: value(word & mask),
		}
		word >>= 2*valueBits + 2
	}
	for j := range w.Nodes {
		word := p[1+j]
		for i := w.Clients - 1; i >= 0; i-- {
			v := vote{reply: value(word >> 4 & mask), voted: word>>3&1 == 1, exact: word>>2&1 == 1, over: word>>1&1 == 1, old: word&1 == 1}
			if v.reply == packedLow {
				v.reply = low
			}
			s.votes[i][j] = v
			word >>= valueBits + 4
		}
		s.nodes[j] = node{holder: uint8(word >> 1 & 3), counter: value(word >> 3 & mask), shut: word&1 == 1}
	}
	return s
}

func bit(set bool) uint64 {
	if set {
		return 1
	}
	return 0
}

// fingerprint maps a state to 64 bits, never to 0.
func (p packed) fingerprint() uint64 {
	h := uint64(0x9e3779b97f4a7c15)
	for _, word := range p {
		h ^= word
		h *= 0xff51afd7ed558ccd
		h ^= h >> 32
		h *= 0xc4ceb9fe1a85ec53
		h ^= h >> 29
	}
	return max(h, 1)
}
