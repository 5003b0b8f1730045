package memnode

// Stored counts the entries in memory, dead ones included.
func (n *Node) Stored() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.store.entries)
}
