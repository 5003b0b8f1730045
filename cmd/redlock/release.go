package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/redlock"
)

type releaseCmd struct {
	nodesFlag
	Force bool `help:"Really do it. Without it, nothing is changed."`
	jsonFlag
	Name string `arg:"" help:"Name of the lock."`
}

// Help is what --help adds.
func (releaseCmd) Help() string {
	return `Every node is asked what it keeps, and told to remove exactly that. An owner who comes in between is not touched. The holder is not asked: it notices with its next renewal, within a third of its TTL, and until then works without the lock, possibly at the same time as the next holder. A lock whose holder has died is better left alone: it ends by itself, at its TTL.

Exit code: 0 if the lock was taken away, or nobody had it, on a majority of the nodes; 75 if too few nodes answered: what they keep ends at its TTL.

Examples:

    redlock release --force deploy
    redlock release --force --json deploy

The JSON document has: name, taken_from (a list of holders), majority, nodes (a list of {node, outcome, holder, error}, where outcome is released, free, gone: it ended meanwhile, changed: somebody else, who is named, took it meanwhile and keeps it, or error).`
}

// Run takes the lock away.
func (c releaseCmd) Run(w *world) error {
	if !c.Force {
		return exitWith(exitUsage, fmt.Errorf(
			"release takes %q away from whoever holds it, who is not asked and may work on for a while; "+
				"if that is wanted, add --force", c.Name))
	}
	nodes, err := c.open()
	if err != nil {
		return err
	}
	r, err := release(w.ctx, nodes, c.Name)
	if err != nil {
		return err
	}
	return c.report(w.stdout, r)
}

// release takes the lock away, and closes the nodes.
func release(ctx context.Context, nodes []quorum.Node, name string) (removal, error) {
	locker, err := onlooker(nodes)
	if err != nil {
		return removal{}, err
	}
	defer locker.Close() //nolint:errcheck // nothing of it is left on the nodes
	removals, err := takeAway(ctx, locker, nodes, name)
	return newRemoval(name, removals), err
}

func (c releaseCmd) report(out io.Writer, r removal) error {
	var err error
	if c.JSON {
		err = writeJSON(out, r)
	} else {
		_, err = fmt.Fprint(out, r)
	}
	if err == nil && !r.done() {
		return exitWith(exitNotAcquired, nil)
	}
	return err
}

// A nodeOutcome is what happened on one node.
type nodeOutcome string

const (
	outcomeReleased nodeOutcome = "released"
	outcomeFree     nodeOutcome = "free"
	outcomeGone     nodeOutcome = "gone"
	outcomeChanged  nodeOutcome = "changed"
	outcomeError    nodeOutcome = "error"
)

// A nodeRemoval is what happened on one node, with the holder that it was taken from, or that has it.
type nodeRemoval struct {
	Node    string      `json:"node"`
	Outcome nodeOutcome `json:"outcome"`
	Holder  string      `json:"holder,omitempty"`
	Error   string      `json:"error,omitempty"`
}

// takeAway removes what the nodes of the Locker keep of the lock, from all at once.
func takeAway(ctx context.Context, locker *redlock.Locker, nodes []quorum.Node, name string) ([]nodeRemoval, error) {
	found, err := inspect(ctx, locker, name)
	if err != nil {
		return nil, err
	}
	removals := make([]nodeRemoval, len(nodes))
	var asked sync.WaitGroup
	for i, node := range nodes {
		asked.Go(func() { removals[i] = takeFrom(ctx, node, name, found[i]) })
	}
	asked.Wait()
	nameSuccessors(ctx, locker, name, removals)
	return removals, nil
}

// inspect returns what each node says, in the order of the Locker's nodes. That too few answer is seen there.
func inspect(ctx context.Context, locker *redlock.Locker, name string) ([]redlock.NodeStatus, error) {
	status, err := locker.Status(ctx, name)
	if err != nil && !errors.Is(err, redlock.ErrNoQuorum) {
		return nil, err
	}
	return status.Nodes, nil
}

