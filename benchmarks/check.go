package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Check sees that every subject's lock excludes others, on the most nodes that the plan has for it: what is
// fast because it does not lock is not worth measuring.
func (s *Suite) Check(ctx context.Context) error {
	for _, nodes := range s.Plan.Load.Nodes {
		subjects := s.fitting(nodes)
		if len(subjects) == 0 {
			continue
		}
		if err := s.checkOn(ctx, nodes, subjects); err != nil {
			return err
		}
	}
	return nil
}

func (s *Suite) checkOn(ctx context.Context, nodes int, subjects []Subject) (err error) {
	g, err := newGround(ctx, nodes, subjects)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.close()) }()
	first, err := g.open(ctx, subjects, s.Plan.TTL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, first.close()) }()
	second, err := g.open(ctx, subjects, s.Plan.TTL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, second.close()) }()
	for i, subject := range subjects {
		if err := excludes(ctx, first[i], second[i]); err != nil {
			return fmt.Errorf("%s on %d nodes: %w", subject.Name(), nodes, err)
		}
	}
	s.tell("on %d nodes each of %d locks excludes others", nodes, len(subjects))
	return nil
}

// checkOwn sees that the lock in memory excludes, of which every client has its own nodes.
func checkOwn(ctx context.Context, nodes int, ttl time.Duration) (err error) {
	client, err := InMemory().Open(ctx, Site{Addrs: make([]string, nodes), TTL: ttl})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	return excludes(ctx, client, client)
}

const (
	refusedFor = 100 * time.Millisecond // that a held lock is not given to somebody else
	givenIn    = 10 * time.Second       // that a free one is
)

// excludes sees that the second client cannot have what the first one holds, and can have it afterwards.
func excludes(ctx context.Context, first, second Client) error {
	const name = "benchmark:check"
	hold, err := within(ctx, givenIn, first, name)
	if err != nil {
		return fmt.Errorf("cannot take a free lock: %w", err)
	}
	if _, err := within(ctx, refusedFor, second, name); err == nil {
		return errors.New("two clients hold one lock")
	}
	if err := hold.Extend(ctx); err != nil {
		return fmt.Errorf("cannot extend a lock that is held: %w", err)
	}
	if err := hold.Release(ctx); err != nil {
		return fmt.Errorf("cannot release a lock that is held: %w", err)
	}
	hold, err = within(ctx, givenIn, second, name)
	if err != nil {
		return fmt.Errorf("cannot take a lock that was released: %w", err)
	}
	return hold.Release(ctx)
}

func within(ctx context.Context, limit time.Duration, client Client, name string) (Hold, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return client.Acquire(ctx, name)
}
