package memnode_test

import (
	"testing"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum/memnode"
	"github.com/quorumlock/quorumlock/quorum/quorumtest"
)

func TestConformance(t *testing.T) {
	t.Run("in real time", func(t *testing.T) { quorumtest.Conformance(t, fixture) })
	t.Run("in bubbles", func(t *testing.T) { quorumtest.Conformance(t, fixture, quorumtest.InBubbles()) })
}

func fixture(t *testing.T) quorumtest.Fixture {
	clk := clock.Process()
	node := memnode.New("mem-1", clk)
	t.Cleanup(func() {
		if err := node.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return quorumtest.Fixture{
		Node: node, Clock: clk, Wipe: node.Wipe,
		Plant: func(key, value string) { node.Put(key, value, 0) },
	}
}
