package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/quorumlock/quorumlock/redlock"
)

// frame is the time between two looks at the race.
const frame = 100 * time.Millisecond

// watch shows the race until ctx ends. The channel is closed when the last of it was shown.
func (c demoCmd) watch(ctx context.Context, w *world, r *race) <-chan struct{} {
	done := make(chan struct{})
	if c.JSON {
		close(done)
		return done
	}
	v := watcher{race: r, total: c.For}
	if file, size := terminal(w.stdout); file != nil {
		v.show = newScreen(file, size)
	} else {
		v.show = newLines(w.stdout, r)
	}
	go func() {
		defer close(done)
		v.loop(ctx)
	}()
	return done
}

// A show is a way to show scenes.
type show interface {
	scene(s *scene)
	end()
}

// A watcher looks at the race again and again.
type watcher struct {
	race  *race
	total time.Duration
	show  show
}

func (v watcher) loop(ctx context.Context) {
	defer v.show.end()
	ticks := time.NewTicker(frame)
	defer ticks.Stop()
	for {
		v.show.scene(v.look(ctx))
		select {
		case <-ticks.C:
		case <-ctx.Done():
			v.show.scene(v.look(ctx))
			return
		}
	}
}

// look makes a picture of the race. It waits for what the nodes say, for one node timeout at most.
func (v watcher) look(ctx context.Context) *scene {
	r := v.race
	status, _ := r.observer.Status(ctx, demoLock) // a node that does not answer is part of the picture
	nodes := status.Nodes
	for i := len(nodes); i < len(r.cluster.machines); i++ {
		nodes = append(nodes, redlock.NodeStatus{Node: r.cluster.machines[i].Addr()})
	}
	return &scene{
		kind: r.cluster.kind, seed: r.seed, now: r.record.elapsed(), total: v.total,
		tallies: r.record.counted(), holders: r.holders(), nodes: nodes,
		faults: r.record.faultsSoFar(), events: r.record.eventsSince(0),
	}
}

// holders returns who has the lock, in the order in which they got it.
func (r *race) holders() []holder {
	var list []holder
	for worker, h := range r.record.holdings() {
		if votes := h.lease.Votes(); votes > 0 {
			list = append(list, holder{worker: worker, votes: votes, since: h.since})
		}
	}
	slices.SortFunc(list, func(a, b holder) int { return cmp.Compare(a.since, b.since) })
	return list
}

// lines shows each event, and each second, as a line.
type lines struct {
	out    io.Writer
	told   int
	second time.Duration
}

func newLines(out io.Writer, r *race) show {
	_, _ = fmt.Fprintf(out, "redlock demo: %s (%s), %d workers, one lock\n",
		describeNodes(r.cluster.kind, len(r.cluster.machines)), strings.Join(r.cluster.names(), ", "), workers)
	return &lines{out: out, second: time.Second}
}

func (l *lines) scene(s *scene) {
	for _, e := range s.events[l.told:] {
		_, _ = fmt.Fprintf(l.out, "%6s  %s\n", seconds(e.at), e.text)
	}
	l.told = len(s.events)
	if s.now >= l.second {
		_, _ = fmt.Fprintf(l.out, "%6s  %s\n", seconds(s.now), s.lineOfSecond())
		l.second = s.now.Truncate(time.Second) + time.Second
	}
}

func (*lines) end() {}

// A screen draws each scene over the one before.
type screen struct {
	out     io.Writer
	size    func() (columns, rows int)
	colours bool
	columns int // of the scene that is on the screen
	rows    int
	drawn   int // lines
}

// Sequences of the terminal. Without wrapping, a line that is too long for a terminal that has just
// become narrower spoils nothing.
const (
	beginScreen = "\x1b[?25l\x1b[?7l" // no cursor, no wrapping
	endScreen   = "\x1b[?7h\x1b[?25h"
	clearScreen = "\x1b[2J\x1b[H"
	clearToEnd  = "\x1b[K"
	clearBelow  = "\x1b[J"
)

func newScreen(out io.Writer, size func() (columns, rows int)) show {
	s := &screen{out: out, size: size, colours: os.Getenv("NO_COLOR") == ""}
	s.columns, s.rows = size()
	_, _ = io.WriteString(out, beginScreen)
	return s
}

func (s *screen) scene(picture *scene) {
	var b bytes.Buffer
	if columns, rows := s.size(); columns != s.columns || rows != s.rows {
		s.columns, s.rows, s.drawn = columns, rows, 0
		b.WriteString(clearScreen)
	}
	if s.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dF", s.drawn) // to the first line of the last scene
	}
	drawing := picture.draw(s.columns, s.rows)
	for _, l := range drawing {
		b.WriteString(l.paint(s.colours) + clearToEnd + "\n")
	}
	b.WriteString(clearBelow)
	s.drawn = len(drawing)
	_, _ = s.out.Write(b.Bytes())
}

func (s *screen) end() { _, _ = io.WriteString(s.out, endScreen) }

// terminal returns the terminal behind out and how to learn its size, or nil if there is none that can
// redraw.
func terminal(out io.Writer) (*os.File, func() (columns, rows int)) {
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) || os.Getenv("TERM") == "dumb" {
		return nil, nil
	}
	return file, func() (columns, rows int) {
		columns, rows, err := term.GetSize(int(file.Fd()))
		if err != nil || columns <= 0 || rows <= 0 {
			return 80, 24
		}
		return columns, rows
	}
}
