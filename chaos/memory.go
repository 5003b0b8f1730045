package chaos

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/memnode"
)

// Memory is a [Cluster] in memory: nodes of package memnode behind a simulated network. Make one with
// [NewMemory].
type Memory struct {
	simulation
	journeys sync.WaitGroup
}

// NewMemory returns a cluster in memory. In a synctest bubble, where it is made, run and closed inside one, a
// run takes no time and repeats itself; outside of any it takes the time it takes. The seed chooses how long
// each message is under way.
//
// It can make every fault, and is the only one that can make [Duplicate]: here each request travels for
// itself, may arrive before an earlier one, and twice.
func NewMemory(seed uint64, network Network) *Memory {
	return &Memory{simulation: newSimulation(seed, network)}
}

// Kind returns "memory".
func (m *Memory) Kind() string { return "memory" }

// Start makes the nodes.
func (m *Memory) Start(_ context.Context, s Scenario, r *Recorder) error {
	m.recorder = r
	for i := range s.Nodes {
		m.servers = append(m.servers, newMemServer(i, r))
	}
	m.populate(s, func(client, node int) link {
		return newMemLink(m, client, m.servers[node].(*memServer)) //nolint:forcetypeassert // see above
	})
	return nil
}

// Join returns the client's ways to the nodes.
func (m *Memory) Join(client int, nodes []int) (Member, error) {
	member := Member{Client: client, Clock: m.machines[client], machine: m.machines[client]}
	for _, node := range nodes {
		member.Nodes = append(member.Nodes, m.links[client][node].(*memLink)) //nolint:forcetypeassert // see Start
	}
	return member, nil
}

// Close waits for what is under way.
func (m *Memory) Close() error {
	m.journeys.Wait()
	var errs []error
	for _, s := range m.servers {
		errs = append(errs, s.(*memServer).node.Close()) //nolint:forcetypeassert // see Start
	}
	return errors.Join(errs...)
}

// A memServer is a node's process: it can be paused and killed. What it keeps is in a memnode, which is
// asked at the moment of execution and is always there.
type memServer struct {
	number int
	clock  *clock.Skewed // the machine's, without steps
	node   *memnode.Node
	meets  meets
	links  []*memLink

	mu     sync.Mutex
	rate   float64
	paused int
	dead   int
	queue  []func()  // what arrived while it was paused
	deaf   []float64 // shares of the announcements that get lost
}

func newMemServer(number int, r *Recorder) *memServer {
	name := NodeName(number)
	s := &memServer{
		number: number, rate: 1,
		clock: clock.NewSkewed(clock.Process()),
		meets: newMeets(r, "", name),
	}
	s.node = memnode.New(name, s.clock, memnode.WithAudit(func(c memnode.Change) {
		e := Event{Kind: Changed, Node: name, Name: c.Op.Key, Op: c.Op.Kind.String(), Value: c.Op.Value, Before: c.Before}
		if c.Op.Kind == quorum.HandOver {
			e.Next = c.After
		}
		if e.Remaining = c.Kept; c.Kept > endless {
			e.Remaining = -1
		}
		if c.Op.Kind == 0 {
			e.Op = "lost"
		}
		r.Append(e)
	}))
	return s
}

// endless is longer than every TTL: a key that is kept for longer has none.
const endless = 100 * 365 * 24 * time.Hour

// arrive brings a request before the process, which carries it out, now or when it goes on, or refuses it.
func (s *memServer) arrive(execute func(), refuse func(error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.dead > 0:
		s.meets.meet(Kill, KillWiped)
		refuse(errDead)
	case s.paused > 0:
		s.meets.meet(Pause)
		s.queue = append(s.queue, execute)
	default:
		execute()
	}
}

var (
	errDead  = errors.New("connection refused: the process is down")
	errReset = errors.New("connection reset")
)

// fault makes a fault of a node.
func (s *memServer) fault(f Fault) (func(), error) {
	var mend func()
	s.meets.arm(f.Kind)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch f.Kind {
	case Kill, KillWiped:
		s.kill(f.Kind == KillWiped)
		mend = func() { s.dead-- }
	case Wipe:
		s.node.Wipe()
		mend = func() {}
	case Pause:
		s.paused++
		mend = s.resume
	case LoseAnnouncements:
		s.deaf = append(s.deaf, f.Amount)
		mend = func() { s.deaf = without(s.deaf, f.Amount) }
	case ClockRate:
		s.setRate(f.Amount - 1)
		mend = func() { s.setRate(1 - f.Amount) }
	case ClockStep:
		s.node.StepClock(f.By)
		s.exchange()
		mend = func() {}
	default:
		return nil, fmt.Errorf("%w: %s", ErrCannot, f.Kind)
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.meets.disarm(f.Kind)
		mend()
	}, nil
}

// kill needs mu, and so do the next ones.
func (s *memServer) kill(wipe bool) {
	s.dead++
	s.queue = nil
	for _, l := range s.links {
		if l.reset() {
			s.meets.meet(Kill, KillWiped)
		}
	}
	if wipe {
		s.node.Wipe()
	}
}

func (s *memServer) resume() {
	if s.paused--; s.paused > 0 {
		return
	}
	queue := s.queue
	s.queue = nil
	for _, execute := range queue {
		execute()
	}
}

func (s *memServer) setRate(change float64) {
	s.rate += change
	s.clock.SetRate(s.rate)
}

// exchange lets the memnode, which knows its askers' clock from the latest exchange only, see a step.
func (s *memServer) exchange() {
	s.node.Ask(context.Background(), []quorum.Op{{Kind: quorum.Inspect, Key: "redlock:time"}})
}

// look tells of the keys.
func (s *memServer) look(tell func(key, value string, remaining time.Duration)) {
	for _, held := range s.node.Keys() {
		remaining := held.Remaining
		if remaining == quorum.NoExpiry {
			remaining = -1
		}
		tell(held.Key, held.Value, remaining)
	}
}

// execute carries out a request: each operation with its limit in the node's own time. It needs mu.
func (s *memServer) execute(ops []quorum.Op, limits []time.Duration) []quorum.Answer {
	ahead := s.node.Time() - time.Duration(s.clock.Now())
	for i, limit := range limits {
		if limit != 0 {
			ops[i].NotAfter = clock.Instant(limit - ahead)
		}
	}
	return s.node.Ask(context.Background(), ops)
}
