package chaos

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Scenario is one experiment, as data.
type Scenario struct {
	_ struct{}

	// Name is short, and names files; About says in a sentence what is shown.
	Name, About string
	// Nodes is how many nodes there are.
	Nodes int
	// Load is what the clients do.
	Load Load
	// Schedule is what goes wrong.
	Schedule Schedule
	// For is how long faults may last. After it the fleet is healthy, and the load goes on for Calm.
	For time.Duration
	// Calm is how long a healthy fleet is watched at the end. Default: three times the load's TTL, so
	// that whatever was left by faults has run out when the run looks for orphans.
	Calm time.Duration
	// Holds must hold on the run's history. Breaks must not: a scenario whose assumptions are broken on
	// purpose fails if its judges do not see that.
	Holds, Breaks []Invariant
	// Least is what a run must have done to count.
	Least Coverage
}

// A Load is what the clients of a run do.
type Load struct {
	_ struct{}

	// Clients is how many there are, each with connections and a clock of its own.
	Clients int
	// Locks are the names that they compete for. Default: "job".
	Locks []string
	// TTL is that of their leases. Default: two seconds.
	TTL time.Duration
	// Open opens a client's lock. Default: [Redlock] without further options. It is the place for an
	// adapter to another library.
	Open func(Member) (Lock, error)
	// Work is what a client does until its context ends. Default: [Contend] with the zero Manner.
	Work func(ctx context.Context, client *Client)
}

// Coverage is what a run has done: the answer to "did this show anything?".
type Coverage struct {
	// Acquired counts leases; Contended those that had to be taken from under somebody's nose: attempts on
	// the same lock overlapped with them.
	Acquired  int `json:"acquired"`
	Contended int `json:"contended"`
	// HandedOver counts the leases that took the place of another one on a node, without a release.
	HandedOver int `json:"handed_over"`
	// Faults counts, by kind, the faults that took effect.
	Faults map[FaultKind]int `json:"faults"`
}

// defaultTTL is the TTL of a load that does not say.
const defaultTTL = 2 * time.Second

// orDefault fills in what the scenario leaves open.
func (s Scenario) orDefault() Scenario {
	l := &s.Load
	if len(l.Locks) == 0 {
		l.Locks = []string{"job"}
	}
	if l.TTL == 0 {
		l.TTL = defaultTTL
	}
	if l.Open == nil {
		l.Open = Redlock()
	}
	if l.Work == nil {
		l.Work = Contend(Manner{})
	}
	if s.Calm == 0 {
		s.Calm = 3 * l.TTL
	}
	return s
}

// validate returns every rule that the scenario breaks.
func (s Scenario) validate() error {
	var faults []error
	rule := func(broken bool, format string, args ...any) {
		if broken {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	rule(s.Name == "", "it has no name")
	rule(s.Nodes < 1, "%d nodes: want at least one", s.Nodes)
	rule(s.Load.Clients < 1, "%d clients: want at least one", s.Load.Clients)
	rule(s.Load.TTL < 0, "TTL %v is negative", s.Load.TTL)
	rule(s.For <= 0, "it lasts %v: want a positive duration", s.For)
	rule(s.Calm < 0, "calm of %v is negative", s.Calm)
	rule(len(s.Holds)+len(s.Breaks) == 0, "it has nothing to judge by: name what holds, see Default")
	for i, f := range s.Schedule {
		if err := f.validate(s.Nodes, s.Load.Clients); err != nil {
			faults = append(faults, fmt.Errorf("fault %d (%s): %w", i, f.Kind, err))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("chaos: scenario %q: %w", s.Name, err)
	}
	return nil
}
