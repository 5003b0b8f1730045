package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/quorumlock/quorumlock/redlock"
)

// exampleScene has everything in it.
func exampleScene() *scene {
	return &scene{
		kind: kindServers, seed: 7, now: 6800 * time.Millisecond, total: 15 * time.Second,
		tallies: tallies{holds: []hold{
			{worker: 0, from: 5 * s, to: 5500 * time.Millisecond, released: true},
			{worker: 7, from: 6 * s, to: 6100 * time.Millisecond, released: true},
		}},
		holders: []holder{{worker: 3, votes: 3, since: 6200 * time.Millisecond}},
		nodes: []redlock.NodeStatus{
			{Node: "a", Held: true, Holder: "worker 4"},
			{Node: "b", Err: errors.New("silence")},
			{Node: "c", Err: errors.New("silence")},
			{Node: "d", Err: errors.New("silence")},
			{Node: "e"},
		},
		faults: []faultRecord{
			{fault: fault{kind: stopNode, node: 1}, fired: true, began: 3 * s},
			{fault: fault{kind: killNode, node: 2}, fired: true, began: 5 * s},
		},
		events: []event{{3 * s, "node 2 stopped"}, {5 * s, "node 3 killed"}},
	}
}

func paintAll(lines []line) string {
	painted := make([]string, len(lines))
	for i, l := range lines {
		painted[i] = l.paint(false)
	}
	return strings.Join(painted, "\n")
}

func TestSceneShowsWhatHappens(t *testing.T) {
	got := paintAll(exampleScene().draw(100, 40))
	for what, want := range map[string]string{
		"the nodes' kind":          "5 redis-server processes, 8 workers, one lock",
		"the time":                 "6.8s of 15s",
		"the holder and its votes": "worker 4  ●●●○○  3 of 5 votes, 3 are enough",
		"the holder's lane":        "██████│ 0",
		"a count":                  " worker 8",
		"a node that has the key":  "│ keeps it for worker 4",
		"a stopped node":           "░░│ STOPPED, answers nothing",
		"a killed node":            "××│ KILLED, refuses",
		"a silent node":            "──│ no answer",
		"a node that is free":      "──│ free",
		"the gap":                  "overlaps 0   acquired 2   hand-over p50 500ms p99 500ms",
		"no overlaps":              "overlaps 0",
		"an event":                 " 5.0s      node 3 killed",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the scene lacks %s, %q:\n%s", what, want, got)
		}
	}
}

func TestSceneShowsAnOverlap(t *testing.T) {
	p := exampleScene()
	p.holders = append(p.holders, holder{worker: 5, votes: 3, since: 6700 * time.Millisecond})
	p.tallies.holds = append(p.tallies.holds, hold{worker: 2, from: 5100 * time.Millisecond, to: 5200 * time.Millisecond})
	got := paintAll(p.draw(120, 40))
	for _, want := range []string{"worker 4  ●●●○○", "worker 6  ●●●○○", "overlaps 1"} {
		if !strings.Contains(got, want) {
			t.Errorf("the scene lacks %q:\n%s", want, got)
		}
	}
}

func TestSceneFitsTheTerminal(t *testing.T) {
	for columns := 1; columns < 200; columns += 7 {
		for rows := 1; rows < 40; rows += 3 {
			lines := exampleScene().draw(columns, rows)
			if len(lines) >= rows {
				t.Errorf("%dx%d: %d lines", columns, rows, len(lines))
			}
			for _, l := range lines {
				if width := utf8.RuneCountInString(l.paint(false)); width >= columns {
					t.Errorf("%dx%d: a line of %d columns: %q", columns, rows, width, l.paint(false))
				}
			}
		}
	}
}

func TestScreenRedrawsInPlace(t *testing.T) {
	t.Setenv("NO_COLOR", "1")
	var out bytes.Buffer
	columns := 80
	screen := newScreen(&out, func() (int, int) { return columns, 24 })
	screen.scene(exampleScene())
	out.Reset()
	screen.scene(exampleScene())
	if want := "\x1b[22F redlock demo"; !strings.HasPrefix(out.String(), want) {
		t.Errorf("the second scene begins with %.40q, want %q", out.String(), want)
	}
	if strings.Contains(out.String(), "\x1b[2m") {
		t.Errorf("there are colours despite NO_COLOR: %q", out.String())
	}
	out.Reset()
	columns = 60
	screen.scene(exampleScene())
	if !strings.HasPrefix(out.String(), clearScreen) {
		t.Errorf("after a change of size the scene begins with %.40q, want %q", out.String(), clearScreen)
	}
	screen.end()
	if !strings.HasSuffix(out.String(), endScreen) {
		t.Errorf("the end leaves the terminal without its cursor: %q", out.String())
	}
}

func TestLinesTellEachThingOnce(t *testing.T) {
	var out bytes.Buffer
	l := &lines{out: &out, second: time.Second}
	p := exampleScene()
	l.scene(p)
	p.now += 100 * time.Millisecond
	p.events = append(p.events, event{p.now, "node 2 is back"})
	l.scene(p)
	l.end()
	want := "  3.0s  node 2 stopped\n  5.0s  node 3 killed\n" +
		"  6.8s  acquired 2, hand-over p50 500ms, overlaps 0; worker 4 has the lock with 3 of 5 votes\n" +
		"  6.9s  node 2 is back\n"
	if out.String() != want {
		t.Errorf("lines are\n%swant\n%s", out.String(), want)
	}
}
