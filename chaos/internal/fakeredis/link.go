package fakeredis

import (
	"context"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/quorumlock/quorumlock/quorum/quorumtest/faultproxy"
)

// A Link is the network between one client and a server. [Server.Link] makes it. All methods may be
// called from several goroutines.
type Link struct {
	server *Server
	client int

	mu       sync.Mutex
	up, down way
	cables   []*cable // that are not closed at both ends, by number
	dialed   int
	drop     drop
	effects  Effects
}

// A way is what is wrong with one direction.
type way struct {
	weather   Weather
	held      bool
	heldSince int64
	stalled   int64 // what is sent before then arrives after it
	// What is sent from haltedSince on is kept while the way is halted.
	halted      bool
	haltedSince int64
}

// Effects counts what faults did to a link: those that took effect, not those that were asked for.
type Effects struct {
	// Slow messages met the tail of the [Weather] or got lost at first; Stalled ones a [Link.Stall].
	Slow, Stalled int
	// HeldAsks and HeldReplies are messages that a [Link.Hold] kept, counted on release.
	HeldAsks, HeldReplies int
	// Reset counts connections that a [Link.Reset] broke, Killed those that a [Server.Kill] did, and
	// Refused dials while the server was down.
	Reset, Killed, Refused int
	// Dropped counts replies that [Link.DropReplies] lost.
	Dropped int
	// Unheard counts messages of subscriptions that [Server.LoseAnnouncements] lost.
	Unheard int
	// Late counts arrivals at a paused server, which it looked at later.
	Late int
}

// Client returns the number of the client.
func (l *Link) Client() int { return l.client }

// Effects returns what the faults did so far.
func (l *Link) Effects() Effects {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.effects
}

// poolSize is more than any client has on its way at once. The library's pool waits for a free place
// with timers that it shares between all clients of the process, and a timer of one bubble ends the
// process in the next.
const poolSize = 64

// Options returns what a client of the library needs to use this link. They are the caller's to
// change.
func (l *Link) Options() *redis.Options {
	return &redis.Options{
		Addr: l.server.name, Password: l.server.password, PoolSize: poolSize,
		// The library would look the address up, which takes real time, and happens once in a process.
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		Dialer:                   func(ctx context.Context, _, _ string) (net.Conn, error) { return l.Dial(ctx) },
	}
}

// Dial makes a connection, in the time that the link needs for a message each way. It waits for a
// held link until ctx ends, and fails if the server is down; a paused server accepts.
func (l *Link) Dial(ctx context.Context) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, dialFailure(l.server.name, err)
	}
	c := l.server.accept(l)
	if c == nil {
		return nil, dialFailure(l.server.name, net.ErrClosed)
	}
	answer, err := c.near.await(ctx)
	if err == nil && answer != accepted {
		err = syscall.ECONNREFUSED
	}
	if err != nil {
		_ = c.near.Close()
		return nil, dialFailure(l.server.name, err)
	}
	return c.near, nil
}

func dialFailure(name string, err error) error {
	return &net.OpError{Op: "dial", Net: peer(name).Network(), Addr: peer(name), Err: err}
}

// alter changes the ways that dir names.
func (l *Link) alter(dir faultproxy.Direction, how func(w *way, wires []*wire)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if dir&faultproxy.ToServer != 0 {
		how(&l.up, l.wires(func(c *cable) *wire { return c.up }))
	}
	if dir&faultproxy.ToClient != 0 {
		how(&l.down, l.wires(func(c *cable) *wire { return c.down }))
	}
}

func (l *Link) wires(of func(*cable) *wire) []*wire {
	list := make([]*wire, len(l.cables))
	for i, c := range l.cables {
		list[i] = of(c)
	}
	return list
}

// SetWeather changes how long messages take from now on.
func (l *Link) SetWeather(dir faultproxy.Direction, weather Weather) {
	l.alter(dir, func(w *way, _ []*wire) { w.weather = weather })
}

// Hold keeps everything that is under way and will be sent, ends of connections included, until
// [Link.Release]. Holding one direction is a one-way block.
func (l *Link) Hold(dir faultproxy.Direction) {
	l.alter(dir, func(w *way, wires []*wire) {
		if w.held {
			return
		}
		w.held, w.heldSince = true, now()
		for _, wire := range wires {
			wire.arm(w.heldSince)
		}
	})
}

// Release ends Hold. What was kept is delivered now, in order, also for ends that have closed
// meanwhile.
func (l *Link) Release(dir faultproxy.Direction) {
	l.alter(dir, func(w *way, wires []*wire) {
		if !w.held {
			return
		}
		w.held = false
		count := &l.effects.HeldAsks
		if w == &l.down {
			count = &l.effects.HeldReplies
		}
		for _, wire := range wires {
			*count += wire.postpone(w.heldSince, now())
		}
	})
}

// Halt keeps what will be sent in the direction, until [Link.GoOn]; what is under way arrives.
func (l *Link) Halt(dir faultproxy.Direction) {
	l.alter(dir, func(w *way, _ []*wire) {
		if !w.halted {
			w.halted, w.haltedSince = true, now()
		}
	})
}

// GoOn ends Halt. What was kept is delivered now, in order.
func (l *Link) GoOn(dir faultproxy.Direction) {
	l.alter(dir, func(w *way, wires []*wire) {
		if !w.halted {
			return
		}
		w.halted = false
		for _, wire := range wires {
			wire.resume(w.haltedSince)
		}
	})
}

// Stall delays everything that is under way, or is sent in the next d, until d is over: a lost
// segment, a switch that fails over. It cannot be ended early.
func (l *Link) Stall(dir faultproxy.Direction, d time.Duration) {
	l.alter(dir, func(w *way, wires []*wire) {
		present := now()
		w.stalled = max(w.stalled, present+int64(d))
		for _, wire := range wires {
			l.effects.Stalled += wire.postpone(present, w.stalled)
		}
	})
}

// Reset breaks every open connection, and loses what they have under way. Both ends learn it at once,
// also over a held link, and after what has arrived. It returns how many connections there were.
func (l *Link) Reset() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.cables {
		c.sever()
	}
	l.effects.Reset += len(l.cables)
	return len(l.cables)
}

// Heal ends every fault, but for stalls under way, and makes the weather good.
func (l *Link) Heal() {
	l.Release(faultproxy.Both)
	l.GoOn(faultproxy.Both)
	l.SetWeather(faultproxy.Both, Weather{})
	l.DropReplies(0, nil, faultproxy.ThenReset)
}
