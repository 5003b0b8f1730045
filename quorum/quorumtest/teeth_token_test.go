package quorumtest_test

import (
	"context"
	"slices"
	"time"

	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/memnode"
)

// hinted reports whether the operation asks for a number.
func hinted(op quorum.Op) bool {
	return op.Hint > 0 && (op.Kind == quorum.Acquire || op.Kind == quorum.HandOver)
}

// numbering is the twist of operations with numbers.
func numbering(change func(n *memnode.Node, op *quorum.Op)) twist {
	return asking(func(n *memnode.Node, op *quorum.Op) {
		if hinted(*op) || op.Kind == quorum.Raise {
			change(n, op)
		}
	})
}

// numberingOf is that of one kind.
func numberingOf(kind quorum.Kind, change func(n *memnode.Node, op *quorum.Op)) twist {
	return numbering(func(n *memnode.Node, op *quorum.Op) {
		if op.Kind == kind {
			change(n, op)
		}
	})
}

// numbered is the twist of the numbers in answers.
func numbered(change func(token uint64) uint64) twist {
	return answering(func(a *quorum.Answer) {
		if a.Token > 0 {
			a.Token = change(a.Token)
		}
	})
}

// afterwards is the twist that does something to the node when it has answered an operation with a number.
func afterwards(do func(n *memnode.Node, op quorum.Op, a *quorum.Answer)) twist {
	return func(ctx context.Context, n *memnode.Node, batch []quorum.Op) []quorum.Answer {
		answers := make([]quorum.Answer, len(batch))
		for i, op := range batch {
			answers[i] = n.Ask(ctx, []quorum.Op{op})[0]
			if hinted(op) || op.Kind == quorum.Raise {
				do(n, op, &answers[i])
			}
		}
		return answers
	}
}

// holder returns the value under the key, or "".
func holder(n *memnode.Node, key string) string {
	keys := n.Keys()
	if i := slices.IndexFunc(keys, func(h memnode.Held) bool { return h.Key == key }); i >= 0 {
		return keys[i].Value
	}
	return ""
}

// raise raises the counter of a key that is held by some value, and returns it.
func raise(n *memnode.Node, key string, by uint64) uint64 {
	op := quorum.Op{Kind: quorum.Raise, Key: key, Value: holder(n, key), Token: 1, MaxTTL: time.Millisecond}
	if op.Value == "" {
		return 0
	}
	op.Token = n.Ask(context.Background(), []quorum.Op{op})[0].Token + by
	return n.Ask(context.Background(), []quorum.Op{op})[0].Token
}