// takeFrom removes what was found on a node, and nothing else.
func takeFrom(ctx context.Context, node quorum.Node, name string, found redlock.NodeStatus) nodeRemoval {
	r := nodeRemoval{Node: found.Node, Outcome: outcomeFree, Holder: found.Holder}
	switch {
	case found.Err != nil:
		return r.failed(found.Err)
	case !found.Held:
		return r
	}
	ctx, cancel := context.WithTimeout(ctx, removalTimeout)
	defer cancel()
	op := quorum.Op{Kind: quorum.Release, Key: name, Value: found.Value}
	switch left := node.Ask(ctx, []quorum.Op{op})[0]; left.Verdict {
	case quorum.Mine:
		r.Outcome = outcomeReleased
	case quorum.Other:
		r.Outcome, r.Holder = outcomeChanged, ""
	case quorum.Failed:
		return r.failed(left.Err)
	default:
		r.Outcome = outcomeGone
	}
	return r
}

// removalTimeout is how long a node has to remove what it was found to keep.
const removalTimeout = time.Second

// nameSuccessors asks the nodes once more if somebody else took the lock in between, for that one's name.
func nameSuccessors(ctx context.Context, locker *redlock.Locker, name string, removals []nodeRemoval) {
	changed := func(r nodeRemoval) bool { return r.Outcome == outcomeChanged }
	if !slices.ContainsFunc(removals, changed) {
		return
	}
	found, _ := inspect(ctx, locker, name) // without it they stay nameless
	for i, node := range found {
		if changed(removals[i]) {
			removals[i].Holder = node.Holder
		}
	}
}

func (r nodeRemoval) failed(err error) nodeRemoval {
	r.Outcome, r.Error = outcomeError, reason(err)
	return r
}

// A removal is what happened on all nodes, and the document of --json.
type removal struct {
	Name      string        `json:"name"`
	TakenFrom []string      `json:"taken_from"`
	Majority  int           `json:"majority"`
	Nodes     []nodeRemoval `json:"nodes"`
}

func newRemoval(name string, nodes []nodeRemoval) removal {
	r := removal{Name: name, TakenFrom: []string{}, Majority: len(nodes)/2 + 1, Nodes: nodes}
	for _, n := range nodes {
		if n.Outcome == outcomeReleased && !slices.Contains(r.TakenFrom, n.Holder) {
			r.TakenFrom = append(r.TakenFrom, n.Holder)
		}
	}
	return r
}

func (r removal) count(outcomes ...nodeOutcome) int {
	count := 0
	for _, n := range r.Nodes {
		if slices.Contains(outcomes, n.Outcome) {
			count++
		}
	}
	return count
}

// done reports whether nobody who had the lock before can still have a majority.
func (r removal) done() bool { return r.count(outcomeError) < r.Majority }

// String is a table and what it means.
func (r removal) String() string {
	t := table{{"NODE", "OUTCOME", "HOLDER", "REASON"}}
	for _, n := range r.Nodes {
		t = append(t, []string{n.Node, string(n.Outcome), printable(n.Holder), n.Error})
	}
	return fmt.Sprintf("%s\n%s\n", t, r.sentence())
}

func (r removal) sentence() string {
	released, total := r.count(outcomeReleased), len(r.Nodes)
	from := make([]string, len(r.TakenFrom))
	for i, holder := range r.TakenFrom {
		from[i] = someone(holder)
	}
	switch {
	case !r.done():
		return fmt.Sprintf("%q may still be held: %d of %d nodes failed, and keep what they have until its TTL.",
			redact(r.Name), r.count(outcomeError), total)
	case released > 0:
		return fmt.Sprintf("%q was taken away from %s, on %d of %d nodes.", redact(r.Name), strings.Join(from, ", "), released, total)
	case r.count(outcomeChanged) > 0:
		return fmt.Sprintf("%q has just changed hands, and was left to its new holder.", redact(r.Name))
	}
	return fmt.Sprintf("%q was free already.", redact(r.Name))
}
