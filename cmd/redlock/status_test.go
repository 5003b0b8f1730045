package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/redlock"
)

var (
	free   = redlock.NodeStatus{Node: "n"}
	failed = redlock.NodeStatus{Node: "n", Err: errors.New("refused")}
)

func heldBy(holder string) redlock.NodeStatus {
	return redlock.NodeStatus{Node: "n", Held: true, Holder: holder, Remaining: 1500 * time.Millisecond}
}

func TestOutlook(t *testing.T) {
	type nodes = []redlock.NodeStatus
	a, b := heldBy("a"), heldBy("b")
	tests := map[string]struct {
		nodes  nodes
		holder string // of a majority
		want   verdict
	}{
		"all nodes free":                                  {nodes{free, free, free}, "", verdictFree},
		"a majority free, one silent":                     {nodes{free, free, failed}, "", verdictFree},
		"all nodes held":                                  {nodes{a, a, a}, "a", verdictHeld},
		"a majority held, the rest silent":                {nodes{a, a, failed}, "a", verdictHeld},
		"a leftover":                                      {nodes{a, free, free}, "", verdictFree},
		"everybody has one":                               {nodes{a, b, heldBy("c")}, "", verdictContended},
		"two of five each":                                {nodes{a, a, b, b, free}, "", verdictContended},
		"a leftover and a silent node could be a holder":  {nodes{a, free, failed}, "", verdictUnknown},
		"two leftovers and a silent node of five as well": {nodes{a, a, free, free, failed}, "", verdictUnknown},
		"one leftover and a silent node of five are not":  {nodes{a, free, free, free, failed}, "", verdictFree},
		"a majority silent":                               {nodes{free, failed, failed}, "", verdictUnknown},
		"all silent":                                      {nodes{failed, failed, failed}, "", verdictUnknown},
		"half of an even number free":                     {nodes{free, free, a, a}, "", verdictContended},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := newOutlook(redlock.Status{Nodes: tc.nodes, Held: tc.holder != "", Holder: tc.holder})
			if got.verdict != tc.want {
				t.Errorf("outlook is %+v, want %s", got, tc.want)
			}
		})
	}
}

// exampleStatus is a lock that one owner has, with a node of each kind.
func exampleStatus() redlock.Status {
	forever := heldBy("host:\x1b1")
	forever.Remaining = -1
	return redlock.Status{
		Name: "deploy", Held: true, Holder: "host:1", Remaining: 1500 * time.Millisecond,
		Nodes: []redlock.NodeStatus{heldBy("host:1"), heldBy("host:1"), heldBy("host:1"), forever, failed},
	}
}

func TestStatusForPeople(t *testing.T) {
	var out strings.Builder
	p := exampleStatus()
	if err := writeStatus(&out, p, newOutlook(p)); err != nil {
		t.Fatal(err)
	}
	want := `NODE  STATE  HOLDER        REMAINING  REASON
n     held   host:1        1.5s
n     held   host:1        1.5s
n     held   host:1        1.5s
n     held   "host:\x1b1"  for ever
n     error                           refused

"deploy" is held by host:1: 3 of 5 nodes, of which 3 are enough. Time left: 1.5s, unless it is renewed.
`
	if out.String() != want {
		t.Errorf("status is\n%swant\n%s", out.String(), want)
	}
}

func TestStatusForPrograms(t *testing.T) {
	p := exampleStatus()
	got, err := json.Marshal(newStatusDocument(p, newOutlook(p)))
	if err != nil {
		t.Fatal(err)
	}
	const held = `{"node":"n","state":"held","holder":"host:1","remaining_ms":1500}`
	want := `{"name":"deploy","verdict":"held","holder":"host:1","remaining_ms":1500,"majority":3,"nodes":[` +
		held + "," + held + "," + held + `,{"node":"n","state":"held","holder":"host:\u001b1"},` +
		`{"node":"n","state":"error","error":"refused"}]}`
	if string(got) != want {
		t.Errorf("document is\n%s\nwant\n%s", got, want)
	}
}
