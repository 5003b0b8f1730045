package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A Suite measures subjects according to a plan.
type Suite struct {
	Subjects []Subject
	Plan     Plan
	// Only names the scenarios of Run, if not all are wanted: load, own, sick, hand-off, endure, held.
	Only []string
	// Tell is told what is being measured. It may be nil.
	Tell func(format string, args ...any)
}

// A Plan says how much is measured. [FullPlan] is what figures are quoted from.
type Plan struct {
	Name    string        `json:"name"`
	Rounds  int           `json:"rounds"`
	TTL     time.Duration `json:"ttl_ns"` // of locks that are not held for long
	Load    LoadPlan      `json:"load"`
	Sick    SickPlan      `json:"sick"`
	HandOff HandOffPlan   `json:"hand_off"`
	Held    HeldPlan      `json:"held"`
	Endure  EndurePlan    `json:"endure"`
}

// A LoadPlan is every combination of Callers and Nodes, For each round and subject after a WarmUp.
type LoadPlan struct {
	Callers []int         `json:"callers"`
	Nodes   []int         `json:"nodes"`
	For     time.Duration `json:"for_ns"`
	WarmUp  time.Duration `json:"warm_up_ns"`
}

// A SickPlan is one node that is well, then sick, then well again, while each of Callers begins a cycle of
// acquire, extend and release every Pace.
type SickPlan struct {
	Nodes   int           `json:"nodes"`
	Callers int           `json:"callers"`
	Pace    time.Duration `json:"pace_ns"`
	Healthy time.Duration `json:"healthy_ns"`
	Sick    time.Duration `json:"sick_ns"`
	Healed  time.Duration `json:"healed_ns"`
}

// A HandOffPlan is rivals that compete for one name and hold it for Hold each time. The first of Rivals is the one
// that is quoted.
type HandOffPlan struct {
	Nodes  int           `json:"nodes"`
	Hold   time.Duration `json:"hold_ns"`
	For    time.Duration `json:"for_ns"`
	Rivals []Rivals      `json:"rivals"`
}

// Rivals are Processes with Callers each (0 is 1), every one of which wants the name again Think after it has given
// it back. One that asks again at once often meets nobody but itself, where a lock lets it: with a pause every hold
// is a hand-over, as far as the lock is quick enough, so that no lock is blamed for keeping what nobody asked for.
type Rivals struct {
	Processes int           `json:"processes"`
	Callers   int           `json:"callers"`
	Think     time.Duration `json:"think_ns"`
}

func (r Rivals) all() int { return r.Processes * max(r.Callers, 1) }

// A HeldPlan is leases that are held and renewed: each number of Counts For its time.
type HeldPlan struct {
	Nodes  int             `json:"nodes"`
	TTL    time.Duration   `json:"ttl_ns"`
	Counts []int           `json:"counts"`
	For    []time.Duration `json:"for_ns"` // one for each of Counts, longer than TTL
}

// An EndurePlan is many operations.
type EndurePlan struct {
	Nodes      int   `json:"nodes"`
	Callers    int   `json:"callers"`
	Operations int64 `json:"operations"`
}

// FullPlan is what figures are quoted from. It takes about half an hour.
func FullPlan() Plan {
	return Plan{
		Name: "full", Rounds: 5, TTL: 10 * time.Second,
		Load: LoadPlan{
			Callers: []int{1, 8, 64, 512}, Nodes: []int{1, 3, 5, 7},
			For: 500 * time.Millisecond, WarmUp: 200 * time.Millisecond,
		},
		Sick: SickPlan{
			Nodes: 5, Callers: 8, Pace: 10 * time.Millisecond,
			Healthy: 2 * time.Second, Sick: 6 * time.Second, Healed: time.Second,
		},
		HandOff: HandOffPlan{
			Nodes: 5, Hold: 2 * time.Millisecond, For: 4 * time.Second,
			Rivals: []Rivals{{8, 1, 2 * time.Millisecond}, {8, 1, 0}, {10, 10, 2 * time.Millisecond}},
		},
		Held: HeldPlan{
			Nodes: 5, TTL: 30 * time.Second,
			Counts: []int{1_000, 10_000, 100_000},
			For:    []time.Duration{time.Minute, time.Minute, 5 * time.Minute},
		},
		Endure: EndurePlan{Nodes: 5, Callers: 64, Operations: 1_000_000},
	}
}

// QuickPlan is the same in about three minutes: for a look, not for quoting.
func QuickPlan() Plan {
	p := FullPlan()
	p.Name, p.Rounds = "quick", 3
	p.Load.For, p.Load.WarmUp = 200*time.Millisecond, 50*time.Millisecond
	p.Sick.Healthy, p.Sick.Sick, p.Sick.Healed = time.Second, 1500*time.Millisecond, 500*time.Millisecond
	p.HandOff.For = 1500 * time.Millisecond
	p.HandOff.Rivals = []Rivals{{8, 1, 2 * time.Millisecond}, {8, 1, 0}, {3, 3, 2 * time.Millisecond}}
	p.Held.TTL = 6 * time.Second
	p.Held.Counts, p.Held.For = []int{1_000, 10_000}, []time.Duration{8 * time.Second, 8 * time.Second}
	p.Endure.Operations = 20_000
	return p
}

