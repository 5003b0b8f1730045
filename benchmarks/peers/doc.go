// Package peers sets this project beside other locks: on the same nodes, in the same run.
//
// It has the subjects that the harness of package benchmarks measures: redsync with its defaults and fail-fast,
// redislock and etcd's own lock on one node, and a bare fan-out of scripts, which is no lock but the floor under
// everything that asks a majority. Each is used as its documentation shows it, with the TTL that all agree on;
// [benchmarks.Subject.About] says what was chosen. Program bench runs the suite.
//
// It also shows that a lock of package redlock and one of redsync exclude each other, so that a
// fleet can move from one to the other service by service, and what becomes of each where servers and links
// fail: [RedsyncLock] takes part in runs of package chaos. It is a module of its own, so that no user of the
// lock downloads the libraries it is compared with.
//
// # Rueidislock
//
// rueidislock, which is woken by Redis itself when a key that it has read changes, is not a subject: its module
// could not be had where this was written. What another run has seen of it, on one client with the majority of
// three keys, with 8 clients that held one name for 5 ms and wanted it again 5 ms later: 167 hand-overs/s of at
// most 200, the gap p50 0.4 ms and p99 2.7 ms, the worst wait 2.5 s, the least served client 15 holds and the most
// served one 422; and in 8 of 90 rounds it did not take a free lock. Its majority is one of keys behind one client,
// and not of independent nodes.
//
// # Limits
//
// Locks on one node, redislock and etcd with one member, survive no failure of that node: they are here for the
// scale, not as equals. The floor leaves out everything that makes a lock safe.
package peers
