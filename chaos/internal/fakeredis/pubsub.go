package fakeredis

import (
	"fmt"
	"slices"

	"github.com/quorumlock/quorumlock/chaos/internal/dice"
)

// A pushed reply is one that RESP3 has a type of its own for, as no command need have asked for it.
type pushed []Reply

func (r pushed) encode(b []byte, protocol int) []byte {
	if protocol == 2 {
		return Array(r).encode(b, protocol)
	}
	return each(head(b, '>', int64(len(r))), r, protocol)
}

// answered stands for a reply that is on its way already.
type answered struct{}

func (answered) encode(b []byte, _ int) []byte { return b }

// publish tells the subscribers of a channel, in the order in which they came, and returns how many there
// are. The caller holds mu.
func (s *Server) publish(channel, message string) int {
	n := 0
	for _, to := range s.channels[channel] {
		if to.life != s.life {
			continue // it was killed, and will find out
		}
		n++
		if !s.loses(to) && !to.muted.Load() {
			news := pushed{Bulk("message"), Bulk(channel), Bulk(message)}
			_, _ = to.conn.Write(news.encode(nil, to.protocol)) // one that is gone does not want it
		}
	}
	return n
}

// loses draws whether a message to a subscriber is lost, and counts it then.
func (s *Server) loses(to *session) bool {
	l := to.cable.link
	to.published++
	d := dice.New(s.seed, uint64(s.number), uint64(l.client), uint64(to.cable.number), to.published) //nolint:gosec // any bits will do
	if !d.Share(s.unheard) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.effects.Unheard++
	return true
}

// LoseAnnouncements loses a share of all published messages from now on, from 0 to 1, each subscriber's for
// itself: they are published, and never arrive. 0 ends it. [Effects] count them.
func (s *Server) LoseAnnouncements(share float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unheard = share
}

func publish(e *execution) Reply { return Integer(e.server.publish(e.args[1], e.args[2])) }

// subscribe answers at once: what is published from here on comes behind its reply.
func subscribe(e *execution) Reply {
	s := e.session
	for _, channel := range e.args[1:] {
		if !slices.Contains(s.channels, channel) {
			s.channels = append(s.channels, channel)
			e.server.channels[channel] = append(e.server.channels[channel], s)
		}
		s.reply(e.args, pushed{Bulk("subscribe"), Bulk(channel), Integer(len(s.channels))})
	}
	s.flush()
	return answered{}
}

func unsubscribe(e *execution) Reply {
	s := e.session
	list := e.args[1:]
	if len(list) == 0 {
		list = slices.Clone(s.channels)
	}
	for _, channel := range list {
		e.server.unsubscribe(s, channel)
		s.reply(e.args, pushed{Bulk("unsubscribe"), Bulk(channel), Integer(len(s.channels))})
	}
	if len(list) == 0 {
		s.reply(e.args, pushed{Bulk("unsubscribe"), Null{}, Integer(0)})
	}
	return answered{}
}

// unsubscribe needs mu.
func (s *Server) unsubscribe(who *session, channel string) {
	who.channels = slices.DeleteFunc(who.channels, func(c string) bool { return c == channel })
	left := slices.DeleteFunc(s.channels[channel], func(other *session) bool { return other == who })
	if s.channels[channel] = left; len(left) == 0 {
		delete(s.channels, channel)
	}
}

// unsubscribeAll is for a session that ends. The caller holds mu.
func (s *Server) unsubscribeAll(who *session) {
	for _, channel := range slices.Clone(who.channels) {
		s.unsubscribe(who, channel)
	}
}

// Channels returns how many channels anybody subscribes to.
func (s *Server) Channels() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.channels)
}

// whileSubscribed are the commands for which a subscriber's connection is open in RESP2.
var whileSubscribed = map[string]bool{"subscribe": true, "unsubscribe": true, "ping": true, "quit": true, "reset": true}

func notWhileSubscribed(name string) Fault {
	return Fault(fmt.Sprintf("ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "+
		"are allowed in this context", name))
}
