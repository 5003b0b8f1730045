package faultproxy

import (
	"slices"
	"sync"
	"time"
)

// A Fault is one way in which the proxy interfered.
type Fault string

// The faults that are logged.
const (
	Delayed      Fault = "delayed"       // a piece, by Delay
	Held         Fault = "held"          // a piece, by Hold or Stall
	WasReset     Fault = "reset"         // a connection, by Reset
	Refused      Fault = "refused"       // a new connection
	ReplyDropped Fault = "reply dropped" // after it was received from the server
	CommandHeld  Fault = "command held"  // before it was sent to the server
	Unreachable  Fault = "unreachable"   // the server, by a new connection
)

// An Event is one fault that took effect.
type Event struct {
	Fault     Fault
	At        time.Duration // since the proxy was started
	Conn      int           // the connection's number, from 1
	Direction Direction     // 0 for whole connections
	Command   string        // its name, if it is one
	Bytes     int           // the size of the piece
}

// maxEvents bounds the log. Counts go on.
const maxEvents = 4096

// An eventLog keeps the first events, and counts them all.
type eventLog struct {
	start time.Time

	mu     sync.Mutex
	events []Event
	counts map[counted]int
}

// A counted is what is counted by itself.
type counted struct {
	fault     Fault
	direction Direction
}

func newEventLog() *eventLog { return &eventLog{start: time.Now(), counts: make(map[counted]int)} }

func (l *eventLog) add(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.At = time.Since(l.start)
	l.counts[counted{e.Fault, e.Direction}]++
	if len(l.events) < maxEvents {
		l.events = append(l.events, e)
	}
}

// Events returns the first few thousand faults that took effect, in order.
func (p *Proxy) Events() []Event {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	return slices.Clone(p.log.events)
}

// Count returns how often a fault took effect.
func (p *Proxy) Count(f Fault) int {
	return p.CountIn(0, f) + p.CountIn(ToServer, f) + p.CountIn(ToClient, f)
}

// CountIn returns how often a fault took effect in one direction, or, for direction 0, on whole connections.
func (p *Proxy) CountIn(dir Direction, f Fault) int {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	return p.log.counts[counted{f, dir}]
}
