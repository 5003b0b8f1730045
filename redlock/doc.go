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
// # Fencing tokens
//
// [Lease.Token] is greater than the token of every lease of the name that ended before this one was asked for, and
// no two are equal, as long as no node forgets; no clock is trusted for it. Each node counts its grants of a name.
// The token is a number that at least q nodes had exactly, as their last one, while they held the lease: any
// later lease needs one of these nodes and gets more from it. It takes one round trip as long as the nodes agree,
// which they do when the client's clock is ahead of what they have counted; else one more. See
// quorum/tokenmodel, and redlock/fence for what to do with it.
//
// # Waiting
//
// The calls of one Locker that wait for a name stand in line; the first of them asks the nodes, and a release in
// the same Locker hands the lock over to it. Between Lockers, nodes note who waits, and a release names the one
// that has waited longest, which tries first; others hold back for two round trips or so. Announcements may be
// lost: a call that waits asks again when the holder's time ends, and every min(TTL/2, 1 s) anyway. While others
// wait, a lock stays with the calls of one Locker for eight hand-overs, or the time of one lease.
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
// overlap with the next holder: [WithGrace] covers pauses up to a bound, and a resource that refuses old tokens
// all of them. Waiters in different processes are not served in a strict order. With N-q+1 nodes down nobody
// gets a lock.
//
// # Lifetimes
//
// A Locker runs one scheduling goroutine while leases are held, however many, and two for each Redis server
// that it is connected to, and as many again while calls wait and some seconds after; renewals need no others. [Locker.Close] joins all of them. [Locker.Stats] tells how
// it is doing.
package redlock