// tokens are the twists of numbers.
var tokens = map[string]twist{
	"grants have no number":              numbered(func(uint64) uint64 { return 0 }),
	"numbers repeat":                     numbered(func(token uint64) uint64 { return token &^ 1 }),
	"numbers are floats":                 numbered(func(token uint64) uint64 { return uint64(float32(token)) }),
	"numbers are printed with 14 digits": numbered(func(token uint64) uint64 { return token - token%(1+token/100_000_000_000_000) }),
	"hints are not taken":                numbering(func(_ *memnode.Node, op *quorum.Op) { op.Hint = min(op.Hint, 1) }),
	"too large hints are cut":            numbering(func(_ *memnode.Node, op *quorum.Op) { op.Hint = min(op.Hint, quorum.MaxToken-1) }),
	"too large tokens are cut":           numbering(func(_ *memnode.Node, op *quorum.Op) { op.Token = min(op.Token, quorum.MaxToken-1) }),
	"any MaxTTL will do":                 numbering(func(_ *memnode.Node, op *quorum.Op) { op.MaxTTL = max(op.MaxTTL, time.Second) }),
	"a hand-over is not numbered":        numberingOf(quorum.HandOver, func(_ *memnode.Node, op *quorum.Op) { op.Hint = 0 }),
	"a raise only looks":                 numberingOf(quorum.Raise, func(_ *memnode.Node, op *quorum.Op) { op.Token = min(op.Token, 1) }),
	"a raise steals": numberingOf(quorum.Raise, func(n *memnode.Node, op *quorum.Op) {
		if h := holder(n, op.Key); h != "" && op.Value != "" {
			op.Value = h
		}
	}),
	"a raise creates": numberingOf(quorum.Raise, func(n *memnode.Node, op *quorum.Op) {
		if holder(n, op.Key) == "" && op.Value != "" {
			n.Put(op.Key, op.Value, time.Minute)
		}
	}),
	"a raise has a limit": func(ctx context.Context, n *memnode.Node, batch []quorum.Op) []quorum.Answer {
		answers := n.Ask(ctx, batch)
		for i, op := range batch {
			if op.Kind == quorum.Raise && op.NotAfter != 0 {
				answers[i] = quorum.Answer{Verdict: quorum.Late, NodeTime: n.Time()}
			}
		}
		return answers
	},
	"a raise lengthens": afterwards(func(n *memnode.Node, op quorum.Op, _ *quorum.Answer) {
		if op.Kind == quorum.Raise && op.TTL > 0 {
			op.Kind = quorum.Extend
			n.Ask(context.Background(), []quorum.Op{op})
		}
	}),
	"a raise says what it was asked for": afterwards(func(_ *memnode.Node, op quorum.Op, a *quorum.Answer) {
		if op.Kind == quorum.Raise && a.Verdict == quorum.Mine {
			a.Token = op.Token
		}
	}),
	"a raise goes one further": afterwards(func(n *memnode.Node, op quorum.Op, a *quorum.Answer) {
		if op.Kind == quorum.Raise && a.Verdict == quorum.Mine {
			raise(n, op.Key, 1)
		}
	}),
	"a hint from the future is believed": afterwards(func(n *memnode.Node, op quorum.Op, a *quorum.Answer) {
		if a.Verdict == quorum.Mine && op.Hint > a.Token {
			a.Token = raise(n, op.Key, op.Hint-a.Token)
		}
	}),
	"refused acquires are numbered": afterwards(func(n *memnode.Node, op quorum.Op, a *quorum.Answer) {
		if a.Verdict == quorum.Other && op.Kind == quorum.Acquire {
			raise(n, op.Key, 1)
		}
	}),
	"refused raises are carried out": afterwards(func(n *memnode.Node, op quorum.Op, a *quorum.Answer) {
		if a.Verdict == quorum.Other && op.Kind == quorum.Raise {
			raise(n, op.Key, 1)
		}
	}),
	"refused hand-overs are numbered": afterwards(func(n *memnode.Node, op quorum.Op, a *quorum.Answer) {
		if a.Verdict == quorum.Other && op.Kind == quorum.HandOver {
			raise(n, op.Key, 1)
		}
	}),
	"late ones are numbered": afterwards(func(n *memnode.Node, op quorum.Op, a *quorum.Answer) {
		if a.Verdict == quorum.Late {
			raise(n, op.Key, 1)
		}
	}),
	"a failed grant is left": afterwards(func(n *memnode.Node, op quorum.Op, a *quorum.Answer) {
		if a.Verdict == quorum.Failed && op.Kind == quorum.Acquire && holder(n, op.Key) == "" && op.Hint < quorum.MaxToken && op.MaxTTL >= time.Millisecond {
			n.Put(op.Key, op.Value, op.TTL)
		}
	}),
	"a failed hand-over is left": afterwards(func(n *memnode.Node, op quorum.Op, a *quorum.Answer) {
		if a.Verdict == quorum.Failed && op.Kind == quorum.HandOver && holder(n, op.Key) == op.Value && op.Hint < quorum.MaxToken {
			n.Put(op.Key, op.Next, op.TTL)
		}
	}),
	"a value that is there is numbered again": numbering(func(n *memnode.Node, op *quorum.Op) {
		if op.Kind == quorum.Acquire && op.Value == holder(n, op.Key) {
			raise(n, op.Key, 1)
		}
	}),
	"a next value that is there is numbered again": numbering(func(n *memnode.Node, op *quorum.Op) {
		if op.Kind == quorum.HandOver && op.Next == holder(n, op.Key) {
			raise(n, op.Key, 1)
		}
	}),
	"who asks for no number spends one": asking(func(n *memnode.Node, op *quorum.Op) {
		if op.Kind == quorum.Release && op.Value == holder(n, op.Key) {
			raise(n, op.Key, 1)
		}
	}),
	"a heal is numbered": asking(func(_ *memnode.Node, op *quorum.Op) {
		if op.Kind == quorum.Heal {
			op.Kind = quorum.Acquire
		}
	}),
	"counters go with their locks": numberingOf(quorum.Acquire, func(n *memnode.Node, op *quorum.Op) {
		if len(n.Keys()) == 0 {
			n.Wipe()
		}
	}),
	"the last number of a batch goes to all": func(ctx context.Context, n *memnode.Node, batch []quorum.Op) []quorum.Answer {
		answers := n.Ask(ctx, batch)
		for i := len(answers) - 2; i >= 0; i-- {
			if answers[i].Token > 0 && answers[i+1].Token > 0 {
				answers[i].Token = answers[i+1].Token
			}
		}
		return answers
	},
	"waiters get no number": numbering(func(_ *memnode.Node, op *quorum.Op) {
		if op.Waiter != nil {
			op.Hint = 0
		}
	}),
}

// sharing returns a node on which all keys have one counter.
func sharing(n *memnode.Node) quorum.Node {
	last := uint64(0)
	return mutant{n, func(ctx context.Context, n *memnode.Node, batch []quorum.Op) []quorum.Answer {
		for i := range batch {
			if op := &batch[i]; hinted(*op) && op.Hint < quorum.MaxToken && holder(n, op.Key) == "" {
				op.Hint = max(op.Hint, last+1)
			}
		}
		answers := n.Ask(ctx, batch)
		for _, a := range answers {
			last = min(max(last, a.Token), quorum.MaxToken-2)
		}
		return answers
	}}
}

// forgetful returns a node that keeps nothing of counters which are forgotten.
func forgetful(n *memnode.Node) quorum.Node {
	var raised time.Duration
	return mutant{n, func(ctx context.Context, n *memnode.Node, batch []quorum.Op) []quorum.Answer {
		for _, op := range batch {
			if hinted(op) && n.Time()-raised > quorum.CounterLives*op.MaxTTL {
				n.Wipe()
			}
			if hinted(op) {
				raised = n.Time()
			}
		}
		return n.Ask(ctx, batch)
	}}
}
