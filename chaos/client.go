package chaos

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/quorumlock/quorumlock/chaos/internal/dice"
)

// A Client takes part in a run: it takes locks, and writes down what it saw. The run gives each client's
// work one. Its methods may be called from several goroutines, but then a run cannot be repeated.
type Client struct {
	name     string
	member   Member
	load     Load
	lock     Lock
	recorder *Recorder
	calm     <-chan struct{}
	dice     dice.Dice

	mu       sync.Mutex
	attempts int
	held     map[string]*Held
	watchers sync.WaitGroup
}

func newClient(member Member, load Load, seed uint64, recorder *Recorder, calm <-chan struct{}) (*Client, error) {
	c := &Client{
		name:     ClientName(member.Client),
		member:   member,
		load:     load,
		recorder: recorder,
		calm:     calm,
		dice:     dice.New(seed, uint64(member.Client), clientDraws), //nolint:gosec // it is not negative
		held:     make(map[string]*Held),
	}
	c.member.Renewed = c.renewed
	lock, err := load.Open(c.member)
	if err != nil {
		return nil, fmt.Errorf("chaos: %s opens its lock: %w", c.name, err)
	}
	c.lock = lock
	return c, nil
}

// clientDraws tells the draws of clients from all others of a run.
const clientDraws = 1

// Name returns the client's name in the history, such as "c1".
func (c *Client) Name() string { return c.name }

// Load returns what the run's clients do, with every default filled in.
func (c *Client) Load() Load { return c.load }

// Calm reports whether all faults are over. What a client leaves behind from then on is an orphan.
func (c *Client) Calm() bool {
	select {
	case <-c.calm:
		return true
	default:
		return false
	}
}

// Sleep waits for d by the client's clock, and longer while its machine stands still. It returns early,
// and false, when ctx ends.
func (c *Client) Sleep(ctx context.Context, d time.Duration) bool {
	timer := c.member.Clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
	case <-ctx.Done():
		return false
	}
	c.pass()
	return ctx.Err() == nil
}

// pass waits while the machine stands still.
func (c *Client) pass() {
	if c.member.machine != nil {
		c.member.machine.pass()
	}
}

// Acquire takes the lock as [Lock] says. The client has at most one lease on each name at a time, whose release
// may still be under way when it has the next.
func (c *Client) Acquire(ctx context.Context, name string, terms Terms) (*Held, error) {
	c.pass()
	c.mu.Lock()
	c.attempts++
	about := Event{Client: c.name, Lease: c.attempts, Name: name}
	c.mu.Unlock()
	invoked := about.as(AcquireInvoked)
	if deadline, ok := ctx.Deadline(); ok {
		invoked.Deadline = c.recorder.now() + time.Until(deadline)
	}
	c.recorder.Append(invoked)
	lease, err := c.lock.Acquire(ctx, name, terms)
	c.pass()
	if err != nil {
		c.recorder.Append(about.failed(Refused, err))
		return nil, err
	}
	h := &Held{lease: lease, client: c, about: about, released: make(chan struct{})}
	if numbered, ok := lease.(interface{ Token() uint64 }); ok {
		h.about.Token = numbered.Token()
	}
	acquired := h.told(Acquired)
	acquired.Renewed = terms.Renew
	c.recorder.Observe(acquired, lease.Remaining)
	c.mu.Lock()
	c.held[name] = h
	c.mu.Unlock()
	c.watchers.Go(h.watch)
	return h, nil
}

// renewed is told that the lock has extended a lease by itself.
func (c *Client) renewed(name string) {
	c.mu.Lock()
	h := c.held[name]
	c.mu.Unlock()
	if h != nil {
		c.recorder.Observe(h.told(Extended), h.lease.Remaining)
	}
}

// close ends the client.
func (c *Client) close() error {
	err := c.lock.Close()
	c.mu.Lock()
	for _, h := range c.held {
		h.settle()
	}
	c.mu.Unlock()
	c.watchers.Wait()
	if err != nil {
		return fmt.Errorf("chaos: %s closes its lock: %w", c.name, err)
	}
	return nil
}

// A Held is a lease that a client has got, and writes down what happens to it.
type Held struct {
	lease  Lease
	client *Client
	about  Event

	once     sync.Once
	released chan struct{} // closed when the client has no more interest in the lease
}

func (e Event) as(kind Kind) Event {
	e.Kind = kind
	return e
}

func (e Event) failed(kind Kind, err error) Event {
	e.Kind, e.Err = kind, err.Error()
	return e
}

// told is an event that says how many nodes stand by the lease.
func (h *Held) told(kind Kind) Event {
	e := h.about.as(kind)
	e.Votes = h.lease.Votes()
	return e
}

// Context is the lease's.
func (h *Held) Context() context.Context { return h.lease.Context() }

// Remaining is how long the lease is still valid. Looking is not written down; see Observe.
func (h *Held) Remaining() time.Duration { return max(h.lease.Remaining(), 0) }

// Observe asks the lease whether it is valid, and writes the answer down. A workload calls it around
// whatever it does under the lock: only what was observed is judged.
func (h *Held) Observe() bool {
	h.client.pass()
	return h.client.recorder.Observe(h.about.as(Observed), h.lease.Remaining)
}

// Extend extends the lease.
func (h *Held) Extend(ctx context.Context) error {
	h.client.pass()
	h.client.recorder.Append(h.about.as(ExtendInvoked))
	err := h.lease.Extend(ctx)
	h.client.pass()
	if err != nil {
		h.client.recorder.Append(h.about.failed(ExtendFailed, err))
		return err
	}
	h.client.recorder.Observe(h.told(Extended), h.lease.Remaining)
	return nil
}

// Release gives the lease back.
func (h *Held) Release(ctx context.Context) error {
	h.client.pass()
	h.forget()
	h.client.recorder.Observe(h.about.as(ReleaseInvoked), h.lease.Remaining)
	err := h.lease.Release(ctx)
	h.client.pass()
	if err != nil {
		h.client.recorder.Append(h.about.failed(ReleaseFailed, err))
		return err
	}
	h.client.recorder.Append(h.about.as(Released))
	h.client.recorder.Observe(h.about.as(Observed), h.lease.Remaining) // which is over, or it is a mistake
	return nil
}

// forget makes renewals of the name, from now on, those of other leases.
func (h *Held) forget() {
	h.settle()
	c := h.client
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held[h.about.Name] == h {
		delete(c.held, h.about.Name)
	}
}

func (h *Held) settle() { h.once.Do(func() { close(h.released) }) }

// watch writes down that the lease was lost.
func (h *Held) watch() {
	select {
	case <-h.released:
		return
	case <-h.lease.Context().Done():
	}
	h.client.pass()
	select {
	case <-h.released:
		return // meanwhile, or in the same moment
	default:
	}
	h.client.recorder.Append(h.about.failed(Lost, context.Cause(h.lease.Context())))
}
