package faultproxy

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// A Command is one request of a client: its name and arguments, byte for byte.
type Command []string

// Name returns the command's name in upper case.
func (c Command) Name() string {
	if len(c) == 0 {
		return ""
	}
	return strings.ToUpper(c[0])
}

// A Match picks commands. It must be quick, and must not call the proxy.
type Match func(Command) bool

// Containing picks commands with a part that contains s: a name, a key, a value, a script.
func Containing(s string) Match {
	return func(c Command) bool {
		return slices.ContainsFunc(c, func(part string) bool { return strings.Contains(part, s) })
	}
}

// Named picks commands by name, in any case.
func Named(names ...string) Match {
	return func(c Command) bool {
		return slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, c.Name()) })
	}
}

// AfterDrop is what becomes of a connection whose reply was dropped. It is of no use any more, since
// later replies would be taken for the missing one.
type AfterDrop uint8

const (
	// ThenReset resets the connection in place of the reply.
	ThenReset AfterDrop = iota
	// ThenSilence keeps the connection open, and nothing arrives on it any more.
	ThenSilence
)

// replyDrop is a fault armed by [Proxy.DropReply].
type replyDrop struct {
	left  int
	match Match
	then  AfterDrop
}

// DropReply swallows the replies to the next count commands that match: the server carries them out
// and answers, and the client never knows. Replies to earlier commands of the same connection still
// arrive. As the connection is lost with the reply, each drop takes another connection.
func (p *Proxy) DropReply(count int, match Match, then AfterDrop) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults.drops = append(p.faults.drops, &replyDrop{left: count, match: match, then: then})
}

// takeDrop uses up one drop if one is armed for the command.
func (p *Proxy) takeDrop(c Command) (then AfterDrop, hit bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.faults.drops {
		if d.left > 0 && d.match(c) {
			d.left--
			return d.then, true
		}
	}
	return 0, false
}

// A HeldCommand is a fault armed by [Proxy.HoldCommand], and the handle on what it holds.
type HeldCommand struct {
	match    Match
	hold     time.Duration
	caught   chan struct{}
	released chan struct{}
	once     sync.Once

	left int // guarded by the proxy's mu
}

// HoldCommand keeps the next count commands that match, each for d, or until it is released if d is
// zero, and then delivers them, also if their client has closed its connection meanwhile. Behind a
// held command waits whatever the same connection sends later; other connections overtake it. This
// is how an acquire comes to run after its connection was closed, and a release after the next
// acquire.
func (p *Proxy) HoldCommand(count int, match Match, d time.Duration) *HeldCommand {
	h := &HeldCommand{
		match: match, hold: d, left: count,
		caught: make(chan struct{}), released: make(chan struct{}),
	}
	if count <= 0 {
		close(h.caught)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults.holds = append(p.faults.holds, h)
	return h
}

// Caught is closed once as many commands were caught as were asked for.
func (h *HeldCommand) Caught() <-chan struct{} { return h.caught }

// Release delivers what is held, and lets commands that match pass from now on.
func (h *HeldCommand) Release() { h.once.Do(func() { close(h.released) }) }

func (h *HeldCommand) isReleased() bool {
	select {
	case <-h.released:
		return true
	default:
		return false
	}
}

// takeHold returns what holds the command, if anything does, and until when.
func (p *Proxy) takeHold(c Command) (*HeldCommand, time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range p.faults.holds {
		if h.left <= 0 || h.isReleased() || !h.match(c) {
			continue
		}
		if h.left--; h.left == 0 {
			close(h.caught)
		}
		if h.hold <= 0 {
			return h, time.Time{}
		}
		return h, time.Now().Add(h.hold)
	}
	return nil, time.Time{}
}
