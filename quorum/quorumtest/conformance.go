package quorumtest

import (
	"maps"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
)

// A Fixture is one node under test, and hands on what the suite cannot do through the node itself.
// Nodes of several fixtures may share a server: the suite draws fresh keys.
type Fixture struct {
	// Node is asked, and closed by the check of Close. Whoever opened it closes it too; the suite
	// does not mind when the second close fails.
	Node quorum.Node
	// Clock is the asking clock, of which every NotAfter is an instant.
	Clock clock.Clock
	// Plant stores a key without a TTL behind the node's back, as an operator or a foreign program
	// would.
	Plant func(key, value string)
	// Wipe makes the server forget everything, as FLUSHALL does. Checks that need it are skipped if
	// it is nil.
	Wipe func()
	// Spoil stores under key something that no lock ever is, such as a list. Checks that need it are
	// skipped if it is nil.
	Spoil func(key string)
}

// An Option changes how [Conformance] runs.
type Option interface{ apply(*runner) }

// A runner runs one check in the environment that the options ask for.
type runner struct {
	run func(t *testing.T, check func(t *testing.T))
}

type optionFunc func(*runner)

func (f optionFunc) apply(r *runner) { f(r) }

// InBubbles runs every check, and the opening of its fixture, in a synctest bubble of its own, where
// time passes at once and a goroutine left behind is a failure. It is for nodes without sockets.
func InBubbles() Option {
	return optionFunc(func(r *runner) { r.run = synctest.Test })
}

// outside runs a check in real time, and looks for goroutines left behind once all that the check
// and its fixture registered for cleaning up is done.
func outside(t *testing.T, check func(t *testing.T)) {
	NoLeaks(t)
	check(t)
}

// checks are the suite's demands: a sentence about every node, and what finds out whether it is
// true.
type checks map[string]func(a *asker)

// Conformance demands of a node what its interface promises, one subtest per sentence. open is
// called once for each of them, and registers its own cleaning up.
func Conformance(t *testing.T, open func(t *testing.T) Fixture, opts ...Option) {
	r := runner{run: outside}
	for _, o := range opts {
		o.apply(&r)
	}
	topics := map[string]checks{
		"acquire": acquireChecks, "extend": extendChecks, "heal": healChecks,
		"release": releaseChecks, "inspect": inspectChecks, "bytes": byteChecks,
		"handover": handOverChecks, "announcements": announceChecks, "token": tokenChecks,
		"time": timeChecks, "limit": limitChecks, "batch": batchChecks, "node": nodeChecks,
	}
	for _, topic := range slices.Sorted(maps.Keys(topics)) {
		t.Run(topic, func(t *testing.T) { r.all(t, topics[topic], open) })
	}
}

// all runs the checks of one topic, in a stable order.
func (r runner) all(t *testing.T, topic checks, open func(t *testing.T) Fixture) {
	for _, sentence := range slices.Sorted(maps.Keys(topic)) {
		t.Run(sentence, func(t *testing.T) {
			r.run(t, func(t *testing.T) { topic[sentence](newAsker(t, open(t))) })
		})
	}
}
