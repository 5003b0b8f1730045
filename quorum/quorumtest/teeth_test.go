package quorumtest_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/memnode"
	"github.com/quorumlock/quorumlock/quorum/quorumtest"
)

// A twist is how a mutant answers by means of a good node.
type twist func(ctx context.Context, n *memnode.Node, batch []quorum.Op) []quorum.Answer

// A mutant is a good node that breaks one promise.
type mutant struct {
	*memnode.Node
	twist
}

func (m mutant) Ask(ctx context.Context, batch []quorum.Op) []quorum.Answer {
	return m.twist(ctx, m.Node, slices.Clone(batch))
}

// asking is the twist of what is asked, and answering that of what is answered.
func asking(change func(n *memnode.Node, op *quorum.Op)) twist {
	return func(ctx context.Context, n *memnode.Node, batch []quorum.Op) []quorum.Answer {
		for i := range batch {
			change(n, &batch[i])
		}
		return n.Ask(ctx, batch)
	}
}

func answering(change func(a *quorum.Answer)) twist {
	return func(ctx context.Context, n *memnode.Node, batch []quorum.Op) []quorum.Answer {
		answers := n.Ask(ctx, batch)
		for i := range answers {
			change(&answers[i])
		}
		return answers
	}
}

var mutants = map[string]twist{
	"an acquire steals": asking(func(n *memnode.Node, op *quorum.Op) {
		if op.Kind == quorum.Acquire {
			n.Put(op.Key, op.Value, op.TTL)
		}
	}),
	"an extend shortens": asking(func(_ *memnode.Node, op *quorum.Op) {
		if op.Kind == quorum.Extend {
			op.Kind = quorum.Release
		}
	}),
	"an extend creates": asking(func(_ *memnode.Node, op *quorum.Op) {
		if op.Kind == quorum.Extend {
			op.Kind = quorum.Acquire
		}
	}),
	"a heal only extends": asking(func(_ *memnode.Node, op *quorum.Op) {
		if op.Kind == quorum.Heal {
			op.Kind = quorum.Extend
		}
	}),
	"a release forgets its TTL": asking(func(_ *memnode.Node, op *quorum.Op) {
		if op.Kind == quorum.Release {
			op.TTL = 0
		}
	}),
	"a release with a TTL only extends": asking(func(_ *memnode.Node, op *quorum.Op) {
		if op.Kind == quorum.Release && op.TTL > 0 {
			op.Kind = quorum.Extend
		}
	}),
	"a release takes any value": asking(func(n *memnode.Node, op *quorum.Op) {
		if op.Kind == quorum.Release {
			n.Put(op.Key, op.Value, time.Hour)
		}
	}),
	"an inspection extends": asking(func(_ *memnode.Node, op *quorum.Op) {
		if op.Kind == quorum.Inspect && op.TTL > 0 {
			op.Kind = quorum.Extend
		}
	}),
	"an own value without a TTL gets one": asking(func(n *memnode.Node, op *quorum.Op) {
		for _, held := range n.Keys() {
			if held.Key == op.Key && held.Value == op.Value && held.Remaining == quorum.NoExpiry {
				n.Put(op.Key, op.Value, time.Hour)
			}
		}
	}),
	"limits are ignored": asking(func(_ *memnode.Node, op *quorum.Op) { op.NotAfter = 0 }),
	"limits are for all kinds": func(ctx context.Context, n *memnode.Node, batch []quorum.Op) []quorum.Answer {
		answers := n.Ask(ctx, batch)
		for i, op := range batch {
			if op.Kind == quorum.Extend && op.NotAfter != 0 {
				answers[i] = quorum.Answer{Verdict: quorum.Late, NodeTime: answers[i].NodeTime}
			}
		}
		return answers
	},
	"keys are trimmed":            asking(func(_ *memnode.Node, op *quorum.Op) { op.Key = strings.TrimSpace(op.Key) }),
	"values end at a NUL":         asking(func(_ *memnode.Node, op *quorum.Op) { op.Value, _, _ = strings.Cut(op.Value, "\x00") }),
	"values are made valid UTF-8": asking(func(_ *memnode.Node, op *quorum.Op) { op.Value = strings.ToValidUTF8(op.Value, "?") }),
	"fractions are rounded down":  asking(func(_ *memnode.Node, op *quorum.Op) { op.TTL = op.TTL.Truncate(time.Millisecond) }),
	"keys go early":               asking(func(_ *memnode.Node, op *quorum.Op) { op.TTL -= op.TTL / 2 }),
	"keys stay for ever":          asking(func(_ *memnode.Node, op *quorum.Op) { op.TTL *= 1000 }),
	"answers have no holder":      answering(func(a *quorum.Answer) { a.Holder = "" }),
	"answers have no node time":   answering(func(a *quorum.Answer) { a.NodeTime = 0 }),
	"the node's clock stands":     answering(func(a *quorum.Answer) { a.NodeTime = min(a.NodeTime, 30*365*24*time.Hour) }),
	"answers say nothing is left": answering(func(a *quorum.Answer) { a.Remaining = 0 }),
	"failures have no error":      answering(func(a *quorum.Answer) { a.Err = nil }),
	"no expiry is a long one":     answering(func(a *quorum.Answer) { a.Remaining = min(a.Remaining, 24*time.Hour) }),
	"answers come in reverse": func(ctx context.Context, n *memnode.Node, batch []quorum.Op) []quorum.Answer {
		answers := n.Ask(ctx, batch)
		slices.Reverse(answers)
		return answers
	},
	"one bad operation spoils the batch": func(ctx context.Context, n *memnode.Node, batch []quorum.Op) []quorum.Answer {
		answers := n.Ask(ctx, batch)
		if slices.ContainsFunc(answers, func(a quorum.Answer) bool { return !a.Answered() }) {
			for i := range answers {
				answers[i] = quorum.Answer{Err: errors.New("spoiled")}
			}
		}
		return answers
	},
	"an ended context is ignored": func(_ context.Context, n *memnode.Node, batch []quorum.Op) []quorum.Answer {
		return n.Ask(context.Background(), batch)
	},
	"large batches are cut": func(ctx context.Context, n *memnode.Node, batch []quorum.Op) []quorum.Answer {
		return n.Ask(ctx, batch[:min(len(batch), 100)])
	},
}

