package chaos

import (
	"bytes"
	"fmt"
	"io"
	"time"
)

// WriteTimeline writes the part of a history from one time to another for a person to read: a line for each
// event, with a column for when, one for who, and then what happened.
func (h History) WriteTimeline(w io.Writer, from, to time.Duration) error {
	var text bytes.Buffer
	for i := range h {
		if e := &h[i]; e.At >= from && e.At <= to {
			fmt.Fprintf(&text, "%14v  %-8s  %s\n", e.At, e.who(), e.what())
		}
	}
	_, err := w.Write(text.Bytes())
	return err
}

// who names the client, its lease, or the node.
func (e *Event) who() string {
	switch {
	case e.Lease > 0:
		return e.id().String()
	case e.Client != "" && e.Node != "":
		return e.Client + "-" + e.Node
	}
	return e.Client + e.Node
}

// what says what happened, in a line.
func (e *Event) what() string {
	text := string(e.Kind)
	add := func(format string, args ...any) { text += fmt.Sprintf(" "+format, args...) }
	if e.Fault != "" {
		add("%s", e.Fault)
	}
	if e.Op != "" {
		add("by %s of %.6s", e.Op, e.Value)
	}
	if e.Name != "" {
		add("%q", e.Name)
	}
	if e.Before != "" && e.Before != e.Value {
		add("(was %.6s)", e.Before)
	}
	if e.Next != "" {
		add("(now %.6s)", e.Next)
	}
	if e.Token > 0 {
		add("token %d", e.Token)
	}
	if e.Votes > 0 {
		add("votes %d", e.Votes)
	}
	switch e.Kind {
	case Acquired, Observed, Extended, ReleaseInvoked:
		add("%v left", e.Remaining)
	case Changed, Found:
		add("kept for %v", e.Remaining)
	}
	if e.Err != "" {
		add("(%s)", e.Err)
	}
	return text
}
