package fence

import (
	"context"
	"sync"
)

// A Memory guards what lives in this process, such as a map, a file that only this process writes, or
// the far end of a connection. Its zero value is not usable; make one with [NewMemory]. Nothing has to
// be closed.
//
// It keeps one record of some 200 bytes for each resource that was ever presented a token, until
// [Memory.Forget]. It forgets all with its process: a resource that outlives the process needs [Table],
// [Column] or [Redis].
type Memory struct {
	mu    sync.Mutex
	lines map[string]*line
}

// A line is where those wait who present tokens for one resource.
//
// Invariants: it is in the map while somebody is in it or newest > 0; newest and users change under the
// guard's mutex; newest grows only in the hands of whoever has the turn.
type line struct {
	turn   chan struct{} // has room for one: whoever has put something in
	users  int
	newest uint64
}

// NewMemory returns a guard that has seen no token yet.
func NewMemory() *Memory {
	return &Memory{lines: make(map[string]*line)}
}

// Register is [Guard]'s. It waits while something is written to the resource, at most until ctx ends.
func (m *Memory) Register(ctx context.Context, resource string, token uint64) error {
	return m.Write(ctx, resource, token, func(context.Context) error { return nil })
}

// Write is [WriteGuard]'s. It waits for its turn at the resource at most until ctx ends; others are
// served in no particular order.
func (m *Memory) Write(ctx context.Context, resource string, token uint64, write func(ctx context.Context) error) error {
	if err := validate(resource, token); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	l := m.enter(resource)
	defer m.leave(resource, l)
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-l.turn }()

	if err := m.present(resource, l, token); err != nil {
		return err
	}
	return write(ctx)
}

// Forget drops what is known of a resource, so that the next token is admitted whatever it is. Call it
// when the resource is gone for good, and no older holder of its lock can still come to it: an old one
// that comes would be admitted. What is being written goes on, and excludes others until it is done.
func (m *Memory) Forget(resource string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l := m.lines[resource]; l != nil {
		l.newest = 0
		m.drop(resource, l)
	}
}

// Len returns how many resources are kept.
func (m *Memory) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.lines)
}

func (m *Memory) enter(resource string) *line {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.lines[resource]
	if l == nil {
		l = &line{turn: make(chan struct{}, 1)}
		m.lines[resource] = l
	}
	l.users++
	return l
}

func (m *Memory) leave(resource string, l *line) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l.users--
	m.drop(resource, l)
}

// drop ends a line that nobody needs. The caller holds mu.
func (m *Memory) drop(resource string, l *line) {
	if l.users == 0 && l.newest == 0 {
		delete(m.lines, resource)
	}
}

// present is called by whoever has the turn.
func (m *Memory) present(resource string, l *line, token uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := Check(resource, token, l.newest); err != nil {
		return err
	}
	l.newest = token
	return nil
}
