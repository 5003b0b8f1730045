package atomic_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/redlock/atomic"
)

// BenchmarkRecipes measures one call after the other on a server of this machine, beside a plain INCR on the same
// connection: what is over that is the price of a script. Compare within one run only.
func BenchmarkRecipes(b *testing.B) {
	c := redis.NewClient(&redis.Options{Addr: quorumtest.RedisServer(b).Addr()})
	defer c.Close()
	r, err := atomic.New(c)
	must(b, err)
	must(b, c.Set(b.Context(), "{shoe}:stock", atomic.MaxInteger, 0).Err())
	orders := 0
	calls := map[string]func() error{
		"INCR":      func() error { return c.Incr(b.Context(), "plain").Err() },
		"Increment": func() error { _, err := r.Increment(b.Context(), "c", math.MaxInt32); return err },
		"Hit":       func() error { _, err := r.Hit(b.Context(), "h", math.MaxInt32, time.Hour); return err },
		"Reserve": func() error {
			orders++
			_, err := r.Reserve(b.Context(), shoes(fmt.Sprint("order ", orders), 1))
			return err
		},
	}
	for _, name := range slices.Sorted(maps.Keys(calls)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				must(b, calls[name]())
			}
		})
	}
}

// BenchmarkPushUnique measures the look for an element that is last, or new: how the price grows with the list.
func BenchmarkPushUnique(b *testing.B) {
	c := redis.NewClient(&redis.Options{Addr: quorumtest.RedisServer(b).Addr()})
	defer c.Close()
	r, err := atomic.New(c)
	must(b, err)
	for _, length := range []int{10, 1_000, 100_000} {
		b.Run(fmt.Sprint("length=", length), func(b *testing.B) {
			key := fmt.Sprint("list of ", length)
			fill := c.Pipeline()
			for n := range length {
				fill.RPush(b.Context(), key, fmt.Sprintf("element %09d", n))
			}
			_, err := fill.Exec(b.Context())
			must(b, err)
			last := fmt.Sprintf("element %09d", length-1)
			for b.Loop() {
				if pushed, err := r.PushUnique(b.Context(), key, last); pushed || err != nil {
					b.Fatal(pushed, err)
				}
			}
		})
	}
}
