package chaos_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/chaos"
)

func TestShrink(t *testing.T) {
	var all chaos.Schedule
	for i := range 40 {
		all = append(all, chaos.Fault{Kind: chaos.Pause, Nodes: []int{i}, For: time.Second})
	}
	has := func(s chaos.Schedule, node int, least time.Duration) bool {
		return slices.ContainsFunc(s, func(f chaos.Fault) bool { return f.Nodes[0] == node && f.For >= least })
	}
	tests := map[string]struct {
		fails func(chaos.Schedule) bool
		want  string
	}{
		"one fault is to blame": {
			func(s chaos.Schedule) bool { return has(s, 17, 0) }, "[17] 1.953125ms",
		},
		"two faults are, far apart": {
			func(s chaos.Schedule) bool { return has(s, 3, 300*time.Millisecond) && has(s, 38, 0) },
			"[3] 500ms, [38] 1.953125ms",
		},
		"no fault is": {func(chaos.Schedule) bool { return true }, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			plays := 0
			got := chaos.Shrink(all, func(s chaos.Schedule) bool {
				plays++
				return tc.fails(s)
			})
			var list []string
			for _, f := range got {
				list = append(list, fmt.Sprintf("%v %v", f.Nodes, f.For))
			}
			if text := strings.Join(list, ", "); text != tc.want {
				t.Errorf("shrunk to %q, want %q", text, tc.want)
			}
			if plays > 200 {
				t.Errorf("it took %d plays", plays)
			}
		})
	}
	if got := chaos.Shrink(all, func(chaos.Schedule) bool { return false }); len(got) != len(all) {
		t.Errorf("a schedule that does not fail was shrunk to %d faults", len(got))
	}
}
