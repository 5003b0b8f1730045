// Package redlock is a distributed lock over N independent Redis nodes.
//
// # What a Lease guarantees
//
// While [Lease.Valid] is true no other client has a majority of the nodes, and [Lease.Context] ends no
// later than that (plus the scheduling of this process; up to 250 ms after a suspend). With N nodes,
// q = N/2+1 and v votes ([WithVotes], q by default), a lease is valid before the v-th largest of its
// nodes' promises, each of which is
//
//	sent + TTL*(1 - rate) - step - 2ms
//
// counted from before the request was sent that the node granted; rate and step are [WithDrift]. It is
// the published Redlock formula, node by node. A lease is returned with at least [WithMinValidity] left.
// A release or an extension never touches another owner's lock. A missed attempt leaves nothing on any
// node that can be reached.
//
// # What it needs
//
// Nodes that are independent of each other and do not forget, evict or drop a key before its time; one
// list of nodes for all clients; clocks whose rates differ by at most the drift, and node clocks that
// step forward by at most the step.
//
// # What it does not guarantee
//
// A node that restarts without its memory can vote twice: run nodes with appendonly yes and appendfsync
// always, or keep a restarted one away for MaxTTL. A process that stops (garbage collection, SIGSTOP, a
// moved virtual machine) cannot watch its deadline while it stops, so what it does right after may
// overlap with the next holder: [WithGrace] covers pauses up to a bound, nothing covers all. Waiters in
// different processes are not served in order. With N-q+1 nodes down nobody gets a lock.
//
// # Lifetimes
//
// A Locker runs one scheduling goroutine while leases are held, however many, and two for each Redis server
// that it is connected to; renewals need no others. [Locker.Close] joins all of them. [Locker.Stats] tells how
// it is doing.
package redlock
