package memnode

import (
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
)

// Held is one key that the node keeps.
type Held struct {
	Key, Value string
	Remaining  time.Duration // quorum.NoExpiry without a TTL
}

// Keys returns what the node keeps right now, sorted by key. It sees through every fault.
func (n *Node) Keys() []Held {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.store.snapshot(n.own.now())
}

// Time returns the node's clock: the time since the Unix epoch.
func (n *Node) Time() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return time.Duration(n.own.now())
}

// Put stores a key behind the askers' backs, as an operator or a foreign program would. A ttl of
// zero or less is none.
func (n *Node) Put(key, value string, ttl time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.own.now()
	until := clock.Forever
	if ttl > 0 {
		until = now.Add(ttl)
	}
	n.store.put(quorum.Op{Key: key, Value: value, TTL: ttl}, entry{value: value, until: until}, now)
}

// A Change is one change of the keys that the node keeps; what it notes about waiters and counters is none. Expiry is none: it was foreseeable.
type Change struct {
	// Op made the change. Its Kind is 0 for what was done behind the askers' backs, by [Node.Put],
	// [Node.Wipe] or [Node.Kill], which names the key that was lost.
	Op quorum.Op
	// At is the node's clock: the time since the Unix epoch.
	At time.Duration
	// Before is the value that was there, and empty if the key was free.
	Before string
	// After is the value that is there now, and empty if the key is gone.
	After string
	// Kept is how long the key is kept from now on: 0 if it is gone, and [quorum.NoExpiry] or nearly
	// that without a TTL.
	Kept time.Duration
}

// WithAudit hands every change to audit, in the order in which they happen and before anybody learns
// the answer. audit must not call the node.
func WithAudit(audit func(Change)) Option {
	return optionFunc(func(n *Node) { n.store.audit = audit })
}
