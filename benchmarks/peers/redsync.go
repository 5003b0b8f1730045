package peers

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-redsync/redsync/v4"
	redsyncredis "github.com/go-redsync/redsync/v4/redis"
	"github.com/go-redsync/redsync/v4/redis/goredis/v9"
	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/benchmarks"
)

// Redsync is redsync as its users get it, on clients with the defaults of go-redis; with failFast it returns as
// soon as a majority has decided.
func Redsync(failFast bool) benchmarks.Subject {
	if failFast {
		return redsyncSubject{name: "redsync fail-fast", options: []redsync.Option{redsync.WithFailFast(true)}}
	}
	return redsyncSubject{name: "redsync"}
}

type redsyncSubject struct {
	name    string
	options []redsync.Option
}

func (s redsyncSubject) Name() string { return s.name }

func (s redsyncSubject) About() string {
	if len(s.options) > 0 {
		return "redsync v4 with WithFailFast, go-redis clients with their defaults"
	}
	return "redsync v4 with its defaults, go-redis clients with theirs"
}

func (redsyncSubject) Fits(int) bool { return true }

func (s redsyncSubject) Open(_ context.Context, site benchmarks.Site) (benchmarks.Client, error) {
	c := &redsyncClient{options: append([]redsync.Option{redsync.WithExpiry(site.TTL)}, s.options...)}
	pools := make([]redsyncredis.Pool, len(site.Addrs))
	for i, addr := range site.Addrs {
		client := redis.NewClient(&redis.Options{Addr: addr})
		c.clients = append(c.clients, client)
		pools[i] = goredis.NewPool(client)
	}
	c.locks = redsync.New(pools...)
	return c, nil
}

type redsyncClient struct {
	locks   *redsync.Redsync
	clients []*redis.Client
	options []redsync.Option
}

// Acquire waits for longer than the tries that redsync makes by itself.
func (c *redsyncClient) Acquire(ctx context.Context, name string) (benchmarks.Hold, error) {
	mutex := c.locks.NewMutex(name, c.options...)
	for {
		err := mutex.LockContext(ctx)
		if err == nil {
			return redsyncHold{mutex}, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

func (c *redsyncClient) Close() error { return closeAll(c.clients) }

func closeAll(clients []*redis.Client) error {
	var errs []error
	for _, client := range clients {
		errs = append(errs, client.Close())
	}
	return errors.Join(errs...)
}

type redsyncHold struct{ mutex *redsync.Mutex }

func (h redsyncHold) Extend(ctx context.Context) error {
	return confirmed(h.mutex.ExtendContext(ctx))
}

func (h redsyncHold) Release(ctx context.Context) error {
	return confirmed(h.mutex.UnlockContext(ctx))
}

var errNotConfirmed = errors.New("redsync: not confirmed by a majority")

func confirmed(ok bool, err error) error {
	if err == nil && !ok {
		return errNotConfirmed
	}
	return err
}
