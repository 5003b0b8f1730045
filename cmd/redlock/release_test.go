package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/memnode"
	"github.com/quorumlock/quorumlock/redlock"
)

// ours is a value as this library writes it.
const ours = "0123456789012345678901.host:1"

// memoryNodes are three nodes as a release sees them, and as a test does.
func memoryNodes(t *testing.T) ([]quorum.Node, []*memnode.Node) {
	c := memory(t)
	var nodes []quorum.Node
	var inside []*memnode.Node
	for _, m := range c.machines {
		node := m.(memoryMachine).node
		nodes, inside = append(nodes, view{node}), append(inside, node)
	}
	return nodes, inside
}

func TestTakeAway(t *testing.T) {
	tests := map[string]struct {
		values   []string // by node
		deaf     int      // nodes that fail, the first ones
		outcomes string
		from     string
		done     bool
		says     string
	}{
		"held everywhere":         {[]string{ours, ours, ours}, 0, "released released released", "host:1", true, "taken away from host:1, on 3 of 3"},
		"free":                    {[]string{"", "", ""}, 0, "free free free", "", true, "was free already"},
		"by a foreign library":    {[]string{"f00", "f00", ""}, 0, "released released free", "f00", true, "taken away from f00, on 2 of 3"},
		"by two":                  {[]string{ours, "f00", ""}, 0, "released released free", "host:1 f00", true, "from host:1, f00, on 2 of 3"},
		"one node fails":          {[]string{ours, ours, ours}, 1, "error released released", "host:1", true, "on 2 of 3"},
		"two nodes of three fail": {[]string{ours, ours, ours}, 2, "error error released", "host:1", false, "may still be held: 2 of 3 nodes failed"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			nodes, inside := memoryNodes(t)
			for i, value := range tc.values {
				if value != "" {
					inside[i].Put("x", value, time.Minute)
				}
				inside[i].Put("neighbour", ours, time.Minute)
			}
			for _, node := range inside[:tc.deaf] {
				node.Refuse(errors.New("deaf"))
			}
			r := releaseOf(t, "x", nodes...)
			var outcomes []string
			for _, n := range r.Nodes {
				outcomes = append(outcomes, string(n.Outcome))
			}
			got, from := strings.Join(outcomes, " "), strings.Join(r.TakenFrom, " ")
			if got != tc.outcomes || from != tc.from || r.done() != tc.done || !strings.Contains(r.String(), tc.says) {
				t.Errorf("removal is %+v, done: %v\n%s", r, r.done(), r)
			}
			for i, node := range inside {
				if keys := node.Keys(); i >= tc.deaf && (len(keys) != 1 || keys[0].Key != "neighbour") {
					t.Errorf("node %d has %v, want the neighbour alone", i, keys)
				}
			}
		})
	}
}

// releaseOf takes a lock away from nodes, and closes them.
func releaseOf(t *testing.T, name string, nodes ...quorum.Node) removal {
	t.Helper()
	r, err := release(t.Context(), nodes, name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A meddler does something between what it is asked.
type meddler struct {
	*memnode.Node
	meddle func()
}

func (m *meddler) Ask(ctx context.Context, batch []quorum.Op) []quorum.Answer {
	answers := m.Node.Ask(ctx, batch)
	m.meddle()
	return answers
}

func (*meddler) Close() error { return nil }

func TestTakeAwaySparesWhoComesInBetween(t *testing.T) {
	_, inside := memoryNodes(t)
	node := inside[0]
	node.Put("x", ours, time.Minute)
	r := releaseOf(t, "x", &meddler{Node: node, meddle: func() { node.Put("x", "new", time.Minute) }})
	if n := r.Nodes[0]; n.Outcome != outcomeChanged || n.Holder != "new" || !strings.Contains(r.String(), "left to its new holder") {
		t.Errorf("removal is %+v:\n%s", r, r)
	}
	if keys := node.Keys(); len(keys) != 1 || keys[0].Value != "new" {
		t.Errorf("the node has %v, want what came in between", keys)
	}
}

func TestTakeAwayFindsItGone(t *testing.T) {
	_, inside := memoryNodes(t)
	node := inside[0]
	node.Put("x", ours, time.Minute)
	r := releaseOf(t, "x", &meddler{Node: node, meddle: node.Wipe})
	if r.Nodes[0].Outcome != outcomeGone || len(r.TakenFrom) != 0 {
		t.Errorf("removal is %+v", r)
	}
}

// The library has its own words for labels; this command must read what that one writes.
func TestLabelOfRealValues(t *testing.T) {
	c := memory(t)
	for _, label := range []string{"host:1", "a.b", ".", strings.Repeat("x", redlock.MaxHolderBytes)} {
		lease(t, c, label, redlock.WithHolder(label))
		var nodes []quorum.Node
		for _, m := range c.machines {
			nodes = append(nodes, view{m.(memoryMachine).node})
		}
		r := releaseOf(t, label, nodes...)
		if len(r.TakenFrom) != 1 || r.TakenFrom[0] != label {
			t.Errorf("lock of %q was taken from %q", label, r.TakenFrom)
		}
	}
}

func TestRemovalForPrograms(t *testing.T) {
	got, err := json.Marshal(newRemoval("x", []nodeRemoval{{Node: "a:1", Outcome: outcomeReleased, Holder: "h"}, {Node: "b:1", Outcome: outcomeError, Error: "no"}}))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"name":"x","taken_from":["h"],"majority":2,"nodes":[{"node":"a:1","outcome":"released","holder":"h"},{"node":"b:1","outcome":"error","error":"no"}]}`
	if string(got) != want {
		t.Errorf("document is\n%s\nwant\n%s", got, want)
	}
}
