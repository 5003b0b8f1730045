package tokenmodel

// A table is a set of fingerprints, each with the one it was first reached from.
type table struct {
	keys    []uint64
	parents []uint64 // nil if nobody will ask
	used    int
}

func newTable(withParents bool) *table {
	const size = 1 << 16 // a power of two, as all sizes
	t := &table{keys: make([]uint64, size)}
	if withParents {
		t.parents = make([]uint64, size)
	}
	return t
}

// add adds key and reports whether it is new.
func (t *table) add(key, parent uint64) bool {
	if 3*len(t.keys) < 4*t.used {
		t.grow()
	}
	slot, found := t.find(key)
	if found {
		return false
	}
	t.put(slot, key, parent)
	t.used++
	return true
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

func (t *table) put(slot int, key, parent uint64) {
	t.keys[slot] = key
	if t.parents != nil {
		t.parents[slot] = parent
	}
}

func (t *table) grow() {
	old := *t
	t.keys = make([]uint64, 2*len(old.keys))
	if old.parents != nil {
		t.parents = make([]uint64, 2*len(old.keys))
	}
	for i, key := range old.keys {
		if key == 0 {
			continue
		}
		slot, _ := t.find(key)
		parent := uint64(0)
		if old.parents != nil {
			parent = old.parents[i]
		}
		t.put(slot, key, parent)
	}
}
