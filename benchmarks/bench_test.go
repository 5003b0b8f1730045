package benchmarks

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/redlock"
)

// BenchmarkInMemory measures what the library itself costs to take and give back a lock: nodes answer in memory,
// at once. Compare two versions with benchstat over -count=10.
func BenchmarkInMemory(b *testing.B) {
	for _, nodes := range []int{1, 3, 5, 7} {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("nodes=%d/callers=%d", nodes, callers), func(b *testing.B) {
				benchmark(b, InMemory(), make([]string, nodes), callers)
			})
		}
	}
}

// BenchmarkServers measures the same on Redis servers: the time is that of the library, the servers and the
// loopback interface, which share the machine's cores.
func BenchmarkServers(b *testing.B) { onServers(b, subjects()[0]) }

// BenchmarkServersWithoutToken is what is left of it without fencing tokens: scripts/compare-cost compares it with
// versions that had none.
func BenchmarkServersWithoutToken(b *testing.B) {
	onServers(b, Redlock("redlock", "without token", redlock.WithoutToken()))
}

func onServers(b *testing.B, subject Subject) {
	b.Helper()
	needRedis(b)
	for _, nodes := range []int{1, 3, 5, 7} {
		fleet, err := StartFleet(b.Context(), nodes)
		if err != nil {
			b.Fatal(err)
		}
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("nodes=%d/callers=%d", nodes, callers), func(b *testing.B) {
				benchmark(b, subject, fleet.Addrs(), callers)
			})
		}
		if err := fleet.Close(); err != nil {
			b.Error(err)
		}
	}
}

// benchmark lets callers take and give back locks of their own, until together they have done so b.N times.
func benchmark(b *testing.B, subject Subject, addrs []string, callers int) {
	b.Helper()
	client, err := subject.Open(b.Context(), Site{Addrs: addrs, TTL: 10 * time.Second})
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	b.ReportAllocs()
	b.ResetTimer()
	var (
		left atomic.Int64
		all  sync.WaitGroup
	)
	left.Store(int64(b.N))
	for c := range callers {
		all.Go(func() {
			name := "benchmark:" + strconv.Itoa(c)
			for left.Add(-1) >= 0 {
				if err := once(b.Context(), client, name); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}
