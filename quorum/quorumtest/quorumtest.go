// Package quorumtest holds what tests of nodes and locks need: the conformance suite that every
// [quorum.Node] passes, starters of real Redis servers that clean up after themselves, and checks
// that a test, or all tests of a package, leave no goroutine behind.
//
// # Guarantee
//
// A node that passes [Conformance] keeps the promises written on [quorum.Node], [quorum.Op] and
// [quorum.Answer], as far as one asker on an undisturbed connection can see them. What only shows
// under faults (late execution, lost replies) is left to the tests of the node and of the engine.
//
// # Assumptions
//
// Tests that want a Redis server are skipped where redis-server is not installed, unless the
// environment says CI=true: there its absence is a failure, so that no green run is an empty one.
//
// # Limits
//
// The package imports testing; programs take quorumtest/redisserver and quorumtest/faultproxy.
package quorumtest
