package main

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/redlock"
)

// A record is what happened in a demo so far. All methods may be called from several goroutines; times
// count from its making.
type record struct {
	clock clock.Clock
	start clock.Instant

	mu      sync.Mutex
	now     map[int]*holding // by worker
	tallies tallies
	faults  []*faultRecord
	events  []event
}

// tallies is what is counted. It is a value: a copy is a picture of one moment.
type tallies struct {
	holds            []hold
	longestWait      time.Duration
	renewals, losses int
	crossings        int
}

// A holding is a lease in the hand of a worker.
type holding struct {
	lease *redlock.Lease
	since time.Duration
	until time.Duration // of its validity, as far as is known
}

// A faultRecord is what became of a planned fault.
type faultRecord struct {
	fault
	began, ended time.Duration
	begun        bool // it was made
	fired        bool // the node was seen not to answer
	over         bool // it was undone
	back         bool // the node was seen to answer again
}

// away reports whether the node of the fault is not there at the given time.
func (f *faultRecord) away(at time.Duration) bool {
	return f.fired && at >= f.began && (!f.back || at < f.ended)
}

// An event is worth a line to whoever watches.
type event struct {
	at   time.Duration
	text string
}

func newRecord(clk clock.Clock, plan []fault) *record {
	r := &record{clock: clk, start: clk.Now(), now: make(map[int]*holding)}
	for _, f := range plan {
		r.faults = append(r.faults, &faultRecord{fault: f})
	}
	return r
}

// elapsed is the time since the start.
func (r *record) elapsed() time.Duration { return r.clock.Now().Sub(r.start) }

// tell adds an event.
func (r *record) tell(format string, args ...any) {
	at := r.elapsed()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, event{at: at, text: fmt.Sprintf(format, args...)})
}

// acquired begins a hold, and says how long the worker has waited for it.
func (r *record) acquired(worker int, lease *redlock.Lease, waited time.Duration) {
	since := r.elapsed()
	until := since + lease.Remaining()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now[worker] = &holding{lease: lease, since: since, until: until}
	r.tallies.longestWait = max(r.tallies.longestWait, waited)
}

// renewed notes that a worker's lease is valid for longer.
func (r *record) renewed(worker, votes int, validity time.Duration) {
	r.tell("worker %d's lease is renewed, with %d votes", worker+1, votes)
	until := r.elapsed() + validity
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tallies.renewals++
	if h := r.now[worker]; h != nil {
		h.until = max(h.until, until)
	}
}

func (r *record) lost(worker int, err error) {
	r.tell("worker %d lost its lease: %s", worker+1, explain(err))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tallies.losses++
}

func (r *record) crossed() {
	r.tell("two workers are in the critical section")
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tallies.crossings++
}

// releasing ends a hold. It is called right before the release.
func (r *record) releasing(worker int) {
	r.mu.Lock()
	h := r.now[worker]
	delete(r.now, worker)
	to := r.elapsed()
	r.mu.Unlock()
	valid := h.lease.Valid() // without the lock: it may find that the lease is lost, and tell so
	r.mu.Lock()
	defer r.mu.Unlock()
	if !valid {
		to = min(to, h.until)
	}
	r.tallies.holds = append(r.tallies.holds, hold{worker: worker, from: h.since, to: to, released: valid})
}

// holdings returns who has the lock now, by worker.
func (r *record) holdings() map[int]holding {
	r.mu.Lock()
	defer r.mu.Unlock()
	held := make(map[int]holding, len(r.now))
	for worker, h := range r.now {
		held[worker] = *h
	}
	return held
}

// change changes what is known of a fault.
func (r *record) change(f *faultRecord, how func(*faultRecord)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	how(f)
}

// counted returns what was counted so far.
func (r *record) counted() tallies {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.tallies
	t.holds = slices.Clone(t.holds)
	return t
}

// faultsSoFar returns what became of each planned fault.
func (r *record) faultsSoFar() []faultRecord {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]faultRecord, len(r.faults))
	for i, f := range r.faults {
		list[i] = *f
	}
	return list
}

// eventsSince returns the events from number n on.
func (r *record) eventsSince(n int) []event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events[min(n, len(r.events)):])
}
