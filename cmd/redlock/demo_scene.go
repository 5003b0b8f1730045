package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/quorumlock/quorumlock/redlock"
)

// A scene is one moment of a demo, as it is shown.
type scene struct {
	kind       string
	seed       uint64
	now, total time.Duration
	tallies    tallies
	holders    []holder // one, if the lock is one
	nodes      []redlock.NodeStatus
	faults     []faultRecord
	events     []event
}

// A holder is a worker with the lock in its hand.
type holder struct {
	worker, votes int
	since         time.Duration
}

const (
	laneLabel = 11
	laneInfo  = 26
	// eventRows is how many of the latest events are shown, if there is room.
	eventRows = 6
)

// draw lays the scene out for a terminal: no line is wider, and there are fewer lines than rows.
func (s *scene) draw(columns, rows int) []line {
	w := windowAt(s.now, max(columns-laneLabel-laneInfo-2, 10))
	lines := []line{s.title(), nil, s.holderLine(), s.figures(), nil}
	lines = append(lines, s.workerLines(w)...)
	lines = append(lines, caption)
	lines = append(lines, s.nodeLines(w)...)
	lines = append(lines, nil)
	lines = append(lines, s.eventLines(min(rows-1-len(lines), eventRows))...)
	lines = lines[:min(len(lines), max(rows-1, 0))]
	for i, l := range lines {
		lines[i] = l.cut(columns - 1)
	}
	return lines
}

// caption explains the lanes.
var caption = line{{dim, pad("", laneLabel+1) + "a column is 0.1s, its height how much of it the worker had"}}

func (s *scene) title() line {
	return line{
		{bold, " redlock demo"},
		{plain, fmt.Sprintf("  %s of %v   ", seconds(s.now), s.total)},
		{dim, fmt.Sprintf("%s, %d workers, one lock", describeNodes(s.kind, len(s.nodes)), workers)},
	}
}

func (s *scene) holderLine() line {
	l := line{{plain, pad(" holder", laneLabel)}}
	if len(s.holders) == 0 {
		return append(l, span{dim, "nobody: the lock changes hands"})
	}
	for _, h := range s.holders {
		votes := strings.Repeat("●", h.votes) + strings.Repeat("○", max(len(s.nodes)-h.votes, 0))
		l = append(l,
			span{hues[h.worker%len(hues)], fmt.Sprintf("worker %d  %s", h.worker+1, votes)},
			span{dim, fmt.Sprintf("  %d of %d votes, %d are enough   ", h.votes, len(s.nodes), len(s.nodes)/2+1)})
	}
	return l
}

func (s *scene) workerLines(w window) []line {
	holds := s.tallies.holds
	count := make([]int, workers)
	for _, h := range holds {
		count[h.worker]++
	}
	for _, h := range s.holders {
		holds = append(holds, hold{worker: h.worker, from: h.since, to: s.now})
	}
	lines := make([]line, workers)
	for i := range lines {
		hue := hues[i%len(hues)]
		lines[i] = line{
			{hue, pad(fmt.Sprintf(" worker %d", i+1), laneLabel)},
			{dim, "│"},
			{hue, workerLane(holds, i, w)},
			{dim, "│"},
			{plain, fmt.Sprintf(" %d", count[i])},
		}
	}
	return lines
}

func (s *scene) nodeLines(w window) []line {
	lines := make([]line, len(s.nodes))
	for i, node := range s.nodes {
		l := line{{plain, pad(fmt.Sprintf(" node %d", i+1), laneLabel)}, {dim, "│"}}
		l = append(l, nodeLane(s.faults, i, w)...)
		lines[i] = append(l, span{dim, "│"}, s.nodeState(i, node))
	}
	return lines
}

// nodeState is what was done to a node, or what it says about the lock.
func (s *scene) nodeState(i int, node redlock.NodeStatus) span {
	for _, f := range s.faults {
		switch {
		case f.node != i || !f.away(s.now):
		case f.over:
			return span{yellow, " is coming back"}
		case f.kind == stopNode:
			return span{yellow, " STOPPED, answers nothing"}
		default:
			return span{red, " KILLED, refuses"}
		}
	}
	switch {
	case node.Err != nil:
		return span{yellow, " no answer"}
	case node.Held:
		return span{plain, fmt.Sprintf(" keeps it for %s", node.Holder)}
	}
	return span{dim, " free"}
}

func (s *scene) figures() line {
	gaps := handOvers(s.tallies.holds)
	n := len(overlaps(s.tallies.holds))
	mark := green
	if n > 0 {
		mark = red
	}
	return line{
		{plain, pad(" so far", laneLabel)},
		{mark, fmt.Sprintf("overlaps %d", n)},
		{plain, fmt.Sprintf("   acquired %d   hand-over p50 %v p99 %v", len(s.tallies.holds),
			short(ms(percentile(gaps, 0.50))), short(ms(percentile(gaps, 0.99))))},
	}
}

// eventLines shows the latest events, so many at most.
func (s *scene) eventLines(most int) []line {
	latest := s.events[max(len(s.events)-max(most, 0), 0):]
	lines := make([]line, len(latest))
	for i, e := range latest {
		lines[i] = line{{dim, pad(" "+seconds(e.at), laneLabel)}, {plain, e.text}}
	}
	return lines
}

// lineOfSecond is the scene where there is no terminal.
func (s *scene) lineOfSecond() string {
	who := "nobody has the lock right now"
	for _, h := range s.holders {
		who = fmt.Sprintf("worker %d has the lock with %d of %d votes", h.worker+1, h.votes, len(s.nodes))
	}
	gaps := handOvers(s.tallies.holds)
	return fmt.Sprintf("acquired %d, hand-over p50 %v, overlaps %d; %s", len(s.tallies.holds),
		short(ms(percentile(gaps, 0.50))), len(overlaps(s.tallies.holds)), who)
}
