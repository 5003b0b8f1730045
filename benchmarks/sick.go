package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/quorum/quorumtest/faultproxy"
)

// Operations are what a caller does to a lock, in this order.
var Operations = []string{"acquire", "extend", "release"}

// Faults are what happens to one node of several.
var Faults = []string{"stopped", "killed", "slow"}

// SlowBy is how much longer the slow node takes to answer.
const SlowBy = 50 * time.Millisecond

// A SickRun is one subject with one of its nodes sick for a while.
type SickRun struct {
	Subject  string       `json:"subject"`
	Fault    string       `json:"fault"`
	Nodes    int          `json:"nodes"`
	Callers  int          `json:"callers"`
	Healthy  float64      `json:"healthy_seconds"`
	Sick     float64      `json:"sick_seconds"`
	Healed   float64      `json:"healed_seconds"`
	Rounds   []SickRound  `json:"rounds"`
	Timeline []SickBucket `json:"timeline"` // all rounds together
}

// A SickRound is one round. Operations that met the fault, be it at their end or at their beginning, are sick.
type SickRound struct {
	Healthy  map[string]Distribution `json:"healthy"` // by operation
	Sick     map[string]Distribution `json:"sick"`
	Failures int                     `json:"failures"`
}

// A SickBucket is the operations of one kind that began in a tenth of a second.
type SickBucket struct {
	Operation string  `json:"operation"`
	At        float64 `json:"at_seconds"` // its middle, from the start
	Count     int64   `json:"count"`
	P50       Micros  `json:"p50_us"`
	P99       Micros  `json:"p99_us"`
	Max       Micros  `json:"max_us"`
}

// Ratio is the p99 of an operation with a sick node over that with healthy ones, the median of the rounds. It is 0
// if the operation never came to be made while the node was sick: everybody waited for another one.
func (r SickRun) Ratio(operation string) float64 {
	var ratios []float64
	for _, round := range r.Rounds {
		healthy, sick := round.Healthy[operation], round.Sick[operation]
		if healthy.Count > 0 && sick.Count > 0 {
			ratios = append(ratios, float64(sick.P99)/float64(healthy.P99))
		}
	}
	return MedianOf(ratios)
}

// Sick measures every subject on Redis under every fault.
func (s *Suite) Sick(ctx context.Context) ([]SickRun, error) {
	var runs []SickRun
	for _, fault := range Faults {
		some, err := s.sickBy(ctx, fault)
		if err != nil {
			return nil, err
		}
		runs = append(runs, some...)
	}
	return runs, nil
}

