package faultproxy

import (
	"math/rand/v2"
	"time"
)

// A Direction is one of the two ways through a connection, or both.
type Direction uint8

// The directions.
const (
	ToServer Direction = 1 << iota
	ToClient
	Both = ToServer | ToClient
)

// String returns the direction in words.
func (d Direction) String() string {
	switch d {
	case ToServer:
		return "to server"
	case ToClient:
		return "to client"
	case Both:
		return "both ways"
	}
	return "nowhere"
}

// faults is what is wrong right now. With a changed channel its zero value is a good network.
type faults struct {
	refuse  bool
	ways    [3]way        // by ToServer and ToClient
	changed chan struct{} // closed, and replaced, whenever a way changes
	drops   []*replyDrop
	holds   []*HeldCommand
}

// A way is what is wrong with one direction.
type way struct {
	delay, jitter time.Duration
	held          bool
	until         time.Time // held until then
}

// alter changes what is wrong with a direction and wakes those who wait for that.
func (p *Proxy) alter(dir Direction, how func(w *way)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range []Direction{ToServer, ToClient} {
		if dir&d != 0 {
			how(&p.faults.ways[d])
		}
	}
	p.wake()
}

// wake lets everybody who waits for a direction look again. The caller holds mu.
func (p *Proxy) wake() {
	close(p.faults.changed)
	p.faults.changed = make(chan struct{})
}

// Delay makes what is read from now on take d longer, and up to jitter more, drawn for each piece
// anew. The order stays. Zero ends it.
func (p *Proxy) Delay(dir Direction, d, jitter time.Duration) {
	p.alter(dir, func(w *way) { w.delay, w.jitter = d, jitter })
}

// Hold keeps everything, also what is under way, until [Proxy.Release]: a partition, after which TCP
// delivers. The ends of streams are held too.
func (p *Proxy) Hold(dir Direction) {
	p.alter(dir, func(w *way) { w.held = true })
}

// Release ends Hold and Stall, and delivers what was kept, in order, also for clients that have
// closed meanwhile.
func (p *Proxy) Release(dir Direction) {
	p.alter(dir, func(w *way) { w.held, w.until = false, time.Time{} })
}

// Stall is Hold that ends by itself after d: a lost segment, a failover of a switch.
func (p *Proxy) Stall(dir Direction, d time.Duration) {
	until := time.Now().Add(d)
	p.alter(dir, func(w *way) { w.until = until })
}

// Reset resets every open connection on both sides, and loses what they had under way. It returns
// how many there were.
func (p *Proxy) Reset() int { return p.endAll(resetting) }

// Refuse resets every new connection as soon as it is made, while on.
func (p *Proxy) Refuse(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults.refuse = on
}

// Heal ends every fault. What was held is delivered.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range p.faults.holds {
		h.Release()
	}
	p.faults.refuse, p.faults.ways, p.faults.drops, p.faults.holds = false, [3]way{}, nil, nil
	p.wake()
}

// delay draws how long a piece takes.
func (p *Proxy) delay(dir Direction, rng *rand.Rand) time.Duration {
	p.mu.Lock()
	w := p.faults.ways[dir]
	p.mu.Unlock()
	if w.jitter > 0 {
		return w.delay + time.Duration(rng.Int64N(int64(w.jitter)))
	}
	return w.delay
}

// gate says whether a direction is held, until when if that is known, and what to wait for.
func (p *Proxy) gate(dir Direction) (closed bool, until time.Time, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.faults.ways[dir]
	if w.held {
		return true, time.Time{}, p.faults.changed
	}
	return time.Now().Before(w.until), w.until, p.faults.changed
}
