package quorum_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/quorumlock/quorumlock/quorum"
)

func TestMissErrorText(t *testing.T) {
	refused := &quorum.NodeError{Node: "n2", Err: errors.New("connection refused")}
	auth := &quorum.NodeError{Node: "n3", Code: "NOAUTH", Permanent: true, Err: errors.New("NOAUTH authentication required")}
	tests := map[string]struct {
		err  quorum.MissError
		want string
	}{
		"held": {
			quorum.MissError{Why: quorum.Held, Holder: "secret value", Size: 3, Need: 2},
			"another value is on a majority of the nodes", // whose it is, is not for logs
		},
		"split": {quorum.MissError{Why: quorum.Split}, "no value has a majority of the nodes"},
		"slow": {
			quorum.MissError{Why: quorum.Slow, Left: 1500 * ms},
			"the votes came so late that 1.5s of validity were left",
		},
		"gone": {quorum.MissError{Why: quorum.Gone}, "too few nodes still hold the value"},
		"silent": {
			quorum.MissError{Why: quorum.Silent, Size: 3, Need: 2, Nodes: []*quorum.NodeError{refused, auth}},
			"2 of 3 nodes have failed to answer, and 2 are needed; node n2: connection refused; node n3: NOAUTH authentication required",
		},
		"held, with a failure": {
			quorum.MissError{Why: quorum.Held, Nodes: []*quorum.NodeError{refused}},
			"another value is on a majority of the nodes; node n2: connection refused",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tc.err.Error(); got != tc.want {
				t.Errorf("Error() = %q, want %q", got, tc.want)
			}
		})
	}
}

// Every node's reason can be reached through the miss, also through one more layer.
func TestMissErrorUnwraps(t *testing.T) {
	cause := errors.New("no route to host")
	miss := &quorum.MissError{Nodes: []*quorum.NodeError{
		{Node: "n1", Err: errors.New("other")},
		{Node: "n2", Code: "NOPERM", Err: fmt.Errorf("dial: %w", cause)},
	}}
	wrapped := fmt.Errorf("acquiring: %w", miss)
	if !errors.Is(wrapped, cause) {
		t.Errorf("errors.Is(%v, %v) = false", wrapped, cause)
	}
	var node *quorum.NodeError
	if !errors.As(wrapped, &node) || node != miss.Nodes[0] {
		t.Errorf("errors.As to a NodeError gives %v, want the first node's", node)
	}
	var again *quorum.MissError
	if !errors.As(wrapped, &again) || again != miss {
		t.Errorf("errors.As to a MissError gives %v, want the miss", again)
	}
	if got := len(miss.Unwrap()); got != 2 {
		t.Errorf("Unwrap() has %d errors, want 2", got)
	}
	if got := (&quorum.MissError{}).Unwrap(); len(got) != 0 {
		t.Errorf("Unwrap() of a miss without failures = %v", got)
	}
}

// A miss is permanent if the nodes that failed for good are more than can be done without.
func TestMissErrorPermanent(t *testing.T) {
	tests := map[string]struct {
		size, need, permanent, passing int
		want                           bool
	}{
		"none":                          {3, 2, 0, 3, false},
		"one of three can be spared":    {3, 2, 1, 2, false},
		"two of three cannot":           {3, 2, 2, 0, true},
		"two of five can be spared":     {5, 3, 2, 3, false},
		"three of five cannot":          {5, 3, 3, 0, true},
		"with all needed none can":      {3, 3, 1, 0, true},
		"the only one":                  {1, 1, 1, 0, true},
		"two of five where four matter": {5, 4, 2, 1, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			miss := quorum.MissError{Size: tc.size, Need: tc.need}
			for i := range tc.permanent + tc.passing {
				miss.Nodes = append(miss.Nodes, &quorum.NodeError{Permanent: i < tc.permanent, Err: errors.New("x")})
			}
			if got := miss.Permanent(); got != tc.want {
				t.Errorf("Permanent() with %d of %d failed for good, %d needed, = %v, want %v",
					tc.permanent, tc.size, tc.need, got, tc.want)
			}
		})
	}
}

func TestNodeError(t *testing.T) {
	cause := errors.New("connection refused")
	err := &quorum.NodeError{Node: "10.0.0.7:6379", Code: "", Err: cause}
	if got, want := err.Error(), "node 10.0.0.7:6379: connection refused"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
	if !errors.Is(err, cause) {
		t.Errorf("errors.Is(%v, %v) = false", err, cause)
	}
}

func TestNames(t *testing.T) {
	var kinds, verdicts []string
	for k := quorum.Acquire; k <= quorum.Raise+1; k++ {
		kinds = append(kinds, k.String())
	}
	for v := quorum.Failed; v <= quorum.Late+1; v++ {
		verdicts = append(verdicts, v.String())
	}
	if got, want := fmt.Sprint(kinds), "[acquire extend heal release inspect handover raise unknown]"; got != want {
		t.Errorf("kinds are called %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(verdicts), "[failed mine free other late unknown]"; got != want {
		t.Errorf("verdicts are called %s, want %s", got, want)
	}
}
