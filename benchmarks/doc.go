// Package benchmarks measures what a lock costs: this project's, and through the same harness any other
// (module benchmarks/peers has them).
//
// # What is measured
//
//   - [Suite.Load]: callers that take and give back locks of their own names, as fast as they can: operations
//     per second, the distribution of their latencies, allocations, client CPU, and what the servers did for it.
//   - [Suite.Sick]: acquire, extend and release while one of the nodes is stopped, killed or slow.
//   - [Suite.HandOff]: processes, with one caller each or several, that compete for one name: hand-overs between
//     processes and inside of them, gaps, fairness, and the script calls and messages that each costs.
//   - [Suite.Held]: what locks cost that are held and renewed.
//   - [Suite.Endure]: memory and goroutines after many operations.
//
// # How
//
// A [Subject] is a kind of lock. All subjects of a scenario are measured on the same servers, in rounds: each
// round measures every subject once, and the order rotates, so that a machine that slows down, or a neighbour
// that wakes up, meets all of them alike. Every subject warms up first. Figures are kept round by round; whoever
// summarizes takes the median. Before anything is measured, [Suite.Check] sees that a subject's lock excludes:
// a subject that only pretends would win every comparison.
//
// Latencies go into HDR histograms, with an error under 1 %. Allocations are those of the whole process, harness
// included, which allocates nothing per operation. Client CPU is that of the process by getrusage; server CPU and
// commands are what the servers say about themselves (INFO), including the commands that scripts run, less the
// one INFO that asks.
//
// # Limits
//
// Everything runs on one machine: servers and clients share its cores, so throughput is bounded by the sum of
// both, and a network's latency is absent. Ratios within one run carry over to other machines far better than
// absolute figures do. Load is closed: a caller begins an operation when its last one has ended, so a stall
// delays what would have come meanwhile instead of counting it. The hand-off compares clocks of several
// processes, which is possible on Linux only.
package benchmarks
