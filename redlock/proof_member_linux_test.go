package redlock_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/redlock"
)

// jobVariable is the environment variable that makes this program a member of a crew, and tells it which.
const jobVariable = "QUORUMLOCK_PROOF_JOB"

// A job is all that a process of a proof has to know.
type job struct {
	Kind     string        `json:"kind"`
	ID       int           `json:"id"`
	Nodes    []string      `json:"nodes"` // URLs
	Name     string        `json:"name"`
	TTL      time.Duration `json:"ttl"`
	Off      time.Duration `json:"off,omitempty"`      // by how much its time of day is wrong
	Register string        `json:"register,omitempty"` // address of the server with the register
	Guard    string        `json:"guard,omitempty"`    // one of the guards
}

// What members report.
const (
	ready   = "ready"   // it is connected
	leased  = "leased"  // it had a lease, which is over
	missed  = "missed"  // it was given none
	halting = "halting" // it has read, and waits before it writes until it is told to go on
	wrote   = "wrote"   // its write was confirmed
	refused = "refused" // the guard refused its read or write
	broken  = "broken"  // nobody knows what became of its write
	tallied = "tallied" // its counters, at the end
	gone    = "gone"    // said of it: it ended otherwise than it should
)

// A report is one line from a member. Instants are those of clock.System, which processes of a machine share.
type report struct {
	Member   int           `json:"member"`
	What     string        `json:"what"`
	Token    uint64        `json:"token,omitempty"`
	Asked    clock.Instant `json:"asked,omitempty"`
	Got      clock.Instant `json:"got,omitempty"`
	Valid    bool          `json:"valid,omitempty"` // after Got was read
	Err      string        `json:"err,omitempty"`
	Acquired uint64        `json:"acquired,omitempty"`
	Levelled uint64        `json:"levelled,omitempty"`
}

// What members are told, a line each. The end of their standard input tells them to stop.
const (
	begin = "begin"
	halt  = "halt" // after the next read
	goOn  = "go on"
)

// A member is a process that takes locks, as it sees itself.
type member struct {
	job
	locker *redlock.Locker
	clock  clock.Clock
	orders <-chan string
	out    *json.Encoder
}

// workAsMember does a member's work if this process was started as one, and reports whether it was.
func workAsMember() (worked bool, err error) {
	text, asked := os.LookupEnv(jobVariable)
	if !asked {
		return false, nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	m := &member{clock: clock.System(), orders: listen(os.Stdin, cancel), out: json.NewEncoder(os.Stdout)}
	if err := json.Unmarshal([]byte(text), &m.job); err != nil {
		return true, fmt.Errorf("%s: %w", jobVariable, err)
	}
	work := map[string]func(context.Context) error{"take leases": m.takeLeases, "modify": m.modify}[m.Kind]
	if work == nil {
		return true, fmt.Errorf("nobody can %q", m.Kind)
	}
	clk := redlock.WithClock(wrongDay{m.clock, m.Off})
	if m.locker, err = redlock.Open(ctx, m.Nodes, redlock.WithTTL(m.TTL), clk); err != nil {
		return true, err
	}
	m.report(report{What: ready})
	select {
	case <-m.orders: // to begin
	case <-ctx.Done():
	}
	if err := work(ctx); err != nil {
		return true, err
	}
	stats := m.locker.Stats()
	m.report(report{What: tallied, Acquired: stats.Acquired, Levelled: stats.Levelled})
	return true, m.locker.Close()
}

// wrongDay is a clock whose time of day is off.
type wrongDay struct {
	clock.Clock
	off time.Duration
}

func (c wrongDay) Wall() time.Time { return time.Now().Add(c.off) }

// listen hands on the lines from in, and calls end after the last one.
func listen(in io.Reader, end func()) <-chan string {
	orders := make(chan string, 1000)
	go func() {
		defer end()
		for lines := bufio.NewScanner(in); lines.Scan(); {
			orders <- lines.Text()
		}
	}()
	return orders
}

func (m *member) report(r report) {
	r.Member = m.ID
	if err := m.out.Encode(r); err != nil {
		panic(err) // nobody is there any more to tell
	}
}

// takeLeases takes and gives back a lock until ctx ends.
func (m *member) takeLeases(ctx context.Context) error {
	for ctx.Err() == nil {
		r := report{What: leased, Asked: m.clock.Now()}
		lease, err := m.locker.Acquire(ctx, m.Name)
		if err != nil {
			if ctx.Err() == nil {
				m.report(report{What: missed, Err: err.Error()})
			}
			continue
		}
		r.Got, r.Token = m.clock.Now(), lease.Token()
		r.Valid = lease.Valid()
		if err := lease.Release(context.WithoutCancel(ctx)); err != nil {
			r.Err = err.Error()
		}
		m.report(r)
	}
	return nil
}
