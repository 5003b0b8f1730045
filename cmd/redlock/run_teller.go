package main

import (
	"fmt"
	"io"
	"time"

	"github.com/quorumlock/quorumlock/redlock"
)

// A teller says what run itself has to say, on standard error since the output is the command's: as
// lines for people, who are left alone if all goes well, or as JSON documents. One goroutine uses it.
type teller struct {
	out         io.Writer
	json        bool
	name        string
	lostAlready bool
}

// A note is one JSON document of run.
type note struct {
	Event    string `json:"event"`
	Name     string `json:"name"`
	Votes    int    `json:"votes,omitempty"`
	Validity *ms    `json:"validity_ms,omitempty"`
	Waited   *ms    `json:"waited_ms,omitempty"`
	Action   string `json:"action,omitempty"`
	Error    string `json:"error,omitempty"`
	Exit     *int   `json:"exit,omitempty"`
}

func (t *teller) acquired(lease *redlock.Lease, waited time.Duration) {
	validity, wait := ms(lease.Remaining()), ms(waited)
	t.tell("", note{Event: "acquired", Votes: lease.Votes(), Validity: &validity, Waited: &wait})
}

// lost tells of the loss once, whoever notices it first.
func (t *teller) lost(err error, action string) {
	if t.lostAlready {
		return
	}
	t.lostAlready = true
	text := explain(err) + "; the command is ended"
	if action == onLostWarn {
		text = explain(err) + "; the command goes on without the lock"
	}
	t.tell(text, note{Event: "lost", Action: action, Error: explain(err)})
}

func (t *teller) unreleased(err error) {
	text := "the lock may stay until its TTL has passed: " + explain(err)
	t.tell(text, note{Event: "unreleased", Error: explain(err)})
}

func (t *teller) notSuspended() {
	t.tell("not suspended: a lock that is not renewed is lost", note{Event: "not_suspended"})
}

// last tells how it all ended, in one document, and returns what is left for the caller to say.
func (t *teller) last(err error) error {
	if !t.json {
		return err
	}
	code, text := exitCode(err), explain(err)
	event := "exited"
	switch {
	case text != "" && code == exitNotAcquired:
		event = "not_acquired"
	case text != "":
		event = "failed"
	}
	t.tell("", note{Event: event, Error: text, Exit: &code})
	return exitWith(code, nil)
}

// tell writes the text, if there is one, or the note.
func (t *teller) tell(text string, n note) {
	if !t.json {
		if text != "" {
			_, _ = fmt.Fprintln(t.out, "redlock:", text)
		}
		return
	}
	n.Name = t.name
	_ = writeLine(t.out, n) // nobody is left to be told of a failure
}
