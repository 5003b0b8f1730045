package chaos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/quorumlock/quorumlock/chaos/internal/fakeredis"
	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum/quorumtest/faultproxy"
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
	r.populate(s.Load.Clients, func(client, node int) link {
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
}

func newFakeServer(number int, seed uint64, r *Recorder) *fakeServer {
	s := &fakeServer{number: number, rate: 1, meets: newMeets(r, "", NodeName(number))}
	s.server = fakeredis.New(number, clock.Process(), fakeredis.WithSeed(seed), fakeredis.WithAudit(func(e fakeredis.Execution) {
		if e.Client >= 0 {
			s.links[e.Client].executed()
		}
		if e.Changed() {
			r.Append(changeOf(number, e))
		}
	}))
	return s
}

// changeOf is what the server's account says, in the words of a history.
func changeOf(node int, e fakeredis.Execution) Event {
	event := Event{
		Kind: Changed, Node: NodeName(node), Name: e.Key,
		Op: e.Op, Value: e.Asked, Before: e.Before.Value,
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

// setRate needs mu.
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
		}
	}
	return sum
}

// look tells of the keys.
func (s *fakeServer) look(tell func(key, value string, remaining time.Duration)) {
	for _, held := range s.server.Keys() {
		tell(held.Key, held.Value, held.Remaining)
	}
}

// A fakeLink is one client's way to one server.
type fakeLink struct {
	network Network
	link    *fakeredis.Link
	meets   meets

	mu       sync.Mutex
	slow     []Fault
	holds    []faultproxy.Direction
	drops    int
	commands int // carried out for the client
}

func newFakeLink(r *SimulatedRedis, client int, s *fakeServer) *fakeLink {
	l := &fakeLink{
		network: r.network,
		link:    s.server.Link(client),
		meets:   newMeets(r.recorder, ClientName(client), NodeName(s.number)),
	}
	l.forecast()
	s.links = append(s.links, l)
	return l
}

func (l *fakeLink) executed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.commands++
}

// forecast makes the weather what the network and the faults say. It needs mu once the link is in use.
func (l *fakeLink) forecast() {
	n := l.network
	good := fakeredis.Weather{Delay: n.Least, Jitter: n.Most - n.Least, TailShare: n.TailShare, Tail: n.Tail}
	up, down := good, good
	for _, f := range l.slow {
		down.Delay, down.Jitter = down.Delay+f.By, down.Jitter+f.By
		if f.Kind == Delay {
			up.Delay, up.Jitter = up.Delay+f.By, up.Jitter+f.By
		}
	}
	l.link.SetWeather(faultproxy.ToServer, up)
	l.link.SetWeather(faultproxy.ToClient, down)
}

// fault makes a fault of a link.
func (l *fakeLink) fault(f Fault) (func(), error) {
	var mend func()
	before := l.harmed(f.Kind)
	switch f.Kind {
	case Delay, SlowReply:
		mend = l.slowDown(f)
	case Stall:
		l.link.Stall(faultproxy.Both, f.For)
		mend = func() {}
	case CutAsks:
		mend = l.hold(faultproxy.ToServer)
	case CutReply:
		mend = l.hold(faultproxy.ToClient)
	case Cut:
		mend = l.hold(faultproxy.Both)
	case Reset:
		l.link.Reset()
		mend = func() {}
	case DropReply:
		mend = l.drop()
	default:
		return nil, fmt.Errorf("%w: %s", ErrCannot, f.Kind)
	}
	l.meets.arm(f.Kind)
	return func() {
		mend()
		if l.harmed(f.Kind) > before {
			l.meets.meet(f.Kind)
		}
		l.meets.disarm(f.Kind)
	}, nil
}

// harmed counts what faults of the kind have done.
func (l *fakeLink) harmed(kind FaultKind) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch e := l.link.Effects(); kind {
	case Stall:
		return e.Stalled
	case CutAsks:
		return e.HeldAsks
	case CutReply:
		return e.HeldReplies
	case Cut:
		return e.HeldAsks + e.HeldReplies
	case Reset:
		return e.Reset
	case DropReply:
		return e.Dropped
	}
	return l.commands // every one of them was slow
}

func (l *fakeLink) slowDown(f Fault) (mend func()) {
	change := func(how func()) {
		l.mu.Lock()
		defer l.mu.Unlock()
		how()
		l.forecast()
	}
	change(func() { l.slow = append(l.slow, f) })
	return func() { change(func() { l.slow = without(l.slow, f) }) }
}

// hold keeps everything in the directions, with what other holds keep.
func (l *fakeLink) hold(dir faultproxy.Direction) (release func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holds = append(l.holds, dir)
	l.link.Hold(dir)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.holds = without(l.holds, dir)
		for _, one := range []faultproxy.Direction{faultproxy.ToServer, faultproxy.ToClient} {
			kept := slices.ContainsFunc(l.holds, func(other faultproxy.Direction) bool { return other&one != 0 })
			if dir&one != 0 && !kept {
				l.link.Release(one)
			}
		}
	}
}

// drop loses the replies of scripts. Its connection stays open and silent: nobody is told.
func (l *fakeLink) drop() (mend func()) {
	change := func(by int) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.drops += by; l.drops > 0 {
			l.link.DropReplies(-1, faultproxy.Named("evalsha", "eval"), faultproxy.ThenSilence)
		} else {
			l.link.DropReplies(0, nil, faultproxy.ThenSilence)
		}
	}
	change(1)
	return func() { change(-1) }
}
