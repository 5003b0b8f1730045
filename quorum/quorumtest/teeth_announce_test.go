package quorumtest_test

import (
	"context"
	"strings"
	"time"

	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/memnode"
)

// A listening is how a mutant lets somebody listen to a good node.
type listening func(n *memnode.Node, key string, tell func(quorum.Announcement)) (stop func())

// A deafMutant is a good node that announces otherwise.
type deafMutant struct {
	*memnode.Node
	listening
}

func (m deafMutant) Announcements(key string, tell func(quorum.Announcement)) (stop func()) {
	return m.listening(m.Node, key, tell)
}

// telling is the listening of what passes the filter.
func telling(filter func(quorum.Announcement) (quorum.Announcement, bool)) listening {
	return func(n *memnode.Node, key string, tell func(quorum.Announcement)) (stop func()) {
		return n.Announcements(key, func(a quorum.Announcement) {
			if changed, passes := filter(a); passes {
				tell(changed)
			}
		})
	}
}

var listenings = map[string]listening{
	"nobody is told to listen": telling(func(a quorum.Announcement) (quorum.Announcement, bool) {
		return a, a.Kind != quorum.Listening
	}),
	"releases are not announced": telling(func(a quorum.Announcement) (quorum.Announcement, bool) {
		return a, a.Kind != quorum.Freed
	}),
	"grants are not announced": telling(func(a quorum.Announcement) (quorum.Announcement, bool) {
		return a, a.Kind != quorum.Taken
	}),
	"nobody is named": telling(func(a quorum.Announcement) (quorum.Announcement, bool) {
		a.Waiter = ""
		return a, true
	}),
	"grants look like releases": telling(func(a quorum.Announcement) (quorum.Announcement, bool) {
		if a.Kind == quorum.Taken {
			a.Kind = quorum.Freed
		}
		return a, true
	}),
	"nobody can stop listening": func(n *memnode.Node, key string, tell func(quorum.Announcement)) func() {
		n.Announcements(key, tell)
		return func() {}
	},
	"listeners hear trimmed keys": func(n *memnode.Node, key string, tell func(quorum.Announcement)) func() {
		return n.Announcements(strings.Trim(key, "\x00 "), tell)
	},
	"listeners hear a neighbour too": func(n *memnode.Node, key string, tell func(quorum.Announcement)) func() {
		quiet := n.Announcements(key+"\x00", func(a quorum.Announcement) {
			if a.Kind != quorum.Listening {
				tell(a)
			}
		})
		stop := n.Announcements(key, tell)
		return func() { quiet(); stop() }
	},
}

