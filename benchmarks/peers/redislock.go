package peers

import (
	"context"
	"time"

	"github.com/bsm/redislock"
	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/benchmarks"
)

// Redislock is bsm/redislock, which knows one node only.
func Redislock() benchmarks.Subject { return redislockSubject{} }

type redislockSubject struct{}

func (redislockSubject) Name() string { return "redislock" }

func (redislockSubject) About() string {
	return "redislock, a lock on one node; it waits by trying every 50 ms, go-redis client with its defaults"
}

func (redislockSubject) Fits(nodes int) bool { return nodes == 1 }

func (redislockSubject) Open(_ context.Context, site benchmarks.Site) (benchmarks.Client, error) {
	client := redis.NewClient(&redis.Options{Addr: site.Addrs[0]})
	return &redislockClient{locks: redislock.New(client), client: client, ttl: site.TTL}, nil
}

type redislockClient struct {
	locks  *redislock.Client
	client *redis.Client
	ttl    time.Duration
}

// retryEvery is the pause between its tries, as in its documentation's examples.
const retryEvery = 50 * time.Millisecond

func (c *redislockClient) Acquire(ctx context.Context, name string) (benchmarks.Hold, error) {
	lock, err := c.locks.Obtain(ctx, name, c.ttl, &redislock.Options{RetryStrategy: redislock.LinearBackoff(retryEvery)})
	if err != nil {
		return nil, err
	}
	return redislockHold{lock, c.ttl}, nil
}

func (c *redislockClient) Close() error { return c.client.Close() }

type redislockHold struct {
	lock *redislock.Lock
	ttl  time.Duration
}

func (h redislockHold) Extend(ctx context.Context) error  { return h.lock.Refresh(ctx, h.ttl, nil) }
func (h redislockHold) Release(ctx context.Context) error { return h.lock.Release(ctx) }
