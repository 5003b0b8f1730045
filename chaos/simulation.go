package chaos

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/quorumlock/quorumlock/chaos/internal/dice"
)

// A Network is how long messages take in a simulation when nothing is wrong.
type Network struct {
	_ struct{}

	// Least and Most bound what a message takes in one direction. Default: 50 and 500 microseconds.
	Least, Most time.Duration
	// TailShare is the share of messages, from 0 to 1, that take up to Tail more.
	TailShare float64
	Tail      time.Duration
}

func (n Network) orDefault() Network {
	if n.Most == 0 {
		n.Least, n.Most = 50*time.Microsecond, 500*time.Microsecond
	}
	return n
}

// A simulation is what the simulated clusters have in common: a clock, clients' machines, and the network between
// the clients and the nodes.
type simulation struct {
	seed     uint64
	network  Network
	epoch    time.Time
	recorder *Recorder
	machines []*machine
	servers  []server
	links    [][]link // by client, and by node
}

// A server is one node of a simulation.
type server interface {
	// fault makes a fault of a node, and returns what ends it.
	fault(f Fault) (mend func(), err error)
	// look tells of what it keeps.
	look(tell func(key, value string, remaining time.Duration))
}

// A link is the way between one client and one node of a simulation.
type link interface {
	// fault makes a fault of a link, and returns what ends it.
	fault(f Fault) (mend func(), err error)
	// halt makes the client's end stand still: what it has sent arrives, and nothing else passes before the
	// returned func is called.
	halt() (goOn func())
}

func newSimulation(seed uint64, network Network) simulation {
	return simulation{seed: seed, network: network.orDefault(), epoch: time.Now()}
}

// Now is the time since the cluster was made.
func (s *simulation) Now() time.Duration { return time.Since(s.epoch) }

// populate makes the machines and the links of a scenario's clients.
func (s *simulation) populate(sc Scenario, connect func(client, node int) link) {
	for client := range sc.Load.Clients {
		m := newMachine()
		m.wrong = wrongBy(dice.New(s.seed, uint64(client), wallDraws), sc.Schedule.forgets()) //nolint:gosec // not negative
		s.machines = append(s.machines, m)
		links := make([]link, len(s.servers))
		for node := range s.servers {
			links[node] = connect(client, node)
		}
		s.links = append(s.links, links)
	}
}

// wallDraws tells the draws of clients' times of day from all others of a run.
const wallDraws = 3

// wrongBy draws by how much a client's time of day is ahead: by little, as clocks are that somebody looks after,
// or by hours or centuries. Fencing tokens have to follow their order all the same. Only where nodes forget what
// they have counted do they depend on clocks, which are then off by little.
func wrongBy(d dice.Dice, forgets bool) time.Duration {
	const year = 365 * 24 * time.Hour
	at := d.Pick(8)
	if forgets {
		at = 0
	}
	switch at {
	case 0, 1, 2:
		return d.Between(-20*time.Millisecond, 20*time.Millisecond)
	case 3, 4:
		return d.Between(-3*time.Second, 3*time.Second)
	case 5:
		return -30 * year // at the dawn of all time
	case 6:
		return 250 * year
	}
	return 0
}

// Inject makes a fault, as [Cluster] says.
func (s *simulation) Inject(_ context.Context, f Fault) (mend func() error, err error) {
	var mends []func()
	end := func() error {
		for _, m := range mends {
			m()
		}
		return nil
	}
	for _, victim := range s.victims(f) {
		m, err := victim(f)
		if err != nil {
			_ = end()
			return nil, err
		}
		mends = append(mends, m)
	}
	return end, nil
}

// victims returns how each victim of the fault is hit.
func (s *simulation) victims(f Fault) []func(Fault) (func(), error) {
	var list []func(Fault) (func(), error)
	switch kinds[f.Kind] {
	case nodes:
		for _, node := range f.Nodes {
			list = append(list, s.servers[node].fault)
		}
	case clients:
		for _, client := range f.Clients {
			list = append(list, func(f Fault) (func(), error) { return s.clientFault(client, f) })
		}
	case links:
		for client := range s.links {
			for _, node := range f.Nodes {
				if f.hits(client) {
					list = append(list, s.links[client][node].fault)
				}
			}
		}
	}
	return list
}

// clientFault makes a fault of a client's machine. One that stands still does not talk, either: what it has
// sent arrives, and answers wait in its kernel. Deadlines of contexts pass meanwhile, as they do for a
// process that finds them passed when it goes on; what follows from that is sent only then.
func (s *simulation) clientFault(client int, f Fault) (mend func(), err error) {
	m := s.machines[client]
	switch f.Kind {
	case StopClient, SuspendClient:
		goOn := m.halt(f.Kind == SuspendClient)
		releases := make([]func(), 0, len(s.links[client]))
		for _, l := range s.links[client] {
			releases = append(releases, l.halt())
		}
		return func() {
			goOn()
			for _, release := range releases {
				release()
			}
		}, nil
	case ClientRate:
		m.setRate(f.Amount)
		return func() { m.setRate(1) }, nil
	}
	return nil, fmt.Errorf("%w: %s", ErrCannot, f.Kind)
}

// Look tells of every lock that the nodes keep, as [Cluster] says.
func (s *simulation) Look(context.Context) error {
	for i, node := range s.servers {
		node.look(func(key, value string, remaining time.Duration) {
			s.recorder.Append(Event{Kind: Found, Node: NodeName(i), Name: key, Value: value, Remaining: remaining})
		})
	}
	return nil
}

// meets tells, once for each fault, that an operation met it.
type meets struct {
	recorder *Recorder
	about    Event

	mu    sync.Mutex
	armed map[FaultKind]int
}

func newMeets(r *Recorder, client, node string) meets {
	return meets{recorder: r, about: Event{Kind: FaultMet, Client: client, Node: node}, armed: make(map[FaultKind]int)}
}

// arm makes the next meeting with a fault of the kind count.
func (m *meets) arm(kind FaultKind) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.armed[kind]++
}

// meet says that an operation met every such fault that is armed.
func (m *meets) meet(kinds ...FaultKind) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, kind := range kinds {
		for ; m.armed[kind] > 0; m.armed[kind]-- {
			e := m.about
			e.Fault = kind
			m.recorder.Append(e)
		}
	}
}

// disarm ends a fault that may have been met or not.
func (m *meets) disarm(kind FaultKind) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.armed[kind] = max(m.armed[kind]-1, 0)
}
