package chaos

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quorumlock/quorumlock/quorum/quorumtest/faultproxy"
)

const both = faultproxy.Both

// A processLink is one client's way to one server: a proxy. Faults may overlap: delays add up, and a direction
// is held until the last hold of it ends.
type processLink struct {
	about Event // of a fault that was met
	proxy *faultproxy.Proxy

	recorder *Recorder
	seen     atomic.Int64 // commands that came from the client
	drops    atomic.Int64 // how many faults lose replies now

	mu    sync.Mutex
	slow  []Fault
	holds map[faultproxy.Direction]int
}

func newProcessLink(client int, n *processNode, seed uint64, r *Recorder) (*processLink, error) {
	proxy, err := faultproxy.Start(n.server.Addr(), seed)
	if err != nil {
		return nil, err
	}
	l := &processLink{
		about: Event{Kind: FaultMet, Client: ClientName(client), Node: n.name},
		proxy: proxy, recorder: r, holds: make(map[faultproxy.Direction]int),
	}
	proxy.DropReply(math.MaxInt, l.drop, faultproxy.ThenReset)
	n.links = append(n.links, l)
	return l, nil
}

// greetings are the commands that make a connection ready. Their replies are not lost, as otherwise no
// operation would be carried out.
var greetings = faultproxy.Named("HELLO", "AUTH", "CLIENT", "SELECT", "PING", "TIME")

// drop sees every command, and says whether its reply is lost.
func (l *processLink) drop(c faultproxy.Command) bool {
	l.seen.Add(1)
	return l.drops.Load() > 0 && !greetings(c)
}

// commands is how many commands came so far, and refused how many connections the server did not accept.
func (l *processLink) commands() int { return int(l.seen.Load()) }
func (l *processLink) refused() int  { return l.proxy.Count(faultproxy.Unreachable) }

func (l *processLink) fault(_ context.Context, f Fault) (mend func() error, err error) {
	before := l.effects(f.Kind)
	end := func() {}
	switch f.Kind {
	case Delay, SlowReply:
		end = l.slowDown(f)
	case CutAsks:
		end = l.hold(faultproxy.ToServer)
	case CutReply:
		end = l.hold(faultproxy.ToClient)
	case Cut, Stall:
		end = l.hold(both)
	case Reset:
		l.proxy.Reset()
	case DropReply:
		l.drops.Add(1)
		end = func() { l.drops.Add(-1) }
	default:
		return nil, fmt.Errorf("%w: %s", ErrCannot, f.Kind)
	}
	return func() error {
		end()
		if l.effects(f.Kind) > before {
			e := l.about
			e.Fault = f.Kind
			l.recorder.Append(e)
		}
		return nil
	}, nil
}

// effects counts what the proxy did that a fault of the kind does.
func (l *processLink) effects(kind FaultKind) int {
	switch kind {
	case Delay:
		return l.proxy.Count(faultproxy.Delayed)
	case SlowReply:
		return l.proxy.CountIn(faultproxy.ToClient, faultproxy.Delayed)
	case CutAsks:
		return l.proxy.CountIn(faultproxy.ToServer, faultproxy.Held)
	case CutReply:
		return l.proxy.CountIn(faultproxy.ToClient, faultproxy.Held)
	case Cut, Stall:
		return l.proxy.Count(faultproxy.Held)
	case Reset:
		return l.proxy.Count(faultproxy.WasReset)
	case DropReply:
		return l.proxy.Count(faultproxy.ReplyDropped)
	}
	return 0
}

// slowDown adds a delay to those that there are.
func (l *processLink) slowDown(f Fault) (end func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.slow = append(l.slow, f)
	l.setDelays()
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.slow = without(l.slow, f)
		l.setDelays()
	}
}

// setDelays needs mu.
func (l *processLink) setDelays() {
	var asks, replies time.Duration
	for _, f := range l.slow {
		if replies += f.By; f.Kind == Delay {
			asks += f.By
		}
	}
	l.proxy.Delay(faultproxy.ToServer, asks, asks)
	l.proxy.Delay(faultproxy.ToClient, replies, replies)
}

// hold keeps everything that goes in a direction until the end.
func (l *processLink) hold(dir faultproxy.Direction) (release func()) {
	change := func(by int) {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, d := range []faultproxy.Direction{faultproxy.ToServer, faultproxy.ToClient} {
			if dir&d == 0 {
				continue
			}
			if l.holds[d] += by; l.holds[d] > 0 {
				l.proxy.Hold(d)
			} else {
				l.proxy.Release(d)
			}
		}
	}
	change(1)
	return func() { change(-1) }
}
