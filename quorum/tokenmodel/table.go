package tokenmodel

// A table is a set of fingerprints, each with the one that it was first reached from.
type table struct {
	keys    []uint64 // 0 where there is none
	parents []uint64
	used    int
}

func newTable() *table {
	const size = 1 << 16 // a power of two, as all sizes
	return &table{keys: make([]uint64, size), parents: make([]uint64, size)}
}

// add adds key and reports whether it is new.
func (t *table) add(key, parent uint64) bool {
	if 4*t.used >= 3*len(t.keys) {
		t.grow()
	}
	slot, found := t.find(key)
	if !found {
		t.keys[slot], t.parents[slot] = key, parent
		t.used++
	}
	return !found
}

// parent returns what key, which is in the table, was first reached from; 0 if from nothing.
func (t *table) parent(key uint64) uint64 {
	slot, _ := t.find(key)
	return t.parents[slot]
}

// find returns where key is, or else where it belongs.
func (t *table) find(key uint64) (slot int, found bool) {
	mask := len(t.keys) - 1
	for slot = int(key) & mask; t.keys[slot] != 0; slot = (slot + 1) & mask {
		if t.keys[slot] == key {
			return slot, true
		}
	}
	return slot, false
}

func (t *table) grow() {
	old := *t
	t.keys = make([]uint64, 2*len(old.keys))
	t.parents = make([]uint64, 2*len(old.keys))
	for i, key := range old.keys {
		if key != 0 {
			slot, _ := t.find(key)
			t.keys[slot], t.parents[slot] = key, old.parents[i]
		}
	}
}