// waiting are the twists of what a node does for those who wait, and of hand-overs.
var waiting = map[string]twist{
	"a hand-over steals": asking(func(n *memnode.Node, op *quorum.Op) {
		if op.Kind == quorum.HandOver && op.Value != "" && op.Next != op.Value {
			n.Put(op.Key, op.Value, op.TTL)
		}
	}),
	"a hand-over leaves the old value": asking(func(_ *memnode.Node, op *quorum.Op) {
		if op.Kind == quorum.HandOver {
			op.Kind = quorum.Extend
		}
	}),
	"a hand-over creates": asking(func(_ *memnode.Node, op *quorum.Op) {
		if op.Kind == quorum.HandOver && op.Next != "" && op.Next != op.Value {
			op.Kind, op.Value = quorum.Acquire, op.Next
		}
	}),
	"a hand-over keeps the rest of the TTL": asking(func(n *memnode.Node, op *quorum.Op) {
		for _, held := range n.Keys() {
			if op.Kind == quorum.HandOver && held.Key == op.Key && held.Value == op.Value {
				op.TTL = held.Remaining
			}
		}
	}),
	"a hand-over knows no limit": asking(func(_ *memnode.Node, op *quorum.Op) {
		if op.Kind == quorum.HandOver {
			op.NotAfter = 0
		}
	}),
	"a hand-over is no vote the second time": func(ctx context.Context, n *memnode.Node, batch []quorum.Op) []quorum.Answer {
		for i, op := range batch {
			for _, held := range n.Keys() {
				if op.Kind == quorum.HandOver && held.Key == op.Key && held.Value == op.Next {
					batch[i].Kind, batch[i].Value = quorum.Inspect, op.Value
				}
			}
		}
		return n.Ask(ctx, batch)
	},
	"waiters are not noted": asking(func(_ *memnode.Node, op *quorum.Op) { op.Waiter = nil }),
	"the newest is named": asking(func(_ *memnode.Node, op *quorum.Op) {
		if op.Waiter != nil {
			op.Waiter = &quorum.Waiter{ID: op.Waiter.ID, Waited: 2000*time.Hour - op.Waiter.Waited}
		}
	}),
	"waiters are named by what they waited before they were noted again": asking(func(n *memnode.Node, op *quorum.Op) {
		if op.Kind == quorum.Acquire && op.Waiter != nil { // which takes the old note off
			held := n.Keys()
			n.Put(op.Key, op.Value, time.Hour)
			n.Ask(context.Background(), []quorum.Op{{
				Kind: quorum.Acquire, Key: op.Key, Value: op.Value, TTL: time.Minute, Waiter: op.Waiter,
			}, {Kind: quorum.Release, Key: op.Key, Value: op.Value}})
			for _, h := range held {
				if h.Key == op.Key {
					n.Put(h.Key, h.Value, h.Remaining)
				}
			}
		}
	}),
	"every release announces": asking(func(_ *memnode.Node, op *quorum.Op) { op.Announce = op.Announce || op.Kind == quorum.Release }),
	"every grant announces": asking(func(_ *memnode.Node, op *quorum.Op) {
		op.Announce = op.Announce || op.Kind == quorum.Acquire
	}),
	"a release that keeps the key announces": func(ctx context.Context, n *memnode.Node, batch []quorum.Op) []quorum.Answer {
		answers := n.Ask(ctx, batch)
		for i, op := range batch {
			if op.Kind == quorum.Release && op.TTL > 0 && op.Announce && answers[i].Verdict == quorum.Mine {
				op.TTL = 0
				n.Ask(ctx, []quorum.Op{op})
				n.Put(op.Key, op.Value, time.Hour)
			}
		}
		return answers
	},
	"whoever releases is not noted": asking(func(_ *memnode.Node, op *quorum.Op) {
		if op.Kind == quorum.Release {
			op.Waiter = nil
		}
	}),
	"whoever releases is noted before": func(ctx context.Context, n *memnode.Node, batch []quorum.Op) []quorum.Answer {
		for i, op := range batch {
			if op.Kind == quorum.Release && op.Announce && op.Waiter != nil {
				n.Ask(ctx, []quorum.Op{{Kind: quorum.Acquire, Key: op.Key, Value: "nobody's", TTL: time.Minute, Waiter: op.Waiter}})
				batch[i].Waiter = nil
			}
		}
		return n.Ask(ctx, batch)
	},
	"whoever releases in vain is noted": func(ctx context.Context, n *memnode.Node, batch []quorum.Op) []quorum.Answer {
		answers := n.Ask(ctx, batch)
		for i, op := range batch {
			if op.Kind == quorum.Release && answers[i].Verdict == quorum.Other && op.Waiter != nil {
				n.Ask(ctx, []quorum.Op{{Kind: quorum.Acquire, Key: op.Key, Value: "nobody's", TTL: time.Minute, Waiter: op.Waiter}})
			}
		}
		return answers
	},
	"late acquires are noted": func(ctx context.Context, n *memnode.Node, batch []quorum.Op) []quorum.Answer {
		answers := n.Ask(ctx, batch)
		for i, op := range batch {
			if answers[i].Verdict == quorum.Late && op.Waiter != nil {
				op.NotAfter = 0
				n.Ask(ctx, []quorum.Op{op})
			}
		}
		return answers
	},
	"a hand-over takes a waiter off": func(ctx context.Context, n *memnode.Node, batch []quorum.Op) []quorum.Answer {
		answers := n.Ask(ctx, batch)
		for i, op := range batch {
			if op.Kind == quorum.HandOver && answers[i].Waiting {
				n.Ask(ctx, []quorum.Op{{Kind: quorum.Release, Key: op.Key, Value: op.Next, Announce: true}})
				n.Put(op.Key, op.Next, op.TTL)
			}
		}
		return answers
	},
	"whoever is granted the key stays noted": func(ctx context.Context, n *memnode.Node, batch []quorum.Op) []quorum.Answer {
		answers := n.Ask(ctx, batch)
		for i, op := range batch {
			if op.Kind == quorum.Acquire && op.Waiter != nil && answers[i].Verdict == quorum.Mine {
				op.Value = "nobody's"
				n.Ask(ctx, []quorum.Op{op})
			}
		}
		return answers
	},
	"answers say that nobody waits": answering(func(a *quorum.Answer) { a.Waiting = false }),
	"answers say that others wait":  answering(func(a *quorum.Answer) { a.Waiting = a.Verdict == quorum.Mine }),
	"names are cut":                 asking(func(_ *memnode.Node, op *quorum.Op) { cutName(op) }),
	"any name will do": asking(func(_ *memnode.Node, op *quorum.Op) {
		if op.Waiter != nil && strings.ContainsAny(op.Waiter.ID, " \n") {
			op.Waiter = &quorum.Waiter{ID: "any"}
		}
	}),
}

func cutName(op *quorum.Op) {
	if op.Waiter != nil && len(op.Waiter.ID) > 32 {
		op.Waiter = &quorum.Waiter{ID: op.Waiter.ID[:32], Waited: op.Waiter.Waited}
	}
}

// immortal returns a node on which waiters never die: all that it was told of is noted again before each question.
func immortal(n *memnode.Node) quorum.Node {
	noted := make(map[string]quorum.Op)
	return mutant{n, func(ctx context.Context, n *memnode.Node, batch []quorum.Op) []quorum.Answer {
		for _, op := range noted {
			n.Ask(ctx, []quorum.Op{op})
		}
		answers := n.Ask(ctx, batch)
		for i, op := range batch {
			switch id := op.Key + " " + op.Value; {
			case op.Kind == quorum.Acquire && op.Waiter != nil && answers[i].Verdict == quorum.Other:
				noted[id] = op
			case op.Kind == quorum.Release:
				clear(noted)
			}
		}
		return answers
	}}
}
