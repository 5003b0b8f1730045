package chaos

import (
	"maps"
	"slices"
	"testing"
)

func TestContended(t *testing.T) {
	const alone = `
		10ms c1/1 acquire-invoked
		20ms c1/1 acquired
		30ms c1/1 release-invoked held
		40ms c1/1 released
	`
	tests := map[string]struct {
		more string
		want int
	}{
		"alone":                               {"", 0},
		"another client asks meanwhile":       {"25ms c2/1 acquire-invoked\n 26ms c2/1 refused", 1},
		"another has asked all the while":     {"5ms c2/1 acquire-invoked\n 50ms c2/1 refused", 1},
		"another asks while this one asks":    {"11ms c2/1 acquire-invoked\n 12ms c2/1 refused", 1},
		"another gives up as this one begins": {"5ms c2/1 acquire-invoked\n 10ms c2/1 refused", 0},
		"another begins as this one ends":     {"30ms c2/1 acquire-invoked\n 35ms c2/1 refused", 0},
		"another never hears":                 {"25ms c2/1 acquire-invoked", 1},
		"it asks again itself":                {"25ms c1/2 acquire-invoked\n 26ms c1/2 refused", 0},
		"another asks for another lock":       {"25ms c2/1 acquire-invoked name=x\n 26ms c2/1 refused name=x", 0},
		"another waits and gets it":           {"25ms c2/1 acquire-invoked\n 50ms c2/1 acquired", 2},
		"both overlap":                        {"25ms c2/1 acquire-invoked\n 28ms c2/1 acquired", 2},
		"another has it, as far as it knows":  {"5ms c2/1 acquire-invoked\n 6ms c2/1 acquired left=5ms", 2},
		"another had it":                      {"5ms c2/1 acquire-invoked\n 6ms c2/1 acquired left=4ms", 0},
		"another had it and gave it back":     {"5ms c2/1 acquire-invoked\n 6ms c2/1 acquired left=50ms\n 9ms c2/1 release-invoked", 0},
		"another is told that it has lost it": {"5ms c2/1 acquire-invoked\n 6ms c2/1 acquired left=50ms\n 9ms c2/1 lost", 0},
		"a third asks both":                   {"25ms c2/1 acquire-invoked\n 50ms c2/1 acquired\n 26ms c3/1 acquire-invoked\n 49ms c3/1 refused", 2},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			h := MergeHistories(parse(t, alone+tc.more))
			if got := Cover(h).Contended; got != tc.want {
				t.Errorf("Contended = %d, want %d", got, tc.want)
			}
		})
	}
}

func TestCoverCountsHandOvers(t *testing.T) {
	h := History{
		{Kind: Changed, Op: "handover", Node: "n1", Next: "b"}, {Kind: Changed, Op: "handover", Node: "n2", Next: "b"},
		{Kind: Changed, Op: "handover", Node: "n1", Next: "c"}, {Kind: Changed, Op: "acquire", Node: "n1", Value: "d"},
	}
	c := Cover(h)
	if c.HandedOver != 2 {
		t.Errorf("HandedOver = %d, want 2, however many nodes have seen them", c.HandedOver)
	}
	if missing := c.Short(Coverage{HandedOver: 3}); len(missing) != 1 {
		t.Errorf("missing: %q, want that", missing)
	}
}

func TestCover(t *testing.T) {
	got := Cover(parse(t, `
		1ms n1 fault-began fault=delay
		1ms n2 fault-began fault=stall
		2ms - fault-met fault=delay
		2ms - fault-met fault=delay
		3ms n1 fault-ended fault=delay
		4ms n1 fault-began fault=wipe
		4ms n2 fault-began fault=wipe
		5ms - fault-met fault=wipe
		6ms c1 fault-began fault=stop-client
		6ms c1 fault-began fault=client-rate
		6ms - fault-met fault=client-rate
		6ms - fault-met fault=client-rate
		7ms c1/1 acquired
		8ms c1/2 acquired name=other
		9ms c1/3 refused
	`))
	if got.Acquired != 2 {
		t.Errorf("Acquired = %d, want 2", got.Acquired)
	}
	want := map[FaultKind]int{Delay: 2, Wipe: 2, StopClient: 1, ClientRate: 2}
	if !maps.Equal(got.Faults, want) {
		t.Errorf("Faults = %v, want %v: a stall that nobody met does not count", got.Faults, want)
	}
}

func TestShort(t *testing.T) {
	least := Coverage{Acquired: 10, Contended: 5, Faults: map[FaultKind]int{Kill: 2, Delay: 1}}
	tests := map[string]struct {
		got  Coverage
		want []string
	}{
		"all there": {Coverage{Acquired: 10, Contended: 5, Faults: map[FaultKind]int{Kill: 2, Delay: 9, Cut: 1}}, nil},
		"nothing": {Coverage{}, []string{
			"acquired: 0, want at least 10", "contended: 0, want at least 5",
			"fault delay: 0, want at least 1", "fault kill: 0, want at least 2",
		}},
		"one fault too few": {Coverage{Acquired: 99, Contended: 9, Faults: map[FaultKind]int{Kill: 1, Delay: 1}}, []string{
			"fault kill: 1, want at least 2",
		}},
		"not contended": {Coverage{Acquired: 99, Contended: 4, Faults: least.Faults}, []string{
			"contended: 4, want at least 5",
		}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tc.got.Short(least); !slices.Equal(got, tc.want) {
				t.Errorf("Short = %q, want %q", got, tc.want)
			}
		})
	}
}
