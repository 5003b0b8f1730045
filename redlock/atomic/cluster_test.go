package atomic_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/quorum/quorumtest/redisserver"
	"github.com/quorumlock/quorumlock/redlock/atomic"
)

// cluster starts a Redis Cluster of two masters, each with half of the slots, and returns a client of each.
func cluster(t *testing.T) []*redis.Client {
	t.Helper()
	servers := quorumtest.Fleet(t, 2, redisserver.WithConfig("--cluster-enabled", "yes", "--cluster-node-timeout", "60000"))
	nodes := make([]*redis.Client, len(servers))
	for i, s := range servers {
		nodes[i] = client(t, &redis.Options{Addr: s.Addr()})
		do(t, nodes[i], "CLUSTER SET-CONFIG-EPOCH %d", i+1)
		do(t, nodes[i], "CLUSTER ADDSLOTSRANGE %d %d", 8192*i, 8192*i+8191)
	}
	host, port, _ := strings.Cut(servers[1].Addr(), ":")
	do(t, nodes[0], "CLUSTER MEET %s %s", host, port)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, node := range nodes {
		awaitOK(ctx, t, node)
	}
	return nodes
}

func do(t *testing.T, c *redis.Client, format string, args ...any) {
	t.Helper()
	must(t, c.Do(t.Context(), command(fmt.Sprintf(format, args...))...).Err())
}

// awaitOK returns once the node knows of every slot who has it.
func awaitOK(ctx context.Context, t *testing.T, node *redis.Client) {
	t.Helper()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		info := node.ClusterInfo(ctx).Val()
		if strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_slots_ok:16384") {
			return
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			t.Fatalf("the cluster did not come up: %s", info)
		}
	}
}

func TestOnACluster(t *testing.T) {
	nodes := cluster(t)
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{nodes[0].Options().Addr}})
	t.Cleanup(func() { c.Close() })
	r := recipes(t, c)
	for shop := range 16 { // on both nodes, each of which learns the scripts for itself
		tag := fmt.Sprintf("{shop %d}", shop)
		must(t, c.Set(t.Context(), tag+"stock", 5, 0).Err())
		order := atomic.Order{Stock: tag + "stock", Log: tag + "log", ID: "o1", Quantity: 2}
		for _, already := range []bool{false, true} {
			if got, err := r.Reserve(t.Context(), order); err != nil || got.Left != 3 || got.Already != already {
				t.Errorf("Reserve on %s = %+v, %v; want 3 left, already %v", tag, got, err, already)
			}
		}
		if got, err := r.Increment(t.Context(), tag+"count", 9); got != 1 || err != nil {
			t.Errorf("Increment on %s = %d, %v; want 1", tag, got, err)
		}
		if got, err := r.PushUnique(t.Context(), tag+"list", "a"); !got || err != nil {
			t.Errorf("PushUnique on %s = %v, %v; want true", tag, got, err)
		}
		if got, err := r.Hit(t.Context(), tag+"hits", 1, time.Hour); got.Count != 1 || err != nil {
			t.Errorf("Hit on %s = %+v, %v; want the first", tag, got, err)
		}
	}
	for i, node := range nodes {
		if node.DBSize(t.Context()).Val() == 0 {
			t.Errorf("node %d has no keys, so half of this was not tested", i)
		}
	}
}

// A client that does not say what it is, such as a wrapped one, learns of the rule from the server.
func TestTheServersWordOnKeysApart(t *testing.T) {
	node := cluster(t)[0]
	_, err := recipes(t, node).Reserve(t.Context(), atomic.Order{Stock: "{a}s", Log: "{b}l", ID: "o1", Quantity: 1})
	if err == nil || !strings.Contains(err.Error(), "need the same hash tag") {
		t.Errorf("error = %v, want one about hash tags", err)
	}
}

// A Ring hashes tags too.
func TestOnARing(t *testing.T) {
	addrs := make(map[string]string)
	for i, s := range quorumtest.Fleet(t, 2) {
		addrs[fmt.Sprint("shard ", i)] = s.Addr()
	}
	ring := redis.NewRing(&redis.RingOptions{Addrs: addrs})
	t.Cleanup(func() { ring.Close() })
	r := recipes(t, ring)
	for shop := range 8 {
		tag := fmt.Sprintf("{shop %d}", shop)
		must(t, ring.Set(t.Context(), tag+"stock", 5, 0).Err())
		got, err := r.Reserve(t.Context(), atomic.Order{Stock: tag + "stock", Log: tag + "log", ID: "o1", Quantity: 2})
		if err != nil || got.Left != 3 {
			t.Errorf("Reserve on %s = %+v, %v; want 3 left", tag, got, err)
		}
	}
}
