package chaos

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

// ticker is a clock that moves by a millisecond each time it is read.
func ticker() func() time.Duration {
	var (
		mu  sync.Mutex
		now time.Duration
	)
	return func() time.Duration {
		mu.Lock()
		defer mu.Unlock()
		now += time.Millisecond
		return now
	}
}

func TestRecorderKeepsAndWrites(t *testing.T) {
	var out bytes.Buffer
	r := NewRecorder(ticker(), &out)
	r.Append(Event{At: time.Hour, Kind: AcquireInvoked, Client: "c1", Lease: 1, Name: "job"})
	r.Append(Event{Kind: Refused, Client: "c1", Lease: 1, Name: "job", Err: "held <by> another"})
	want := History{
		{At: 1 * time.Millisecond, Kind: AcquireInvoked, Client: "c1", Lease: 1, Name: "job"},
		{At: 2 * time.Millisecond, Kind: Refused, Client: "c1", Lease: 1, Name: "job", Err: "held <by> another"},
	}
	if got := r.History(); !reflect.DeepEqual(got, want) {
		t.Errorf("History = %+v, want %+v", got, want)
	}
	read, err := ReadHistory(&out)
	if err != nil || !reflect.DeepEqual(read, want) {
		t.Errorf("what was written reads as %+v, %v, want %+v", read, err, want)
	}
}

// A client that is stopped between its question and the record of the answer must not look as if it had
// held the lease all the while.
func TestObserveTellsOfTheQuestion(t *testing.T) {
	tests := map[string]struct {
		left time.Duration
		want Event
	}{
		"a valid lease was so when it was asked":    {time.Second, Event{At: time.Millisecond, Held: true, Remaining: time.Second}},
		"one that has ended had when it answered":   {0, Event{At: time.Hour + 2*time.Millisecond}},
		"less than no time is none":                 {-time.Second, Event{At: time.Hour + 2*time.Millisecond}},
		"the last nanosecond is still a valid time": {1, Event{At: time.Millisecond, Held: true, Remaining: 1}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var stopped time.Duration
			tick := ticker()
			r := NewRecorder(func() time.Duration { return tick() + stopped }, nil)
			r.Observe(Event{Kind: Observed}, func() time.Duration {
				stopped = time.Hour
				return tc.left
			})
			tc.want.Kind = Observed
			if got := r.History(); !reflect.DeepEqual(got, History{tc.want}) {
				t.Errorf("History = %+v, want %+v", got, tc.want)
			}
		})
	}
}

// What was asked before something else happened comes before it, however late it was recorded.
func TestHistoryIsInOrderOfTime(t *testing.T) {
	var out bytes.Buffer
	r := NewRecorder(ticker(), &out)
	r.Observe(Event{Kind: Observed}, func() time.Duration {
		r.Append(Event{Kind: Healed})
		return time.Second
	})
	read, err := ReadHistory(&out)
	if err != nil {
		t.Fatal(err)
	}
	for name, h := range map[string]History{"kept": r.History(), "written": read} {
		if len(h) != 2 || h[0].Kind != Observed || h[1].Kind != Healed {
			t.Errorf("%s: %+v, want observed, healed", name, h)
		}
	}
}

func TestRecorderIsForSeveralGoroutines(t *testing.T) {
	var (
		out  bytes.Buffer
		r    = NewRecorder(ticker(), &out)
		team sync.WaitGroup
	)
	for range 8 {
		team.Go(func() {
			for range 100 {
				r.Append(Event{Kind: Read})
				r.Observe(Event{Kind: Observed}, func() time.Duration { return 1 })
			}
		})
	}
	team.Wait()
	h := r.History()
	for i := range h[1:] {
		if h[i+1].At < h[i].At {
			t.Fatalf("event %d is at %v, after one at %v", i+1, h[i+1].At, h[i].At)
		}
	}
	if read, err := ReadHistory(&out); err != nil || len(read) != 1_600 || len(h) != 1_600 {
		t.Errorf("%d events kept and %d written (%v), want 1600", len(h), len(read), err)
	}
}

// failingWriter fails after some writes.
type failingWriter struct{ left int }

func (w *failingWriter) Write(p []byte) (int, error) {
	w.left--
	if w.left < 0 {
		return 0, errors.New("disk full")
	}
	return len(p), nil
}

