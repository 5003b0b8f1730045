// Package chaos judges what the users of a lock saw while things around it broke.
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