func (s *Suite) sickBy(ctx context.Context, fault string) ([]SickRun, error) {
	plan := s.Plan.Sick
	subjects := slices.DeleteFunc(s.fitting(plan.Nodes), loadOnly)
	runs := make([]SickRun, len(subjects))
	samples := make([]samples, len(subjects))
	err := interleave(s.Plan.Rounds, len(subjects), func(_, i int) error {
		seen, err := s.sickRound(ctx, subjects[i], fault)
		if err != nil {
			return fmt.Errorf("%s with a node %s: %w", subjects[i].Name(), fault, err)
		}
		runs[i].Rounds = append(runs[i].Rounds, seen.judge(plan))
		samples[i] = append(samples[i], seen...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i, subject := range subjects {
		r := &runs[i]
		r.Subject, r.Fault, r.Nodes, r.Callers = subject.Name(), fault, plan.Nodes, plan.Callers
		r.Healthy, r.Sick, r.Healed = plan.Healthy.Seconds(), plan.Sick.Seconds(), plan.Healed.Seconds()
		r.Timeline = samples[i].timeline()
		s.tell("%s, one of %d nodes %s: p99 of acquire, extend, release %.2f, %.2f, %.2f times healthy", r.Subject,
			r.Nodes, fault, r.Ratio("acquire"), r.Ratio("extend"), r.Ratio("release"))
	}
	return runs, nil
}

// sickNode is which of the nodes falls sick: neither the first nor the last that a subject asks.
const sickNode = 1

// sickRound lets callers work on fresh servers, one of which falls sick.
func (s *Suite) sickRound(ctx context.Context, subject Subject, fault string) (seen samples, err error) {
	plan := s.Plan.Sick
	fleet, err := StartFleet(ctx, plan.Nodes)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, fleet.Close()) }()
	site := Site{Addrs: fleet.Addrs(), TTL: s.Plan.TTL}
	d, err := newDisease(fault, fleet, &site)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	client, err := subject.Open(ctx, site)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	p := newPatients(client, subject, plan)
	p.work(ctx, plan.Healthy/4) // warm up
	p.samples = make([]samples, plan.Callers)

	stopped := make(chan error, 1)
	go func() { stopped <- d.course(ctx, plan) }()
	p.work(ctx, plan.Healthy+plan.Sick+plan.Healed)
	err = <-stopped
	for _, some := range p.samples {
		seen = append(seen, some...)
	}
	return seen, err
}

// A disease is a fault of one node.
type disease struct {
	addr       string // where clients see the node
	begin, end func(ctx context.Context) error
	shows      func(took time.Duration, err error) bool
	close      func() error
}

// newDisease prepares a fault, if need be with a proxy in front of the node, whose address in the site it
// changes then.
func newDisease(fault string, fleet *Fleet, site *Site) (*disease, error) {
	server := fleet.Server(sickNode)
	d := &disease{addr: server.Addr(), close: func() error { return nil }}
	d.shows = func(_ time.Duration, err error) bool { return err != nil }
	switch fault {
	case "stopped":
		d.begin = func(context.Context) error { return server.Pause() }
		d.end = func(context.Context) error { return server.Resume() }
	case "killed":
		d.begin = func(context.Context) error { return server.Kill() }
		d.end = server.Restart
	case "slow":
		proxy, err := faultproxy.Start(server.Addr(), 1)
		if err != nil {
			return nil, err
		}
		set := func(by time.Duration) func(context.Context) error {
			return func(context.Context) error {
				proxy.Delay(faultproxy.ToClient, by, 0)
				return nil
			}
		}
		d.addr, d.begin, d.end, d.close = proxy.Addr(), set(SlowBy), set(0), proxy.Close
		d.shows = func(took time.Duration, _ error) bool { return took >= SlowBy } // on a busy machine even longer than ping waits
		site.Addrs[sickNode] = proxy.Addr()
	default:
		return nil, fmt.Errorf("benchmarks: no fault is called %q", fault)
	}
	return d, nil
}

// course lets the fault come and go, and fails if it did not show: a fault that was not there was not measured.
func (d *disease) course(ctx context.Context, plan SickPlan) error {
	start := time.Now()
	time.Sleep(plan.Healthy)
	if err := d.begin(ctx); err != nil {
		return err
	}
	time.Sleep(plan.Sick / 2)
	took, err := ping(ctx, d.addr)
	if !d.shows(took, err) {
		return fmt.Errorf("the fault did not show: a PING took %v, with error %v", took, err) //nolint:errorlint // it may be nil
	}
	time.Sleep(plan.Healthy + plan.Sick - time.Since(start))
	return d.end(ctx)
}

// ping asks a server, with patience for a slow one and none for a dead one.
func ping(ctx context.Context, addr string) (time.Duration, error) {
	client := redis.NewClient(&redis.Options{
		Addr: addr, MaxRetries: -1, DialerRetries: 1, DisableIdentity: true, Protocol: 2, ContextTimeoutEnabled: true,
		DialTimeout: time.Second, ReadTimeout: time.Second,
	})
	defer client.Close() //nolint:errcheck // nothing is lost with it
	ctx, cancel := context.WithTimeout(ctx, 4*SlowBy)
	defer cancel()
	start := time.Now()
	err := client.Ping(ctx).Err()
	return time.Since(start), err
}

// patients are callers who do not know of the fault.
type patients struct {
	client  Client
	prefix  string
	pace    time.Duration
	samples []samples // by caller
}

func newPatients(client Client, subject Subject, plan SickPlan) *patients {
	return &patients{
		client: client, prefix: "benchmark:sick:" + subject.Name() + ":", pace: plan.Pace,
		samples: make([]samples, plan.Callers),
	}
}

// work lets every caller begin a cycle each pace, or as soon as the last one has ended.
func (p *patients) work(ctx context.Context, d time.Duration) {
	start := time.Now()
	var all sync.WaitGroup
	for i := range p.samples {
		all.Go(func() {
			due := start.Add(p.pace * time.Duration(i) / time.Duration(len(p.samples)))
			for time.Since(start) < d && ctx.Err() == nil {
				time.Sleep(time.Until(due))
				p.samples[i] = p.cycle(ctx, p.prefix+strconv.Itoa(i), start, p.samples[i])
				due = due.Add(p.pace)
				if now := time.Now(); due.Before(now) {
					due = now
				}
			}
		})
	}
	all.Wait()
}

// cycle takes, extends and releases a lock once. An operation that fails is timed like any other: its caller
// waited.
func (p *patients) cycle(ctx context.Context, name string, start time.Time, seen samples) samples {
	var hold Hold
	steps := []func() error{
		func() (err error) { hold, err = p.client.Acquire(ctx, name); return err },
		func() error { return hold.Extend(ctx) },
		func() error { return hold.Release(ctx) },
	}
	for operation, step := range steps {
		from := time.Since(start)
		err := step()
		seen = append(seen, sample{operation: operation, from: from, to: time.Since(start), failed: err != nil})
		if hold == nil {
			break
		}
	}
	return seen
}
