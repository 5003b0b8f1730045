package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/redlock"
)

func TestDemoInMemory(t *testing.T) {
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"demo", "--for", "3s", "--memory", "--json", "--seed", "3"}, nil, &out, &errs)
	var p report
	if err := json.Unmarshal(out.Bytes(), &p); err != nil {
		t.Fatalf("no JSON: %v\n%s%s", err, out.String(), errs.String())
	}
	if code != 0 || p.Nodes != kindMemory || p.Acquisitions == 0 || p.Overlaps != 0 || p.Seed != 3 || len(p.Faults) != 2 {
		t.Errorf("exit code %d:\n%s%s", code, out.String(), errs.String())
	}
	for _, f := range p.Faults {
		if !f.Fired {
			t.Errorf("fault did not fire: %+v", f)
		}
	}
}

// UnmarshalJSON is for the tests, which read back what was written.
func (m *ms) UnmarshalJSON(data []byte) error {
	var number float64
	err := json.Unmarshal(data, &number)
	*m = ms(number * float64(time.Millisecond))
	return err
}

func TestDemoEndsEarly(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out := &lineWatcher{want: "stopped (", found: cancel}
	var errs bytes.Buffer
	if code := run(ctx, []string{"demo", "--for", "5s", "--memory"}, nil, out, &errs); code != 0 {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
	if text := out.String(); !strings.Contains(text, "Ended early.") || strings.Contains(text, "was not killed") {
		t.Errorf("the summary does not tell of an early end without blame:\n%s", text)
	}
}

// A lineWatcher calls found when it has read a text.
type lineWatcher struct {
	bytes.Buffer
	want  string
	found func()
}

func (w *lineWatcher) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if strings.Contains(w.String(), w.want) {
		w.found()
	}
	return n, err
}

// lease takes a lock on nodes in memory.
func lease(t *testing.T, c *cluster, name string, opts ...redlock.Option) *redlock.Lease {
	t.Helper()
	locker, err := c.locker(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = locker.Close() })
	l, err := locker.Acquire(t.Context(), name) // one try could come too late on a busy machine
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func memory(t *testing.T) *cluster {
	c := memoryCluster(3)
	t.Cleanup(func() { _ = c.close() })
	return c
}

func TestSection(t *testing.T) {
	c := memory(t)
	first, second := lease(t, c, "one"), lease(t, c, "another") // two locks are what a broken lock is like
	var s section
	if !s.enter(first) {
		t.Error("the first is not alone")
	}
	if s.enter(second) {
		t.Error("two with valid leases do not notice each other")
	}
	s.leave()
	s.leave()
	if !s.enter(first) {
		t.Error("one that comes after all have left is not alone")
	}
	if err := first.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !s.enter(second) {
		t.Error("one whose lease has ended counts, though it was told to be gone")
	}
}

func TestRecordEndsHoldsWithTheRelease(t *testing.T) {
	c := memory(t)
	r := newRecord(c.clock, nil)
	r.acquired(2, lease(t, c, "x"), 5*time.Second)
	if held := r.holdings(); len(held) != 1 || held[2].lease == nil {
		t.Fatalf("holdings are %v, want worker 2's", held)
	}
	r.releasing(2)
	got := r.counted()
	if len(got.holds) != 1 || len(r.holdings()) != 0 {
		t.Fatalf("recorded %+v, still held: %v", got, r.holdings())
	}
	if h := got.holds[0]; h.worker != 2 || !h.released || h.to < h.from || h.to > r.elapsed() {
		t.Errorf("recorded %+v", h)
	}
	if got.longestWait != 5*time.Second {
		t.Errorf("longest wait is %v, want 5s", got.longestWait)
	}
}

// A worker that keeps the lock for longer than its lease is valid has not had it to the end.
func TestRecordEndsHoldsWithTheValidity(t *testing.T) {
	c := memory(t)
	r := newRecord(c.clock, nil)
	l := lease(t, c, "x", redlock.WithTTL(300*time.Millisecond), redlock.WithoutRenewal())
	r.acquired(0, l, 0)
	<-l.Context().Done()
	lost := r.elapsed()
	r.releasing(0)
	holds := r.counted().holds
	if len(holds) != 1 || holds[0].released || holds[0].to > lost || holds[0].to > holds[0].from+300*time.Millisecond {
		t.Errorf("recorded %+v; the loss was noticed at %v", holds, lost)
	}
}

func TestClusterFallsBackToMemory(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	c, err := startCluster(t.Context(), demoNodes, false)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.close() }()
	if c.kind != kindMemory || !c.fallback {
		t.Errorf("without redis-server on the PATH the nodes are %s, as a fallback: %v", c.kind, c.fallback)
	}
}
