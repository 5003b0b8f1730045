package redisnode

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/quorum"
)

// openTimeout bounds the opening of a connection: a dial, perhaps a TLS handshake, and the greeting
// take several round trips.
const openTimeout = 3 * time.Second

// seats counts the connections that are ready. Who has a seat finds a connection in the client
// library's pool and does not have to open one.
//
// Connections are opened apart from the operations that want them, with more time than those have: an
// operation has a deadline that a server far away meets with one round trip, not with six. If each
// opened its own, none would ever be open.
type seats struct {
	open  func(context.Context) error // opens a connection and leaves it in the pool
	limit int
	base  context.Context //nolint:containedctx // ends with the node
	stop  context.CancelFunc

	mu      sync.Mutex
	free    int
	taken   int
	opening int
	queue   []chan error // of those who wait; each has room for one
	closed  bool
	openers sync.WaitGroup // grows under mu only
}

func newSeats(limit int, open func(context.Context) error) *seats {
	s := &seats{open: open, limit: limit}
	s.base, s.stop = context.WithCancel(context.Background())
	return s
}

// take waits for a seat until ctx ends. If no connection can be opened and none is open, it says why at
// once.
func (s *seats) take(ctx context.Context) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return redis.ErrClosed
	}
	if s.free > 0 {
		s.free--
		s.taken++
		s.mu.Unlock()
		return nil
	}
	wait := make(chan error, 1)
	s.queue = append(s.queue, wait)
	s.grow()
	s.mu.Unlock()
	select {
	case err := <-wait:
		return err
	case <-ctx.Done():
		return s.leave(ctx, wait)
	}
}

// leave is for those who waited too long. A seat that came at the last moment is passed on.
func (s *seats) leave(ctx context.Context, wait chan error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.queue, wait); i >= 0 {
		s.queue = slices.Delete(s.queue, i, i+1)
	} else if err := <-wait; err == nil {
		s.taken--
		s.seat()
	}
	if s.free+s.taken > 0 {
		return &unsentError{fmt.Errorf("%w: %w", quorum.ErrBusy, ctx.Err())}
	}
	return &unsentError{fmt.Errorf("no connection was ready: %w", ctx.Err())}
}

// An unsentError is an error that came before anything was sent. It reads as the error itself.
type unsentError struct{ err error }

func (e *unsentError) Error() string        { return e.err.Error() }
func (e *unsentError) Unwrap() error        { return e.err }
func (e *unsentError) Is(target error) bool { return target == quorum.ErrUnsent }

// give returns a seat whose connection is still good.
func (s *seats) give(good bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken--
	if good {
		s.seat()
		return
	}
	s.grow()
}

// seat hands a free seat to the first who waits. The caller holds mu.
func (s *seats) seat() {
	if len(s.queue) == 0 {
		s.free++
		return
	}
	s.taken++
	s.queue[0] <- nil
	s.queue = s.queue[1:]
}

// grow opens connections for those who wait. The caller holds mu.
func (s *seats) grow() {
	for !s.closed && s.opening < len(s.queue) && s.free+s.taken+s.opening < s.limit {
		s.opening++
		s.openers.Go(s.opener)
	}
}

func (s *seats) opener() {
	ctx, cancel := context.WithTimeout(s.base, openTimeout)
	defer cancel()
	err := s.open(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opening--
	switch {
	case err == nil:
		s.seat()
	case s.free+s.taken == 0:
		s.refuse(err)
	}
}

// refuse tells all who wait why there is no connection. The caller holds mu.
func (s *seats) refuse(err error) {
	for _, wait := range s.queue {
		wait <- &unsentError{err}
	}
	s.queue = nil
}

// close ends the waiting, and lets nothing be opened any more. join waits for what is being opened.
func (s *seats) close() {
	s.stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.refuse(redis.ErrClosed)
}

func (s *seats) join() { s.openers.Wait() }
