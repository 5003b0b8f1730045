package stampede_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/quorum/quorumtest/redisserver"
)

// cluster starts a Redis Cluster of two masters, each with half of the slots, and returns a client of each.
func cluster(t *testing.T) []*redis.Client {
	t.Helper()
	servers := quorumtest.Fleet(t, 2, redisserver.WithConfig("--cluster-enabled", "yes", "--cluster-node-timeout", "60000"))
	nodes := make([]*redis.Client, len(servers))
	for i, s := range servers {
		nodes[i] = redis.NewClient(&redis.Options{Addr: s.Addr()})
		t.Cleanup(func() { nodes[i].Close() })
		must(t, nodes[i].Do(t.Context(), "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err())
		must(t, nodes[i].Do(t.Context(), "CLUSTER", "ADDSLOTSRANGE", 8192*i, 8192*i+8191).Err())
	}
	host, port, _ := strings.Cut(servers[1].Addr(), ":")
	must(t, nodes[0].Do(t.Context(), "CLUSTER", "MEET", host, port).Err())
	for _, node := range nodes {
		await(t, "the cluster is up", func() bool {
			info := node.ClusterInfo(context.Background()).Val()
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_slots_ok:16384")
		})
	}
	return nodes
}

func TestOnACluster(t *testing.T) {
	s := newStand(t)
	nodes := cluster(t)
	client := func() *redis.ClusterClient {
		c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{nodes[0].Options().Addr}})
		t.Cleanup(func() { c.Close() })
		return c
	}
	a, b := cacheOn(t, client(), s.locker()), cacheOn(t, client(), s.locker())
	for i := range 8 { // on both nodes
		key := fmt.Sprint("key ", i)
		claim := mustLock(t, a, key)
		src := &source{}
		got := make(chan string, 1)
		go func() {
			entry, err := b.GetOrLoad(t.Context(), key, src.load)
			if err != nil {
				t.Errorf("GetOrLoad(%q): %v", key, err)
			}
			got <- entry.Value
		}()
		await(t, "a waiter listens", func() bool {
			channel, n := "rl:{"+key+"}:n", int64(0)
			for _, node := range nodes {
				n += node.PubSubNumSub(t.Context(), channel).Val()[channel]
			}
			return n > 0
		})
		must(t, claim.Set(t.Context(), "from a", time.Minute))
		if v := <-got; v != "from a" {
			t.Errorf("%q = %q, want that of a", key, v)
		}
		must(t, b.Invalidate(t.Context(), key))
		want(t, a, src, key, "v1")
	}
	entries, err := b.GetOrLoadMany(t.Context(), []string{"key 0", "key 1", "key 2", "key 3"}, nil)
	if err == nil {
		t.Errorf("GetOrLoadMany without loader = %v", entries)
	}
	for i, node := range nodes {
		if node.DBSize(t.Context()).Val() == 0 {
			t.Errorf("node %d has no keys, so half of this was not tested", i)
		}
	}
}
