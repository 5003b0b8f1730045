package main

import (
	"math/rand/v2"
	"time"
)

// A faultKind is what is done to a node.
type faultKind uint8

const (
	// stopNode stops the process where it is: it takes connections and requests, and answers nothing.
	stopNode faultKind = iota + 1
	// killNode ends the process, which is started again later with what it had on disk.
	killNode
)

// String is the past participle.
func (k faultKind) String() string {
	if k == stopNode {
		return "stopped"
	}
	return "killed"
}

// A fault is planned: what is done to which node, and from when to when.
type fault struct {
	kind     faultKind
	node     int
	from, to time.Duration
}

// cycle is about how long one round of faults takes in a long demo.
const cycle = 15 * time.Second

// planFaults spreads faults over a demo of length total: in every cycle one node is stopped and another
// killed, for a while both are away, and in the end all are back. With five nodes that is as much as a
// lock survives. The same random numbers make the same plan.
func planFaults(total time.Duration, nodes int, random *rand.Rand) []fault {
	cycles := max(1, int((total+cycle/2)/cycle))
	length := total / time.Duration(cycles)
	var plan []fault
	for i := range cycles {
		start := time.Duration(i) * length
		at := func(share float64) time.Duration {
			share += 0.04 * (random.Float64() - 0.5)
			return start + time.Duration(share*float64(length))
		}
		stopped := random.IntN(nodes)
		killed := (stopped + 1 + random.IntN(nodes-1)) % nodes
		plan = append(plan,
			fault{stopNode, stopped, at(0.20), at(0.56)},
			fault{killNode, killed, at(0.36), at(0.72)})
	}
	return plan
}

const (
	// longJob is more than a third of the TTL, so that it is renewed, several times.
	longJob = 1500 * time.Millisecond
	// longJobRoom is how many times as long as the job the demo has to be.
	longJobRoom = 8
)

// planLongJob says when, in a demo of length total, one worker begins to keep the lock for longJob: with
// both nodes away. Short demos have no time for it.
func planLongJob(total time.Duration) (at time.Duration, planned bool) {
	if total < longJobRoom*longJob {
		return 0, false
	}
	cycles := max(1, int((total+cycle/2)/cycle))
	return total / time.Duration(cycles) * 42 / 100, true
}
