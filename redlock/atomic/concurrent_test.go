package atomic_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/redlock/atomic"
)

const (
	clients  = 8 // each with connections of its own
	callers  = 8 // of each client
	contends = clients * callers
)

// rush lets many callers of several clients loose on one server, all at once, and returns a client of its own.
func rush(t *testing.T, given []string, caller func(ctx context.Context, r *atomic.Recipes, number int) error) *redis.Client {
	t.Helper()
	addr := quorumtest.RedisServer(t).Addr()
	plain := client(t, &redis.Options{Addr: addr})
	for _, line := range given {
		must(t, plain.Do(t.Context(), command(line)...).Err())
	}
	var (
		start = make(chan struct{})
		work  sync.WaitGroup
		errs  = make([]error, contends)
	)
	for c := range clients {
		r := recipes(t, client(t, &redis.Options{Addr: addr, PoolSize: callers}))
		for i := range callers {
			number := c*callers + i
			work.Go(func() {
				<-start
				errs[number] = caller(t.Context(), r, number)
			})
		}
	}
	close(start)
	work.Wait()
	must(t, errors.Join(errs...))
	return plain
}

// A tally collects what callers were given.
type tally[T any] struct {
	mu  sync.Mutex
	all []T
}

func (c *tally[T]) add(item T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, item)
}

func TestCounterNeverExceedsItsBound(t *testing.T) {
	const maximum = 500
	var given tally[int64]
	plain := rush(t, nil, func(ctx context.Context, r *atomic.Recipes, _ int) error {
		for {
			value, err := r.Increment(ctx, "c", maximum)
			if errors.Is(err, atomic.ErrLimit) {
				return nil
			} else if err != nil {
				return err
			}
			given.add(value)
		}
	})
	slices.Sort(given.all)
	if len(given.all) != maximum || len(slices.Compact(given.all)) != maximum || given.all[0] != 1 || given.all[maximum-1] != maximum {
		t.Errorf("values given: %d, want each from 1 to %d once", given.all, maximum)
	}
	if got := plain.Get(t.Context(), "c").Val(); got != strconv.Itoa(maximum) {
		t.Errorf("the counter is at %s, want %d", got, maximum)
	}
}

func TestNoElementIsPushedTwice(t *testing.T) {
	const elements = 50
	var pushed tally[string]
	plain := rush(t, nil, func(ctx context.Context, r *atomic.Recipes, _ int) error {
		for _, n := range rand.Perm(elements) {
			element := fmt.Sprint("element ", n)
			mine, err := r.PushUnique(ctx, "l", element)
			if err != nil {
				return err
			}
			if mine {
				pushed.add(element)
			}
		}
		return nil
	})
	list := plain.LRange(t.Context(), "l", 0, -1).Val()
	slices.Sort(list)
	slices.Sort(pushed.all)
	if len(list) != elements || len(slices.Compact(slices.Clone(list))) != elements {
		t.Errorf("the list has %q, want each of %d elements once", list, elements)
	}
	if !slices.Equal(list, pushed.all) {
		t.Errorf("callers pushed %q by their own account, and the list has %q", pushed.all, list)
	}
}

func TestLimitHoldsWithinAWindow(t *testing.T) {
	const limit = 300
	var allowed tally[int64]
	rush(t, nil, func(ctx context.Context, r *atomic.Recipes, _ int) error {
		for range 20 {
			window, err := r.Hit(ctx, "h", limit, time.Hour)
			if err == nil {
				allowed.add(window.Count)
			} else if !errors.Is(err, atomic.ErrLimit) {
				return err
			}
		}
		return nil
	})
	slices.Sort(allowed.all)
	if len(allowed.all) != limit || len(slices.Compact(allowed.all)) != limit {
		t.Errorf("%d hits were allowed: %d; want %d, no count twice", len(allowed.all), allowed.all, limit)
	}
}

// Windows that end under the callers' hands: each of them gives out each count at most once, and in order. So no
// count is given out more often than the one before it, and none over the limit.
func TestLimitHoldsAcrossWindows(t *testing.T) {
	const limit = 20
	var allowed tally[int64]
	rush(t, nil, func(ctx context.Context, r *atomic.Recipes, _ int) error {
		for range 200 {
			window, err := r.Hit(ctx, "h", limit, 10*time.Millisecond)
			if err == nil {
				allowed.add(window.Count)
			} else if !errors.Is(err, atomic.ErrLimit) {
				return err
			}
		}
		return nil
	})
	times := make([]int, limit+2)
	for _, count := range allowed.all {
		times[min(count, limit+1)]++
	}
	if times[limit+1] > 0 {
		t.Errorf("%d hits were allowed over the limit", times[limit+1])
	}
	for count := 2; count <= limit; count++ {
		if times[count] > times[count-1] {
			t.Errorf("count %d was given out %d times, and %d only %d times", count, times[count], count-1, times[count-1])
		}
	}
	if times[1] < 2 {
		t.Errorf("%d windows in all, so nothing was tested", times[1])
	}
}

// Each order comes from two callers, of which one finds it reserved. In the end stock, log and the reserved agree with
// what the callers were told.
func TestStockIsNeverNegativeAndTheLogComplete(t *testing.T) {
	const stock, rounds = 400, 20
	var reserved tally[atomic.Order]
	plain := rush(t, []string{fmt.Sprint("SET {shoe}:stock ", stock)}, func(ctx context.Context, r *atomic.Recipes, number int) error {
		for round := range rounds {
			order := shoes(fmt.Sprintf("order %d of %d", round, number/2), int64(1+(number/2+round)%3))
			done, err := r.Reserve(ctx, order)
			switch {
			case errors.Is(err, atomic.ErrShort):
			case err != nil:
				return err
			case done.Left < 0:
				return fmt.Errorf("%d left after %q", done.Left, order.ID)
			case !done.Already:
				reserved.add(order)
			}
		}
		return nil
	})
	var ids []string
	left := int64(stock)
	for _, order := range reserved.all {
		ids = append(ids, order.ID)
		left -= order.Quantity
		if got := plain.HGet(t.Context(), "{shoe}:stock:reserved", order.ID).Val(); got != fmt.Sprint(order.Quantity) {
			t.Errorf("order %q has %s among the reserved, want %d", order.ID, got, order.Quantity)
		}
	}
	if got := plain.Get(t.Context(), "{shoe}:stock").Val(); left < 0 || got != fmt.Sprint(left) {
		t.Errorf("stock is %s; by the orders that callers reserved it is %d", got, left)
	}
	log := plain.LRange(t.Context(), "{shoe}:orders", 0, -1).Val()
	slices.Sort(log)
	slices.Sort(ids)
	if !slices.Equal(log, ids) || len(slices.Compact(ids)) != len(log) {
		t.Errorf("the log has %q, and callers reserved %q", log, ids)
	}
	if left > 2 {
		t.Errorf("%d left: the stock was never short, so nothing was tested", left)
	}
}
