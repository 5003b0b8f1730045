package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/quorumlock/quorumlock/redlock"
)

type statusCmd struct {
	nodesFlag
	jsonFlag
	Name string `arg:"" help:"Name of the lock."`
}

// Help is what --help adds.
func (statusCmd) Help() string {
	return `Every node is asked once, and shown with what it keeps. Then a line says what that means. It is out of date as soon as it is read: it is for people, and decides nothing.

Exit code: 0 if it can be told whether somebody holds the lock, and 75 if not, since too many nodes failed to answer.

Examples:

    redlock status --nodes 10.0.0.1:6379,10.0.0.2:6379,10.0.0.3:6379 deploy
    redlock status --json deploy | jq -r .holder

The JSON document has: name, verdict (held, free, contended: nobody has a majority but it is not free, or unknown), holder and remaining_ms (left out if that is for ever) if it is held, majority, nodes (a list of {node, state, holder, remaining_ms, error}, where state is held, free or error).`
}

// Run asks the nodes and shows what they say.
func (c statusCmd) Run(w *world) error {
	nodes, err := c.open()
	if err != nil {
		return err
	}
	locker, err := onlooker(nodes)
	if err != nil {
		return err
	}
	defer locker.Close() //nolint:errcheck // nothing was changed that could be left
	status, err := locker.Status(w.ctx, c.Name)
	if err != nil && !errors.Is(err, redlock.ErrNoQuorum) {
		return err
	}
	o := newOutlook(status)
	if c.JSON {
		err = writeJSON(w.stdout, newStatusDocument(status, o))
	} else {
		err = writeStatus(w.stdout, status, o)
	}
	if err == nil && o.verdict == verdictUnknown {
		return exitWith(exitNotAcquired, nil)
	}
	return err
}

// A verdict is what the answers of all nodes mean together.
type verdict string

const (
	verdictHeld      verdict = "held"
	verdictFree      verdict = "free"
	verdictContended verdict = "contended"
	verdictUnknown   verdict = "unknown"
)

// An outlook is a verdict and what it rests on.
type outlook struct {
	verdict  verdict
	majority int
	total    int
	holding  int // nodes that keep it for the holder, if it is held, or for whoever has most
	free     int
	failed   int
}

// newOutlook judges. The lock is free only if the silent nodes could not make somebody its holder.
func newOutlook(s redlock.Status) outlook {
	o := outlook{total: len(s.Nodes), majority: len(s.Nodes)/2 + 1}
	holding := make(map[string]int)
	for _, node := range s.Nodes {
		switch {
		case node.Err != nil:
			o.failed++
		case node.Held:
			holding[node.Holder]++
			o.holding = max(o.holding, holding[node.Holder])
		default:
			o.free++
		}
	}
	switch {
	case s.Held:
		o.verdict, o.holding = verdictHeld, holding[s.Holder]
	case o.holding+o.failed >= o.majority:
		o.verdict = verdictUnknown
	case o.free >= o.majority:
		o.verdict = verdictFree
	default:
		o.verdict = verdictContended
	}
	return o
}

// writeStatus writes the table, and what it means.
func writeStatus(out io.Writer, s redlock.Status, o outlook) error {
	t := table{{"NODE", "STATE", "HOLDER", "REMAINING", "REASON"}}
	for _, node := range s.Nodes {
		t = append(t, statusRow(node))
	}
	_, err := fmt.Fprintf(out, "%s\n%s\n", t, o.sentence(s))
	return err
}

func statusRow(node redlock.NodeStatus) []string {
	switch {
	case node.Err != nil:
		return []string{node.Node, "error", "", "", reason(node.Err)}
	case node.Held:
		return []string{node.Node, "held", printable(node.Holder), remaining(node.Remaining)}
	}
	return []string{node.Node, "free"}
}

// sentence is the verdict in words.
func (o outlook) sentence(s redlock.Status) string {
	switch o.verdict {
	case verdictHeld:
		return fmt.Sprintf("%q is held by %s: %d of %d nodes, of which %d are enough. Time left: %s, unless it is renewed.",
			redact(s.Name), someone(s.Holder), o.holding, o.total, o.majority, remaining(s.Remaining))
	case verdictFree:
		return fmt.Sprintf("%q is free: %d of %d nodes say so, and %d are enough.", redact(s.Name), o.free, o.total, o.majority)
	case verdictContended:
		return fmt.Sprintf("%q is held by nobody, and not free either: nobody has the %d of %d nodes that are enough.",
			redact(s.Name), o.majority, o.total)
	}
	return fmt.Sprintf("Whether %q is held cannot be told: %d of %d nodes failed to say.", redact(s.Name), o.failed, o.total)
}

// remaining is a time left, as shown.
func remaining(d time.Duration) string {
	if d < 0 {
		return "for ever"
	}
	return fmt.Sprintf("%.1fs", d.Seconds())
}

// A statusDocument is the document of --json.
type statusDocument struct {
	Name      string         `json:"name"`
	Verdict   verdict        `json:"verdict"`
	Holder    string         `json:"holder,omitempty"`
	Remaining *ms            `json:"remaining_ms,omitempty"`
	Majority  int            `json:"majority"`
	Nodes     []nodeDocument `json:"nodes"`
}

type nodeDocument struct {
	Node      string `json:"node"`
	State     string `json:"state"`
	Holder    string `json:"holder,omitempty"`
	Remaining *ms    `json:"remaining_ms,omitempty"`
	Error     string `json:"error,omitempty"`
}

func newStatusDocument(s redlock.Status, o outlook) statusDocument {
	d := statusDocument{Name: s.Name, Verdict: o.verdict, Majority: o.majority, Nodes: []nodeDocument{}}
	if o.verdict == verdictHeld {
		d.Holder, d.Remaining = s.Holder, finite(s.Remaining)
	}
	for _, node := range s.Nodes {
		n := nodeDocument{Node: node.Node, State: statusRow(node)[1]}
		if node.Held {
			n.Holder, n.Remaining = node.Holder, finite(node.Remaining)
		}
		if node.Err != nil {
			n.Error = reason(node.Err)
		}
		d.Nodes = append(d.Nodes, n)
	}
	return d
}

// finite is a time left in JSON: nothing, for one that does not end.
func finite(d time.Duration) *ms {
	if d < 0 {
		return nil
	}
	m := ms(d)
	return &m
}
