package main

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// Whatever the seed: with five nodes, three always answer.
func TestPlanFaults(t *testing.T) {
	for _, total := range []time.Duration{time.Second, 15 * time.Second, 22 * time.Second, time.Minute, longestDemo} {
		for seed := range uint64(200) {
			plan := planFaults(total, demoNodes, rand.New(rand.NewPCG(seed, 0)))
			checkPlan(t, total, seed, plan)
			if again := planFaults(total, demoNodes, rand.New(rand.NewPCG(seed, 0))); !slices.Equal(plan, again) {
				t.Errorf("total %v, seed %d: planned %v, and then %v", total, seed, plan, again)
			}
		}
	}
}

func checkPlan(t *testing.T, total time.Duration, seed uint64, plan []fault) {
	t.Helper()
	both := false
	kinds := make(map[faultKind]int)
	for i, f := range plan {
		kinds[f.kind]++
		if f.node < 0 || f.node >= demoNodes || f.from <= 0 || f.to <= f.from || f.to >= total {
			t.Errorf("total %v, seed %d: fault %+v is out of bounds", total, seed, f)
		}
		away := 1
		for j, g := range plan {
			if i == j || g.from > f.from || g.to <= f.from {
				continue
			}
			away++
			if g.node == f.node {
				t.Errorf("total %v, seed %d: node %d is away twice at %v", total, seed, f.node, f.from)
			}
		}
		both = both || away == 2
		if away > 2 {
			t.Errorf("total %v, seed %d: %d nodes are away at %v", total, seed, away, f.from)
		}
	}
	if !both || kinds[stopNode] == 0 || kinds[stopNode] != kinds[killNode] {
		t.Errorf("total %v, seed %d: %v never has a stopped and a killed node at once", total, seed, plan)
	}
}

// The long job is there to be renewed with two nodes away.
func TestPlanLongJob(t *testing.T) {
	if at, planned := planLongJob(3 * time.Second); planned {
		t.Errorf("a demo of 3s has a long job at %v", at)
	}
	for _, total := range []time.Duration{12 * time.Second, 15 * time.Second, 20 * time.Second, time.Minute} {
		at, planned := planLongJob(total)
		if !planned {
			t.Errorf("a demo of %v has no long job", total)
		}
		for seed := range uint64(200) {
			plan := planFaults(total, demoNodes, rand.New(rand.NewPCG(seed, 0)))
			if stop, kill := plan[0], plan[1]; at < kill.from || at >= stop.to {
				t.Errorf("total %v, seed %d: the long job begins at %v, not with both nodes away: %v", total, seed, at, plan[:2])
			}
		}
	}
}
