package chaos

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/quorumlock/quorumlock/chaos/internal/dice"
	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum/quorumtest/faultproxy"
)

// A memWay is one direction of a link.
type memWay struct {
	slow    []Fault // that make it slow
	holds   []FaultKind
	free    chan struct{} // closed when the last hold ends
	stalled time.Time
}

// The two directions.
const (
	up   = 0
	down = 1
)

func (l *memLink) way(dir int) *memWay {
	if dir == up {
		return &l.up
	}
	return &l.down
}

func (l *memLink) draws(m *memMessage, purpose uint64) dice.Dice {
	return dice.New(l.memory.seed, uint64(l.client), uint64(l.server.number), m.number, purpose) //nolint:gosec // not negative
}

// travel takes as long as the message takes, and reports whether it arrives.
func (l *memLink) travel(m *memMessage, dir int) bool {
	d := l.draws(m, uint64(dir)) //nolint:gosec // 0 or 1
	trip := d.Between(l.memory.network.Least, l.memory.network.Most)
	if d.Share(l.memory.network.TailShare) {
		trip += d.UpTo(l.memory.network.Tail)
	}
	trip += l.slowness(dir, &d)
	for trip > 0 {
		time.Sleep(l.unique(m, dir, trip))
		select {
		case <-m.broken:
			return false
		default:
		}
		trip = l.obstacle(m, dir, &d)
	}
	return true
}

// slowness is what faults add to a trip.
func (l *memLink) slowness(dir int, d *dice.Dice) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	var extra time.Duration
	for _, f := range l.way(dir).slow {
		extra += f.By + d.UpTo(f.By)
		l.meets.meet(f.Kind)
	}
	return extra
}

// spread parts messages that become free at the same time.
const spread = 200 * time.Microsecond

// obstacle waits for a way that is held, and returns how much longer the trip takes from then on: 0 if
// nothing is in the way.
func (l *memLink) obstacle(m *memMessage, dir int, d *dice.Dice) time.Duration {
	l.mu.Lock()
	w := l.way(dir)
	if going := l.halted(m, dir); going != nil {
		l.mu.Unlock()
		<-going
		return 1 + d.UpTo(spread)
	}
	if len(w.holds) > 0 {
		l.meets.meet(w.holds...)
		free := w.free
		l.mu.Unlock()
		<-free
		return 1 + d.UpTo(spread)
	}
	defer l.mu.Unlock()
	if rest := time.Until(w.stalled); rest > 0 {
		l.meets.meet(Stall)
		return rest + d.UpTo(spread)
	}
	return 0
}

// instants is how many messages have instants of their own: no two of those under way at once do anything
// at the same time, so that nothing depends on who is served first.
const instants = 1 << 13

// unique stretches a wait to the next instant that belongs to the message and to no other.
func (l *memLink) unique(m *memMessage, dir int, wait time.Duration) time.Duration {
	class := int64((((l.client%32)*16+l.server.number%16)*2+dir)*8) + int64(m.number%8) //nolint:gosec // small
	present := time.Now().UnixNano()
	at := present + int64(wait)
	at += (class - at%instants + instants) % instants
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.taken, func(other int64, _ bool) bool { return other < present })
	for l.taken[at] {
		at += instants
	}
	l.taken[at] = true
	return time.Duration(at - present)
}

// fault makes a fault of a link.
func (l *memLink) fault(f Fault) (func(), error) {
	var mend func()
	l.meets.arm(f.Kind)
	switch f.Kind {
	case Delay:
		mend = l.change(func() { l.up.slow, l.down.slow = append(l.up.slow, f), append(l.down.slow, f) },
			func() { l.up.slow, l.down.slow = without(l.up.slow, f), without(l.down.slow, f) })
	case SlowReply:
		mend = l.change(func() { l.down.slow = append(l.down.slow, f) },
			func() { l.down.slow = without(l.down.slow, f) })
	case Stall:
		until := time.Now().Add(f.For)
		mend = l.change(func() { l.up.stall(until); l.down.stall(until) }, func() {})
	case CutAsks:
		mend = l.holdFor(f.Kind, faultproxy.ToServer)
	case CutReply:
		mend = l.holdFor(f.Kind, faultproxy.ToClient)
	case Cut:
		mend = l.holdFor(f.Kind, faultproxy.Both)
		l.giveUpLine()
	case Reset:
		if l.reset() {
			l.meets.meet(Reset)
		}
		mend = func() {}
	case CutSubscriber:
		l.cutSubscriber()
		mend = func() {}
	case DropReply:
		mend = l.change(func() { l.drops++ }, func() { l.drops-- })
	case Duplicate:
		mend = l.change(func() { l.duplicate = append(l.duplicate, f.By) },
			func() { l.duplicate = without(l.duplicate, f.By) })
	default:
		return nil, fmt.Errorf("%w: %s", ErrCannot, f.Kind)
	}
	return func() {
		l.meets.disarm(f.Kind)
		mend()
	}, nil
}

// change does something now, and returns what undoes it.
func (l *memLink) change(do, undo func()) func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	do()
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		undo()
	}
}

// without removes one such element.
func without[E any](list []E, e E) []E {
	i := slices.IndexFunc(list, func(other E) bool { return fmt.Sprint(other) == fmt.Sprint(e) })
	return slices.Delete(list, i, i+1)
}

func (w *memWay) stall(until time.Time) {
	if until.After(w.stalled) {
		w.stalled = until
	}
}

// halt keeps answers, and requests that are sent from now on.
func (l *memLink) halt() (goOn func()) {
	since := l.machine.Now()
	release := l.holdFor("", faultproxy.ToClient)
	end := l.change(func() { l.halts = append(l.halts, since) },
		func() {
			l.halts = without(l.halts, since)
			if len(l.halts) == 0 {
				close(l.going)
				l.going = make(chan struct{})
			}
		})
	return func() {
		end()
		release()
	}
}

// halted returns what to wait for if the message was sent while the client stands still. The caller holds mu.
func (l *memLink) halted(m *memMessage, dir int) <-chan struct{} {
	if dir == up && slices.ContainsFunc(l.halts, func(since clock.Instant) bool { return !m.sent.Before(since) }) {
		return l.going
	}
	return nil
}

func (l *memLink) holdFor(kind FaultKind, dir faultproxy.Direction) (release func()) {
	var ways []*memWay
	if dir&faultproxy.ToServer != 0 {
		ways = append(ways, &l.up)
	}
	if dir&faultproxy.ToClient != 0 {
		ways = append(ways, &l.down)
	}
	return l.change(func() {
		for _, w := range ways {
			if w.holds = append(w.holds, kind); len(w.holds) == 1 {
				w.free = make(chan struct{})
			}
		}
	}, func() {
		for _, w := range ways {
			if w.holds = without(w.holds, kind); len(w.holds) == 0 {
				close(w.free)
			}
		}
	})
}

// reset breaks the connection: what is under way is lost, and its askers learn it at once. It reports
// whether somebody did.
func (l *memLink) reset() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.broken)
	l.broken = make(chan struct{})
	l.cutLine()
	return l.waiting > 0
}
