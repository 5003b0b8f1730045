package chaos

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// A Recorder writes down what happens in a run. Its methods may be called from several goroutines.
type Recorder struct {
	now       func() time.Duration
	registers registers

	mu       sync.Mutex
	events   History
	out      io.Writer
	err      error
	reactive []func(Event) bool
}

// NewRecorder returns a Recorder that reads the run's one clock with now, such as [Cluster].Now, and
// writes each event to out at once, as a line of JSON. A nil out keeps them in memory only.
func NewRecorder(now func() time.Duration, out io.Writer) *Recorder {
	return &Recorder{now: now, out: out}
}

// Append records an event, at the present time: what its At says is overwritten.
func (r *Recorder) Append(event Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	event.At = r.now()
	r.add(event)
}

// Observe asks a lease how long it is still valid, and records the answer in an event, such as
// [Observed], [Extended] or [ReleaseInvoked]: Held and Remaining are filled in.
//
// A valid lease was so when the question began, and that is the event's time: a client that stands
// still between its question and the record of it must not look as if it had held the lease all the
// while. A lease that is no longer valid was found so when the answer came; an extension of which nothing
// is left by then is such a finding too. Observe reports whether the lease was valid.
func (r *Recorder) Observe(event Event, remaining func() time.Duration) bool {
	asked := r.now()
	event.Remaining = max(remaining(), 0)
	event.Held = event.Remaining > 0
	r.mu.Lock()
	defer r.mu.Unlock()
	if event.At = asked; !event.Held {
		event.At = r.now()
		if event.Kind == Extended {
			event.Kind = Observed
		}
	}
	r.add(event)
	return event.Held
}

// add needs mu.
func (r *Recorder) add(event Event) {
	r.events = append(r.events, event)
	r.reactive = slices.DeleteFunc(r.reactive, func(react func(Event) bool) bool { return react(event) })
	if r.out == nil || r.err != nil {
		return
	}
	if _, err := r.out.Write(line(event)); err != nil {
		r.err = fmt.Errorf("writing the history: %w", err)
	}
}

// Adopt records an event that another process has recorded by the same clock, with its time.
func (r *Recorder) Adopt(event Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(event)
}

// react calls f with every event from now on, until it returns true. f must not block, and must not call
// the Recorder.
func (r *Recorder) react(f func(Event) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reactive = append(r.reactive, f)
}

// History returns what was recorded so far, in order of time.
func (r *Recorder) History() History {
	r.mu.Lock()
	defer r.mu.Unlock()
	return MergeHistories(r.events)
}

// Err returns the first error of writing, after which nothing more was written.
func (r *Recorder) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// MergeHistories makes one history of what several processes recorded by the same clock. Events of the
// same time keep the order of the arguments.
func MergeHistories(parts ...History) History {
	merged := slices.Concat(parts...)
	slices.SortStableFunc(merged, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	return merged
}

// line is the event as JSON, with the newline.
func line(event Event) []byte {
	text, err := json.Marshal(event)
	if err != nil {
		panic(err) // strings and numbers always have a form
	}
	return append(text, '\n')
}

// WriteTo writes the history as lines of JSON, for [ReadHistory].
func (h History) WriteTo(w io.Writer) (int64, error) {
	var written int64
	for _, event := range h {
		n, err := w.Write(line(event))
		written += int64(n)
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// Hash names what happened: a seed that is played again has to lead to the same one. The order of events
// within one instant is the scheduler's, and does not count; neither do the texts of errors, which tell the
// causes of one instant in any order.
func (h History) Hash() string {
	lines := make([][]byte, len(h))
	for i, event := range h {
		event.Err = ""
		lines[i] = line(event)
	}
	for from := 0; from < len(h); {
		to := from + 1
		for to < len(h) && h[to].At == h[from].At {
			to++
		}
		slices.SortFunc(lines[from:to], bytes.Compare)
		from = to
	}
	sum := sha256.Sum256(bytes.Join(lines, nil))
	return hex.EncodeToString(sum[:])
}

// maxLine is the longest line of a history that is read.
const maxLine = 1 << 20

// ReadHistory reads lines of JSON, as a [Recorder] writes them, and puts them in order of time. What it
// does not understand is an error that names the line: an event that a judge overlooks could be the
// one that matters.
func ReadHistory(r io.Reader) (History, error) {
	var (
		history History
		lines   = bufio.NewScanner(r)
		number  = 0
	)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		number++
		event, err := parseEvent(lines.Bytes())
		if err != nil {
			return nil, fmt.Errorf("line %d of the history: %w", number, err)
		}
		history = append(history, event)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d of the history: %w", number+1, err)
	}
	return MergeHistories(history), nil
}

func parseEvent(text []byte) (Event, error) {
	var event Event
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&event); err != nil {
		if errors.Is(err, io.EOF) {
			return Event{}, errors.New("it is empty")
		}
		return Event{}, err
	}
	switch _, err := decoder.Token(); {
	case !errors.Is(err, io.EOF):
		return Event{}, errors.New("something follows the event")
	case event.Kind == "":
		return Event{}, errors.New("the event has no kind")
	case event.At < 0:
		return Event{}, fmt.Errorf("the event is %v before the run began", -event.At)
	}
	return event, nil
}
