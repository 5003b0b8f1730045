// Package chaos breaks things around a lock on purpose, and judges what its users saw.
//
// [Run] plays a [Scenario] on a [Cluster]: clients compete for locks while faults come and go. Clusters in
// memory run in virtual time, inside a synctest bubble, where a seed is one run. The lock is this
// project's unless the [Load] opens another, and the work is whatever the user wants to try under it.
//
// A run leaves a [History], one event a line, and every [Invariant] reads that and nothing else, so a
// history can be judged again by a better judge. A [Scenario] says what must hold on it, and what must
// break, so that a blind judge cannot pass; a [Report] is the verdict.
//
// # Limits
//
// A run that finds nothing proves nothing by itself: a report says how much was acquired, contended and
// broken, and fails if that is less than the scenario asks for.
package chaos