func TestRecorderTellsOfTheFirstWriteError(t *testing.T) {
	r := NewRecorder(ticker(), &failingWriter{left: 1})
	r.Append(Event{Kind: Read})
	if err := r.Err(); err != nil {
		t.Errorf("Err = %v before anything failed", err)
	}
	r.Append(Event{Kind: Read})
	if err := r.Err(); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("Err = %v, want that the disk is full", err)
	}
	if got := len(r.History()); got != 2 {
		t.Errorf("%d events kept, want 2: memory does not need the disk", got)
	}
	if _, err := r.History().WriteTo(&failingWriter{left: 1}); err == nil {
		t.Error("WriteTo is content with a full disk")
	}
}

func TestReadHistoryRefuses(t *testing.T) {
	const good = `{"at":1,"kind":"read"}` + "\n"
	tests := map[string]struct{ text, want string }{
		"an unknown field":  {good + `{"at":2,"kind":"read","colour":"red"}`, `line 2 of the history: json: unknown field "colour"`},
		"no kind":           {good + good + `{"at":2}`, "line 3 of the history: the event has no kind"},
		"an empty line":     {good + "\n" + good, "line 2 of the history: it is empty"},
		"two on a line":     {`{"at":1,"kind":"read"}{"at":1,"kind":"read"}`, "line 1 of the history: something follows"},
		"rubbish behind it": {`{"at":1,"kind":"read"} x`, "line 1 of the history: something follows"},
		"a torn line":       {good + `{"at":2,"ki`, "line 2 of the history: unexpected EOF"},
		"a negative time":   {`{"at":-5,"kind":"read"}`, "line 1 of the history: the event is 5ns before the run began"},
		"another type":      {`{"at":"soon","kind":"read"}`, "line 1 of the history: json: cannot unmarshal"},
		"a line of a novel": {good + strings.Repeat("x", maxLine+1), "line 2 of the history: bufio.Scanner: token too long"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			h, err := ReadHistory(strings.NewReader(tc.text))
			if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("ReadHistory = %v, %v, want an error with %q", h, err, tc.want)
			}
		})
	}
}

func TestMergeHistories(t *testing.T) {
	a := History{{At: 1, Client: "a"}, {At: 3, Client: "a"}, {At: 3, Client: "aa"}}
	b := History{{At: 1, Client: "b"}, {At: 2, Client: "b"}, {At: 3, Client: "b"}}
	var order []string
	for _, e := range MergeHistories(a, b) {
		order = append(order, e.Client)
	}
	if got, want := strings.Join(order, " "), "a b b a aa b"; got != want {
		t.Errorf("order %s, want %s", got, want)
	}
	if a[1].At != 3 || b[1].At != 2 {
		t.Error("the parts were changed")
	}
}

func TestHash(t *testing.T) {
	a, b, c := Event{At: 1, Kind: Read}, Event{At: 1, Kind: Wrote}, Event{At: 2, Kind: Wrote}
	tests := map[string]struct {
		one, two History
		same     bool
	}{
		"the same":                    {History{a, c}, History{a, c}, true},
		"another order in an instant": {History{a, b, c}, History{b, a, c}, true},
		"another time":                {History{a, b}, History{a, c}, false},
		"another event":               {History{a}, History{b}, false},
		"one event more":              {History{a}, History{a, a}, false},
		"nothing":                     {nil, History{}, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			one, two := tc.one.Hash(), tc.two.Hash()
			if (one == two) != tc.same || len(one) != 64 {
				t.Errorf("hashes %s and %s, want them equal: %t", one, two, tc.same)
			}
		})
	}
}

// FuzzReadHistory checks that what is read can be written and read again, and that no text breaks a judge.
func FuzzReadHistory(f *testing.F) {
	f.Add(`{"at":1,"kind":"acquired","client":"c1","lease":1,"name":"job","votes":3,"token":7,"remaining":5}`)
	f.Add(`{"at":2,"kind":"found","node":"n1","value":"v","remaining":-1}` + "\n" + `{"at":1,"kind":"ended"}`)
	f.Add(`{"at":1,"kind":"fault-began","fault":"stop-client","client":"c1"}` + "\r\n")
	f.Add("{}\n")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := ReadHistory(strings.NewReader(text))
		if err != nil {
			return
		}
		var out bytes.Buffer
		if _, err := h.WriteTo(&out); err != nil {
			t.Fatal(err)
		}
		again, err := ReadHistory(&out)
		if err != nil || !reflect.DeepEqual(again, h) {
			t.Errorf("%q reads as %+v, and written and read again as %+v, %v", text, h, again, err)
		}
		scenario := Scenario{Holds: append(Default(Bounds{Nodes: 3, Idle: time.Second, Search: time.Second}), FencedRegister)}
		if err := Judge(scenario, h).WriteText(&out); err != nil {
			t.Error(err)
		}
	})
}
