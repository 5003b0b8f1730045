package redlock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/quorumlock/quorumlock/quorum"
)

// A Status is what the nodes say about a lock. It is out of date as soon as it is read: it shows people
// who holds what, and decides nothing.
type Status struct {
	Name string
	// Held reports whether one owner has a majority of the nodes.
	Held bool
	// Holder is that owner's label, or its raw value if another library wrote it.
	Holder string
	// Ticket resumes that owner's lease; see [Locker.Resume]. It is empty if nobody holds the lock. Whoever
	// can read the nodes can so take a lock over: do not show it to those who must not.
	Ticket string
	// Remaining is how long that owner keeps its majority if it does not extend. It is negative if that
	// is for ever, since keys have no TTL.
	Remaining time.Duration
	// Nodes is what each node says.
	Nodes []NodeStatus
}

// A NodeStatus is what one node says about a lock.
type NodeStatus struct {
	Node string
	// Held reports whether the node has the key.
	Held bool
	// Holder is its owner's label, or its raw value if another library wrote it.
	Holder string
	// Value is what the node keeps under the key.
	Value string
	// Remaining is how long the node keeps the key; negative if it has no TTL.
	Remaining time.Duration
	// Err is why the node did not answer. It is a [*NodeError].
	Err error
}

// Status asks every node who has the lock called name, and waits for them all for one node timeout at
// most. With too few answers it returns [ErrNoQuorum] along with what it knows.
func (l *Locker) Status(ctx context.Context, name string) (Status, error) {
	a, err := l.request(ctx, name, nil)
	if err != nil {
		return Status{}, err
	}
	answers, err := l.engine.Inspect(ctx, l.keyOf(name), a.terms().Timeout)
	if err != nil {
		return Status{}, l.fromEngine(name, err)
	}
	status := Status{Name: name}
	var failed []error
	for _, answer := range answers {
		node := nodeStatus(answer)
		status.Nodes = append(status.Nodes, node)
		if node.Err != nil {
			failed = append(failed, node.Err)
		}
	}
	l.judge(&status)
	if q := quorum.Majority(len(answers)); len(answers)-len(failed) < q {
		return status, fmt.Errorf("%w for %q: %d of the %d nodes needed have answered: %w",
			ErrNoQuorum, name, len(answers)-len(failed), q, errors.Join(failed...))
	}
	return status, nil
}

func nodeStatus(answer quorum.NodeAnswer) NodeStatus {
	node := NodeStatus{Node: answer.Node}
	switch answer.Verdict {
	case quorum.Other, quorum.Mine:
		node.Held = true
		node.Value = answer.Holder
		node.Holder = holderLabel(answer.Holder)
		node.Remaining = answer.Remaining
		if answer.Remaining == quorum.NoExpiry {
			node.Remaining = -1
		}
	case quorum.Failed:
		node.Err = answer.Err
	}
	return node
}

// judge fills in who has a majority, and for how long.
func (l *Locker) judge(status *Status) {
	q := quorum.Majority(len(status.Nodes))
	left := make(map[string][]time.Duration)
	for _, node := range status.Nodes {
		if node.Held {
			left[node.Value] = append(left[node.Value], node.Remaining)
		}
	}
	for value, times := range left {
		if len(times) < q {
			continue
		}
		// The majority ends when the q-th longest does; a key without TTL outlasts all others.
		slices.SortFunc(times, func(a, b time.Duration) int {
			return compareUnsigned(b, a)
		})
		status.Held = true
		status.Holder = holderLabel(value)
		status.Ticket = newTicket(0, l.keyOf(status.Name), value)
		status.Remaining = times[q-1]
	}
}

// compareUnsigned orders durations with the negative ones, "for ever", last.
func compareUnsigned(a, b time.Duration) int {
	switch {
	case uint64(a) < uint64(b):
		return -1
	case uint64(a) > uint64(b):
		return 1
	}
	return 0
}
