// Package fencetest tests guards of package fence, those of the project and your own.
//
// # Guarantee
//
// A guard that passes [Conformance] keeps the promises written on fence.Guard and, if it is one, on
// fence.WriteGuard, as far as users on undisturbed connections can see them.
//
// # Assumptions
//
// Each check gets resources of fresh names, so guards of several checks may share a server.
//
// # Limits
//
// Whether the guard's memory outlives a crash of its server is not tested. The package imports testing;
// programs leave it alone.
package fencetest

import (
	"maps"
	"slices"
	"testing"

	"github.com/quorumlock/quorumlock/redlock/fence"
)

// A Fixture is one guard under test.
type Fixture struct {
	Guard fence.Guard
	// Prepare makes a resource ready that nobody presented a token for, if the guard needs that: it adds
	// the row whose column is guarded, say. It may be nil.
	Prepare func(resource string)
}

// checks are the suite's demands: a sentence about every guard, and what finds out whether it is true.
type checks map[string]func(g *guarded)

// Conformance demands of a guard what its interface promises, one subtest per sentence. open is called
// once for each of them, and registers its own cleaning up.
func Conformance(t *testing.T, open func(t *testing.T) Fixture) {
	t.Run("register", func(t *testing.T) { all(t, registerChecks, open) })
	t.Run("refuse", func(t *testing.T) { all(t, refuseChecks, open) })
	t.Run("together", func(t *testing.T) { all(t, togetherChecks, open) })
	t.Run("write", func(t *testing.T) {
		if _, writes := open(t).Guard.(fence.WriteGuard); !writes {
			t.Skip("no fence.WriteGuard, so there is no Write to test")
		}
		all(t, writeChecks, open)
	})
}

// all runs the checks of one topic, in a stable order.
func all(t *testing.T, topic checks, open func(t *testing.T) Fixture) {
	for _, sentence := range slices.Sorted(maps.Keys(topic)) {
		t.Run(sentence, func(t *testing.T) { topic[sentence](newGuarded(t, open(t))) })
	}
}