// everyMutant returns how to make each of them of a good node.
func everyMutant() map[string]func(*memnode.Node) quorum.Node {
	all := map[string]func(*memnode.Node) quorum.Node{
		"waiters never die": immortal, "keys share a counter": sharing, "forgotten numbers come back": forgetful,
	}
	for name, how := range mutants {
		all[name] = func(n *memnode.Node) quorum.Node { return mutant{n, how} }
	}
	for name, how := range tokens {
		all[name] = func(n *memnode.Node) quorum.Node { return mutant{n, how} }
	}
	for name, how := range waiting {
		all[name] = func(n *memnode.Node) quorum.Node { return mutant{n, how} }
	}
	for name, how := range listenings {
		all[name] = func(n *memnode.Node) quorum.Node { return deafMutant{n, how} }
	}
	return all
}

// judged is the environment variable under which the test binary runs the suite on the mutants, and
// fails.
const judged = "QUORUMTEST_MUTANTS"

// TestEveryMutantIsCaught runs the suite in another process, where it may fail, and demands that it
// does for each mutant.
func TestEveryMutantIsCaught(t *testing.T) {
	if os.Getenv(judged) != "" {
		for name, change := range everyMutant() {
			t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) { judge(t, change) })
		}
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestEveryMutantIsCaught$")
	cmd.Env = append(os.Environ(), judged+"=1")
	out, _ := cmd.CombinedOutput() // it fails, if all is well
	for name := range everyMutant() {
		if verdict := "--- FAIL: TestEveryMutantIsCaught/" + strings.ReplaceAll(name, " ", "_") + " "; !strings.Contains(string(out), verdict) {
			t.Errorf("a node of which %s passes the suite", name)
		}
	}
	if t.Failed() {
		t.Logf("output:\n%s", out)
	}
}

func judge(t *testing.T, change func(*memnode.Node) quorum.Node) {
	quorumtest.Conformance(t, func(t *testing.T) quorumtest.Fixture {
		clk := clock.Process()
		node := memnode.New("mem-1", clk)
		t.Cleanup(func() { node.Close() })
		return quorumtest.Fixture{
			Node: change(node), Clock: clk, Wipe: node.Wipe,
			Plant: func(key, value string) { node.Put(key, value, 0) },
		}
	}, quorumtest.InBubbles())
}
