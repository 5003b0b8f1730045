package chaos

import (
	"fmt"
	"slices"
	"sync"

	"github.com/quorumlock/quorumlock/chaos/internal/fakeredis"
	"github.com/quorumlock/quorumlock/quorum/quorumtest/faultproxy"
)

// A fakeLink is one client's way to one server.
type fakeLink struct {
	network Network
	link    *fakeredis.Link
	meets   meets

	mu       sync.Mutex
	slow     []Fault
	holds    []faultproxy.Direction
	drops    int
	halts    int
	commands int // carried out for the client
	cuts     int // of connections that subscribe
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
	case CutSubscriber:
		l.cutSubscribers()
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
	case CutSubscriber:
		return l.cuts
	case DropReply:
		return e.Dropped
	}
	return l.commands // every one of them was slow
}

func (l *fakeLink) cutSubscribers() {
	n := l.link.CutSubscribers()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cuts += n
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

// halt makes the client's end stand still.
func (l *fakeLink) halt() (goOn func()) {
	release := l.hold(faultproxy.ToClient)
	change := func(by int) {
		l.mu.Lock()
		defer l.mu.Unlock()
		switch l.halts += by; {
		case by > 0:
			l.link.Halt(faultproxy.ToServer)
		case l.halts == 0:
			l.link.GoOn(faultproxy.ToServer)
		}
	}
	change(1)
	return func() {
		change(-1)
		release()
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
