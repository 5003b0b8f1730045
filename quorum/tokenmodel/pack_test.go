package tokenmodel

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// A walk leads through some thousand states of the world, at random.
func walk(t *testing.T, w *World, visit func(s *state)) {
	t.Helper()
	if err := w.validate(); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		var s state
		for range 30 {
			visit(&s)
			var after []state
			w.expand(&s, func(_ step, to *state) {
				if to != nil {
					after = append(after, *to)
				}
			})
			if len(after) == 0 {
				break
			}
			s = after[r.IntN(len(after))]
		}
	}
}

// renumbered returns the state with nodes and clients numbered in another way.
func (s *state) renumbered(w *World, r *rand.Rand) state {
	next := state{last: s.last, forgot: s.forgot}
	clients, nodes := r.Perm(w.Clients), r.Perm(w.Nodes)
	for a, to := range clients {
		next.clients[to] = s.clients[a]
		for j, at := range nodes {
			next.votes[to][at] = s.votes[a][j]
		}
	}
	for j, at := range nodes {
		next.nodes[at] = s.nodes[j]
		if holder := s.nodes[j].holder; holder != 0 {
			next.nodes[at].holder = uint8(clients[holder-1]) + 1
		}
	}
	return next
}

// outcomes returns what can come of the state.
func (s *state) outcomes(w *World) []packed {
	all := make(map[packed]bool)
	w.expand(s, func(_ step, to *state) {
		if to != nil {
			all[to.pack(w)] = true
		}
	})
	return slices.SortedFunc(maps.Keys(all), func(p, q packed) int { return slices.Compare(p[:], q[:]) })
}

var walked = map[string]World{
	"without clocks": {Nodes: 3, Clients: 3, HandOver: true},
	"one forgets":    {Nodes: 5, Clients: 2, Clocks: true, Order: ReturnOrder, Forgets: 2, HandOver: true},
	"lean":           {Nodes: 5, Clients: 3, Clocks: true, Order: ReturnOrder, Forgets: 1, Lean: true},
	"a ceiling":      {Nodes: 4, Clients: 3, Ceiling: 4},
}

// To explore one state in place of all that differ in numbering is sound only if they have one standard
// form, and what can come of them is the same.
func TestNumberingDoesNotMatter(t *testing.T) {
	for name, w := range walked {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 4))
			walk(t, &w, func(s *state) {
				other := s.renumbered(&w, r)
				if s.pack(&w) != other.pack(&w) {
					t.Fatalf("two standard forms of\n%+v\n%+v", *s, other)
				}
				if !slices.Equal(s.outcomes(&w), other.outcomes(&w)) {
					t.Fatalf("not the same can come of\n%+v\n%+v", *s, other)
				}
			})
		})
	}
}

// Nothing may get lost on the way into the frontier and back.
func TestPacking(t *testing.T) {
	for name, w := range walked {
		t.Run(name, func(t *testing.T) {
			walk(t, &w, func(s *state) {
				p := s.pack(&w)
				back := p.unpack(&w)
				if back.pack(&w) != p || !slices.Equal(back.outcomes(&w), s.outcomes(&w)) {
					t.Fatalf("%+v became %+v", *s, back)
				}
			})
		})
	}
}

func TestTable(t *testing.T) {
	const n = 200_000 // it grows twice
	table := newTable()
	for key := uint64(1); key <= n; key++ {
		if !table.add(key*0x9e3779b97f4a7c15, key) || table.add(key*0x9e3779b97f4a7c15, 0) {
			t.Fatalf("key %d was not added exactly once", key)
		}
	}
	for key := uint64(1); key <= n; key++ {
		if got := table.parent(key * 0x9e3779b97f4a7c15); got != key {
			t.Fatalf("the parent of key %d is %d", key, got)
		}
	}
	if table.used != n {
		t.Errorf("used = %d, want %d", table.used, n)
	}
}

func TestPermutations(t *testing.T) {
	all := permutations(3)
	slices.SortFunc(all, slices.Compare[[]uint8])
	want := [][]uint8{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}
	if !slices.EqualFunc(all, want, slices.Equal[[]uint8]) {
		t.Errorf("permutations(3) = %v, want %v", all, want)
	}
}
