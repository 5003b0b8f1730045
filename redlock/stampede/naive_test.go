package stampede_test

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// naive is what one writes first: a lock key with a TTL on the data node, and a poll. Tests that it passes as well
// prove nothing.
type naive struct {
	client  *redis.Client
	lockTTL time.Duration
	ttl     time.Duration
}

var release = redis.NewScript(`if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`)

func (n naive) get(ctx context.Context, key string, load func(ctx context.Context) (string, error)) (string, error) {
	for {
		value, err := n.client.Get(ctx, key).Result()
		if err == nil || !errors.Is(err, redis.Nil) {
			return value, err
		}
		id := rand.Text()
		if n.client.SetNX(ctx, key+":lock", id, n.lockTTL).Val() {
			value, err := load(ctx)
			if err == nil {
				err = n.client.Set(ctx, key, value, n.ttl).Err()
			}
			release.Run(ctx, n.client, []string{key + ":lock"}, id)
			return value, err
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}