// TinyPlan is hardly anything: it shows in seconds that everything can be measured.
func TinyPlan() Plan {
	return Plan{
		Name: "tiny", Rounds: 2, TTL: 10 * time.Second,
		Load: LoadPlan{Callers: []int{1, 4}, Nodes: []int{1, 3}, For: 20 * time.Millisecond, WarmUp: 5 * time.Millisecond},
		Sick: SickPlan{Nodes: 3, Callers: 2, Pace: 5 * time.Millisecond, Healthy: 200 * time.Millisecond, Sick: 200 * time.Millisecond, Healed: 100 * time.Millisecond},
		HandOff: HandOffPlan{
			Nodes: 3, Hold: 2 * time.Millisecond, For: 300 * time.Millisecond,
			Rivals: []Rivals{{2, 1, 2 * time.Millisecond}, {2, 2, 2 * time.Millisecond}},
		},
		Held:   HeldPlan{Nodes: 3, TTL: 2 * time.Second, Counts: []int{5, 10}, For: []time.Duration{time.Second, 2500 * time.Millisecond}},
		Endure: EndurePlan{Nodes: 3, Callers: 2, Operations: 50},
	}
}

// A step is one scenario.
type step struct {
	name string
	run  func() error
}

// Run measures everything, or what Only names. A scenario that fails does not take the others with it: there are
// results then, without it, and an error.
func (s *Suite) Run(ctx context.Context) (*Results, error) {
	start := time.Now()
	r := newResults(ctx, s)
	steps := []step{
		{"load", func() (err error) { r.Load, err = s.Load(ctx); return err }},
		{"own", func() (err error) { r.Own, err = s.Own(ctx); return err }},
		{"sick", func() (err error) { r.Sick, err = s.Sick(ctx); return err }},
		{"hand-off", func() (err error) { r.HandOff, err = s.HandOff(ctx); return err }},
		{"endure", func() (err error) { r.Endure, err = s.Endure(ctx); return err }},
		{"held", func() (err error) { r.Held, err = s.Held(ctx); return err }},
	}
	for _, wanted := range s.Only {
		if !slices.ContainsFunc(steps, func(step step) bool { return step.name == wanted }) {
			return nil, fmt.Errorf("benchmarks: no scenario is called %q", wanted)
		}
	}
	if err := s.Check(ctx); err != nil {
		return nil, err
	}
	var errs []error
	for _, step := range steps {
		if ctx.Err() == nil && (len(s.Only) == 0 || slices.Contains(s.Only, step.name)) {
			errs = append(errs, step.run())
		}
	}
	r.Took = time.Since(start).Round(time.Second).String()
	return r, errors.Join(append(errs, ctx.Err())...)
}

func (s *Suite) tell(format string, args ...any) {
	if s.Tell != nil {
		s.Tell(format, args...)
	}
}

// fitting are the subjects that can be had on that many nodes.
func (s *Suite) fitting(nodes int) []Subject {
	var fit []Subject
	for _, subject := range s.Subjects {
		if subject.Fits(nodes) {
			fit = append(fit, subject)
		}
	}
	return fit
}

// A ground is servers for every subject of a scenario: Redis servers that they share, and those that some
// subjects bring themselves.
type ground struct {
	fleet *Fleet // nil if nobody needs it
	own   map[string]Servers
}

func newGround(ctx context.Context, nodes int, subjects []Subject) (*ground, error) {
	g := &ground{own: make(map[string]Servers)}
	for _, subject := range subjects {
		var err error
		if host, ok := subject.(Hoster); ok {
			g.own[subject.Name()], err = host.Host(ctx, nodes)
		} else if g.fleet == nil {
			g.fleet, err = StartFleet(ctx, nodes)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("servers of %s: %w", subject.Name(), err), g.close())
		}
	}
	return g, nil
}

// of returns the servers of a subject.
func (g *ground) of(s Subject) Servers {
	if own, ok := g.own[s.Name()]; ok {
		return own
	}
	return g.fleet
}

func (g *ground) close() error {
	errs := []error{g.fleet.Close()}
	for _, servers := range g.own {
		if servers != nil {
			errs = append(errs, servers.Close())
		}
	}
	return errors.Join(errs...)
}

// open makes a client of every subject, in their order.
func (g *ground) open(ctx context.Context, subjects []Subject, ttl time.Duration) (clients, error) {
	var all clients
	for _, subject := range subjects {
		client, err := subject.Open(ctx, Site{Addrs: g.of(subject).Addrs(), TTL: ttl})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("opening %s: %w", subject.Name(), err), all.close())
		}
		all = append(all, client)
	}
	return all, nil
}

type clients []Client

func (c clients) close() error {
	return errors.Join(mapped(c, Client.Close)...)
}
