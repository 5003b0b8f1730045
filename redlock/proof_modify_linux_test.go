package redlock_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/quorumlock/quorumlock/redlock/fence"
	"github.com/redis/go-redis/v9"
)

// How a register is guarded.
const (
	unguarded     = "not guarded"
	writesGuarded = "guarded on writes only"
	bothGuarded   = "guarded on reads and writes"
)

// registerKey is where the register is.
const registerKey = "register"

// A register is a number on a Redis server.
type register struct {
	client *redis.Client
	fence  *fence.Redis
	guard  string
}

// openRegister connects to it. Commands are not tried again: what was confirmed was done once.
func openRegister(addr, guard string) (*register, error) {
	client := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1})
	f, err := fence.NewRedis(client)
	return &register{client: client, fence: f, guard: guard}, err
}

func (r *register) read(ctx context.Context, token uint64) (int, error) {
	var text string
	var err error
	if r.guard == bothGuarded {
		text, err = r.fence.Get(ctx, registerKey, token)
	} else {
		text, err = r.client.Get(ctx, registerKey).Result()
	}
	if errors.Is(err, redis.Nil) {
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	return strconv.Atoi(text)
}

func (r *register) write(ctx context.Context, token uint64, value int) error {
	if r.guard == unguarded {
		return r.client.Set(ctx, registerKey, value, 0).Err()
	}
	return r.fence.Set(ctx, registerKey, token, strconv.Itoa(value), 0)
}

// modify adds one to the register again and again, each time under a lease, until ctx ends.
func (m *member) modify(ctx context.Context) error {
	r, err := openRegister(m.Register, m.Guard)
	if err != nil {
		return err
	}
	defer r.client.Close()
	halted := false
	for ctx.Err() == nil {
		lease, err := m.locker.Acquire(ctx, m.Name)
		if err != nil {
			continue // it is the end, or the machine was too busy for the TTL
		}
		token := lease.Token()
		m.report(report{What: leased, Token: token})
		value, err := r.read(context.WithoutCancel(ctx), token)
		if err == nil {
			halted = m.think(ctx, token, halted)
			err = r.write(context.WithoutCancel(ctx), token, value+1)
		}
		m.report(outcome(token, err))
		_ = lease.Release(context.WithoutCancel(ctx)) // it may be lost: that is what this is about
	}
	return nil
}

// think lets time pass, and if the member was told to halt, waits until it may go on. Orders that come after that
// are for the next time. It reports whether the member is still to halt.
func (m *member) think(ctx context.Context, token uint64, halted bool) (still bool) {
	timer := time.NewTimer(time.Duration(rand.IntN(5)) * time.Millisecond) //nolint:gosec // any will do
	<-timer.C
	for len(m.orders) > 0 {
		halted = <-m.orders == halt
	}
	if !halted {
		return false
	}
	m.report(report{What: halting, Token: token})
	for {
		select {
		case order := <-m.orders:
			if order == goOn {
				return false
			}
		case <-ctx.Done():
			return true
		}
	}
}

// outcome tells what became of an update. A holder of an old lease does not know that it is old.
func outcome(token uint64, err error) report {
	switch {
	case err == nil:
		return report{What: wrote, Token: token}
	case errors.Is(err, fence.ErrStale):
		return report{What: refused, Token: token}
	}
	return report{What: broken, Token: token, Err: fmt.Sprint(err)}
}
