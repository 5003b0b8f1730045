package chaos

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/quorumlock/quorumlock/chaos/internal/fakeredis"
	"github.com/quorumlock/quorumlock/clock"
)

// SimulatedRedis is a [Cluster] of small Redis servers in memory, for clients that use the real client
// library. Make one with [NewSimulatedRedis].
type SimulatedRedis struct {
	simulation
}

// NewSimulatedRedis returns a cluster for a synctest bubble: it is made, run and closed inside one. The seed
// chooses how long each message is under way. Connections behave as TCP's do, so that bytes stay in order and
// nothing arrives twice: it makes every fault but [Duplicate].
func NewSimulatedRedis(seed uint64, network Network) *SimulatedRedis {
	return &SimulatedRedis{simulation: newSimulation(seed, network)}
}

// Kind returns "simulated redis".
func (r *SimulatedRedis) Kind() string { return "simulated redis" }

// Start makes the servers.
func (r *SimulatedRedis) Start(_ context.Context, s Scenario, recorder *Recorder) error {
	r.recorder = recorder
	for i := range s.Nodes {
		r.servers = append(r.servers, newFakeServer(i, r.seed, recorder))
	}
	r.populate(s, func(client, node int) link {
		return newFakeLink(r, client, r.servers[node].(*fakeServer)) //nolint:forcetypeassert // see above
	})
	return nil
}

// Join returns the addresses of the servers, as the client reaches them.
func (r *SimulatedRedis) Join(client int, nodes []int) (Member, error) {
	member := Member{Client: client, Clock: r.machines[client], machine: r.machines[client]}
	for _, node := range nodes {
		l := r.links[client][node].(*fakeLink) //nolint:forcetypeassert // see Start
		member.Redis = append(member.Redis, l.link.Options())
	}
	return member, nil
}

// libraryRest is how long the client library may go on in the background after it is closed.
const libraryRest = 10 * time.Second

// Close ends the servers.
func (r *SimulatedRedis) Close() error {
	time.Sleep(libraryRest)
	var errs []error
	for _, s := range r.servers {
		errs = append(errs, s.(*fakeServer).server.Close()) //nolint:forcetypeassert // see Start
	}
	return errors.Join(errs...)
}

// A fakeServer is a node.
type fakeServer struct {
	number int
	server *fakeredis.Server
	meets  meets
	links  []*fakeLink

	mu     sync.Mutex
	rate   float64
	dead   int
	paused int
	deaf   []float64 // shares of the announcements that get lost
}

func newFakeServer(number int, seed uint64, r *Recorder) *fakeServer {
	s := &fakeServer{number: number, rate: 1, meets: newMeets(r, "", NodeName(number))}
	s.server = fakeredis.New(number, clock.Process(), fakeredis.WithSeed(seed), fakeredis.WithAudit(func(e fakeredis.Execution) {
		if e.Client >= 0 {
			s.links[e.Client].executed()
		}
		if e.Changed() && !aboutWaiters(e.Key) {
			r.Append(changeOf(number, e))
		}
	}))
	return s
}

// aboutWaiters reports whether a node keeps the key for itself: it is no lock.
func aboutWaiters(key string) bool { return strings.HasPrefix(key, "redlock:") }

// changeOf is what the server's account says, in the words of a history.
func changeOf(node int, e fakeredis.Execution) Event {
	event := Event{
		Kind: Changed, Node: NodeName(node), Name: e.Key,
		Op: e.Op, Value: e.Asked, Before: e.Before.Value,
	}
	if e.Op == "handover" {
		event.Next = e.After.Value
	}
	switch {
	case !e.After.Exists:
	case e.After.Expires == 0:
		event.Remaining = -1
	default:
		event.Remaining = e.After.Expires - e.At
	}
	return event
}

// fault makes a fault of a node.
func (s *fakeServer) fault(f Fault) (func(), error) {
	var mend func()
	s.mu.Lock()
	defer s.mu.Unlock()
	server := s.server
	switch f.Kind {
	case Kill, KillWiped:
		s.dead++
		server.Kill(f.Kind == Kill)
		mend = func() {
			if s.dead--; s.dead == 0 {
				server.Restart()
			}
		}
	case Wipe:
		server.Wipe()
		mend = func() {}
	case Pause:
		s.paused++
		server.Pause()
		mend = func() {
			if s.paused--; s.paused == 0 {
				server.Resume()
			}
		}
	case LoseAnnouncements:
		s.loseAlso(f.Amount)
		mend = func() { s.loseNoMore(f.Amount) }
	case ClockRate:
		s.setRate(f.Amount - 1)
		mend = func() { s.setRate(1 - f.Amount) }
	case ClockStep:
		server.StepClock(f.By)
		mend = func() {}
	default:
		return nil, fmt.Errorf("%w: %s", ErrCannot, f.Kind)
	}
	before := s.harmed(f.Kind)
	s.meets.arm(f.Kind)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		mend()
		if s.harmed(f.Kind) > before {
			s.meets.meet(f.Kind)
		}
		s.meets.disarm(f.Kind)
	}, nil
}

// loseAlso loses a share of the announcements that other faults leave. It needs mu, and so do the next ones.
func (s *fakeServer) loseAlso(share float64) {
	s.deaf = append(s.deaf, share)
	s.lose()
}

func (s *fakeServer) loseNoMore(share float64) {
	s.deaf = without(s.deaf, share)
	s.lose()
}

func (s *fakeServer) lose() {
	kept := 1.0
	for _, share := range s.deaf {
		kept *= 1 - share
	}
	s.server.LoseAnnouncements(1 - kept)
}

func (s *fakeServer) setRate(change float64) {
	s.rate += change
	s.server.SetClockRate(s.rate)
}

// harmed counts what faults of the kind have done to anybody's link.
func (s *fakeServer) harmed(kind FaultKind) int {
	sum := 0
	for _, l := range s.links {
		switch e := l.link.Effects(); kind {
		case Kill, KillWiped:
			sum += e.Killed + e.Refused
		case Pause:
			sum += e.Late
		case LoseAnnouncements:
			sum += e.Unheard
		}
	}
	return sum
}

// look tells of the keys.
func (s *fakeServer) look(tell func(key, value string, remaining time.Duration)) {
	for _, held := range s.server.Keys() {
		if !aboutWaiters(held.Key) {
			tell(held.Key, held.Value, held.Remaining)
		}
	}
}
