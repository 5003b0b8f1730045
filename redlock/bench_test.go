package redlock_test

import (
	"fmt"
	"testing"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum/memnode"
	"github.com/quorumlock/quorumlock/redlock"
)

// BenchmarkUncontended measures what the library itself costs to take and give back a lock: the nodes
// answer in memory, at once. Compare two versions with benchstat over -count=10.
func BenchmarkUncontended(b *testing.B) {
	for _, n := range []int{1, 3, 5, 7} {
		b.Run(fmt.Sprintf("nodes=%d", n), func(b *testing.B) {
			clk := clock.System()
			l, err := redlock.NewWithNodes(memnode.Cluster(n, clk), redlock.WithClock(clk))
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = l.Close() }()
			b.ReportAllocs()
			for b.Loop() {
				lease, err := l.TryAcquire(b.Context(), "job")
				if err != nil {
					b.Fatal(err)
				}
				if err := lease.Release(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
