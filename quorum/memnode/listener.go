package memnode

import (
	"slices"

	"github.com/quorumlock/quorumlock/quorum"
)

// A listener is one call of [Node.Announcements]. The node's mu guards it.
type listener struct {
	key  string
	tell func(quorum.Announcement)

	line      int  // the connection it is on, or on its way to: the node's breaks at that time
	listening bool // it has arrived there
	stopped   bool
	queue     []quorum.Announcement // arrived, and not told yet
	telling   bool                  // somebody is at it
}

// noLine is the line of a listener that was never on any.
const noLine = -1

// Announcements tells what the node announces about key, as far as the faults let it: the request to listen
// and what is announced are as long under way as requests and answers are. Whatever breaks a
// connection (Cut, Kill, Refuse) loses what is announced until it ends, and then Listening comes again.
//
// tell is called without a lock held, and so may ask the node.
func (n *Node) Announcements(key string, tell func(quorum.Announcement)) (stop func()) {
	l := &listener{key: key, tell: tell, line: noLine}
	n.mu.Lock()
	defer n.unlock()
	n.listeners = append(n.listeners, l)
	n.connect()
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		l.stopped = true
		n.listeners = slices.DeleteFunc(n.listeners, func(other *listener) bool { return other == l })
	}
}

// LoseAnnouncements makes every announcement from now on vanish, but Listening: nobody is told that anything
// is missed. false ends it.
func (n *Node) LoseAnnouncements(lose bool) {
	n.change(func(f *faults) { f.deaf = lose })
}

// connect puts listeners on their way that have no connection, if there is a way. The caller holds mu, as
// for all that follows.
func (n *Node) connect() {
	f := &n.faults
	if n.shut || f.cut || f.dead || f.refuse != nil {
		return
	}
	for _, l := range n.listeners {
		if l.line == f.breaks {
			continue
		}
		line := f.breaks
		l.line, l.listening = line, false
		n.after(f.requestDelay, func() { n.hear(l, line) })
	}
}

// hear brings a listener before the server.
func (n *Node) hear(l *listener, line int) {
	switch f := &n.faults; {
	case n.shut || l.stopped || line != f.breaks || l.line != line:
	case f.paused:
		f.unheard = append(f.unheard, func() { n.hear(l, line) })
	default:
		l.listening = true
		n.carry([]letter{{l, quorum.Announcement{Kind: quorum.Listening}}})
	}
}

// A letter is an announcement to one listener.
type letter struct {
	to *listener
	quorum.Announcement
}

// announce sends news to those who listen, in order.
func (n *Node) announce(list []news) {
	if n.faults.deaf {
		return
	}
	var letters []letter
	for _, news := range list {
		for _, l := range n.listeners {
			if l.key == news.key && l.listening && l.line == n.faults.breaks {
				letters = append(letters, letter{l, news.Announcement})
			}
		}
	}
	if len(letters) > 0 {
		n.carry(letters)
	}
}

// carry brings letters to their listeners, unless the connection breaks on the way.
func (n *Node) carry(letters []letter) {
	line := n.faults.breaks
	n.after(n.faults.replyDelay, func() {
		if n.shut || line != n.faults.breaks {
			return
		}
		for _, letter := range letters {
			letter.to.queue = append(letter.to.queue, letter.Announcement)
			n.fresh = append(n.fresh, letter.to)
		}
	})
}

// unlock ends a step under mu, and tells listeners what came of it.
func (n *Node) unlock() {
	fresh := n.fresh
	n.fresh = nil
	n.mu.Unlock()
	for _, l := range fresh {
		n.drain(l)
	}
}

// drain tells a listener all that has arrived. Only one goroutine does at a time: who comes second leaves
// its own to the first. The caller does not hold mu.
func (n *Node) drain(l *listener) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if l.telling {
		return
	}
	l.telling = true
	for len(l.queue) > 0 && !l.stopped {
		next := l.queue[0]
		l.queue = l.queue[1:]
		n.mu.Unlock()
		l.tell(next)
		n.mu.Lock()
	}
	l.telling = false
}
