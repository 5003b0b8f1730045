package quorum

import (
	"fmt"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/clock"
)

func TestKeepFor(t *testing.T) {
	const now = clock.Instant(time.Hour)
	tests := map[string]struct {
		until clock.Instant
		want  time.Duration
	}{
		"not at all":              {clock.Never, 0},
		"until before":            {now - 1, 0},
		"until now":               {now, 0},
		"for less than nodes can": {now + 1, time.Millisecond},
		"for a while":             {now.Add(3 * time.Second), 3 * time.Second},
		"for ever":                {clock.Forever, 1<<63 - 1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := keepFor(tc.until, now); got != tc.want {
				t.Errorf("keepFor(%d, %d) = %v, want %v", tc.until, now, got, tc.want)
			}
		})
	}
}

// idlePeer returns a peer whose undos nobody serves, so that a test can look at its queue.
func idlePeer(closing bool) *peer {
	e := &Engine{clock: clock.Process(), closing: make(chan struct{})}
	if closing {
		close(e.closing)
	}
	return &peer{engine: e, undos: undoQueue{serving: true, wake: make(chan struct{}, 1)}}
}

func TestDueUndos(t *testing.T) {
	const now = clock.Instant(time.Hour)
	due := undo{key: "due", notBefore: now, giveUp: clock.Forever}
	tried := undo{key: "tried", notBefore: now, giveUp: clock.Forever, tried: true}
	later := undo{key: "later", notBefore: now + 7, giveUp: clock.Forever}
	soon := undo{key: "soon", notBefore: now + 5, giveUp: clock.Forever, tried: true}
	over := undo{key: "over", notBefore: now, giveUp: now - 1}
	last := undo{key: "last", notBefore: now, giveUp: now}
	tests := map[string]struct {
		closing   bool
		pending   []undo
		due, kept string
		next      clock.Instant
		left      bool
	}{
		"nothing":                            {false, nil, "[]", "[]", clock.Forever, false},
		"what is due, in order":              {false, []undo{due, later, tried}, "[due tried]", "[later]", now + 7, true},
		"the next of several":                {false, []undo{later, soon}, "[]", "[later soon]", now + 5, true},
		"what has run out is dropped":        {false, []undo{over, last}, "[last]", "[]", clock.Forever, true},
		"only what has run out":              {false, []undo{over}, "[]", "[]", clock.Forever, false},
		"closing, what was tried is dropped": {true, []undo{due, tried, soon, later}, "[due]", "[later]", now + 7, true},
		"closing, all were tried":            {true, []undo{tried, soon}, "[]", "[]", clock.Forever, false},
	}
	keys := func(undos []undo) string {
		list := make([]string, 0, len(undos))
		for _, u := range undos {
			list = append(list, u.key)
		}
		return fmt.Sprint(list)
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			p := idlePeer(tc.closing)
			for _, u := range tc.pending {
				p.undoLater(u)
			}
			got, next, left := p.dueUndos(now)
			if keys(got) != tc.due || keys(p.undos.pending) != tc.kept || next != tc.next || left != tc.left {
				t.Errorf("due %s, kept %s, next at %d, left %v; want %s, %s, %d, %v",
					keys(got), keys(p.undos.pending), next, left, tc.due, tc.kept, tc.next, tc.left)
			}
			if p.undos.serving != left {
				t.Errorf("serving = %v with left = %v", p.undos.serving, left)
			}
		})
	}
}

// A batch is bounded, and what it leaves is due at once.
func TestDueUndosAreBatched(t *testing.T) {
	const now = clock.Instant(time.Hour)
	p := idlePeer(false)
	for i := range undoBatch + 3 {
		p.undoLater(undo{key: fmt.Sprint(i), notBefore: now - 1, giveUp: clock.Forever})
	}
	due, next, left := p.dueUndos(now)
	if len(due) != undoBatch || now.Before(next) || !left {
		t.Errorf("%d are due, next at %d, left %v; want %d, no later than %d, true", len(due), next, left, undoBatch, now)
	}
	due, _, _ = p.dueUndos(now)
	if len(due) != 3 || due[0].key != fmt.Sprint(undoBatch) {
		t.Errorf("then %d are due, want the 3 that were left", len(due))
	}
}

// A node that stays away for long does not cost memory without end: the oldest undo goes first, as its
// key runs out first.
func TestUndosAreBounded(t *testing.T) {
	p := idlePeer(false)
	p.undos.pending = make([]undo, undoLimit)
	p.undos.pending[1].key = "second"
	p.undoLater(undo{key: "new"})
	q := p.undos.pending
	if len(q) != undoLimit || q[0].key != "second" || q[len(q)-1].key != "new" {
		t.Errorf("queue of %d from %q to %q, want one of %d without the oldest, and with the new one",
			len(q), q[0].key, q[len(q)-1].key, undoLimit)
	}
}
