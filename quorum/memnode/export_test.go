package memnode

// Stored counts the entries in memory, dead ones included.
func (n *Node) Stored() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.store.entries)
}

// Noted counts the keys that somebody is noted for, dead ones included.
func (n *Node) Noted() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.store.waiters.lists)
}

// Counted counts the counters in memory, dead ones included.
func (n *Node) Counted() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.store.counters.values)
}
