package main

import (
	"strings"
	"time"
)

// slot is the time that one column of a lane stands for.
const slot = 100 * time.Millisecond

// bars show how much of a slot something took.
var bars = []rune(" ▁▂▃▄▅▆▇█")

// A window is the stretch of time that lanes show: columns slots, of which the last ends at end.
type window struct {
	end     time.Duration
	columns int
}

// windowAt ends with the last full slot before now, so that columns wander and do not flicker.
func windowAt(now time.Duration, columns int) window {
	return window{end: now.Truncate(slot), columns: columns}
}

// from is where a column begins.
func (w window) from(column int) time.Duration {
	return w.end - time.Duration(w.columns-column)*slot
}

// workerLane draws when a worker had the lock.
func workerLane(holds []hold, worker int, w window) string {
	held := make([]time.Duration, w.columns)
	for _, h := range holds {
		if h.worker != worker || h.to <= w.from(0) {
			continue
		}
		first := max(int((h.from-w.from(0))/slot), 0)
		for c := first; c < w.columns && w.from(c) < h.to; c++ {
			held[c] += min(h.to, w.from(c)+slot) - max(h.from, w.from(c))
		}
	}
	var lane strings.Builder
	for _, d := range held {
		lane.WriteRune(bar(float64(d) / float64(slot)))
	}
	return lane.String()
}

// bar is the character for a share of a slot. What is not nothing is seen.
func bar(share float64) rune {
	if share <= 0 {
		return bars[0]
	}
	top := len(bars) - 1
	return bars[min(1+int(share*float64(top)), top)]
}

// nodeLane draws when a node was there.
func nodeLane(faults []faultRecord, node int, w window) line {
	var lane line
	for c := range w.columns {
		s := nodeMark(faults, node, w.from(c))
		if n := len(lane); n > 0 && lane[n-1].style == s.style {
			lane[n-1].text += s.text
		} else {
			lane = append(lane, s)
		}
	}
	return lane
}

// nodeMark is one column of a node's lane.
func nodeMark(faults []faultRecord, node int, at time.Duration) span {
	if at < 0 {
		return span{plain, " "}
	}
	for _, f := range faults {
		switch {
		case f.node != node || !f.away(at):
		case f.kind == stopNode:
			return span{yellow, "░"}
		default:
			return span{red, "×"}
		}
	}
	return span{green, "─"}
}
