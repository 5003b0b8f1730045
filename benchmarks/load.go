package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A LoadCell is one subject under one load: callers that take and give back a lock of their own, as fast as
// they can.
type LoadCell struct {
	Subject string       `json:"subject"`
	Callers int          `json:"callers"`
	Nodes   int          `json:"nodes"`
	Rounds  []LoadRound  `json:"rounds"`
	Acquire Distribution `json:"acquire"` // over all rounds
	Release Distribution `json:"release"`
	Both    Distribution `json:"both"` // acquire and release together
}

// A LoadRound is what one round cost. An operation is an acquire and its release.
type LoadRound struct {
	Operations  int64   `json:"operations"`
	Failures    int64   `json:"failures"`
	Failure     string  `json:"failure,omitempty"` // the first one
	Seconds     float64 `json:"seconds"`
	Allocs      float64 `json:"allocs_per_op"`
	Bytes       float64 `json:"bytes_per_op"`
	ClientCPU   Micros  `json:"client_cpu_us_per_op"`
	ServerCPU   Micros  `json:"server_cpu_us_per_op"`
	Commands    float64 `json:"server_commands_per_op"`
	Scripts     float64 `json:"server_scripts_per_op"`
	ScriptTime  Micros  `json:"server_script_us"` // of one script, as commandstats has it
	ServerReads float64 `json:"server_reads_per_op"`
	Goroutines  int     `json:"goroutines"` // beyond the callers, and what was there before
}

// PerSecond is the operations per second.
func (r LoadRound) PerSecond() float64 { return float64(r.Operations) / r.Seconds }

// PerOp is the time of one operation, all callers together.
func (r LoadRound) PerOp() time.Duration {
	return time.Duration(r.Seconds / float64(r.Operations) * float64(time.Second))
}

// Median is the median of a figure over the rounds.
func (c LoadCell) Median(of func(LoadRound) float64) float64 { return MedianOf(mapped(c.Rounds, of)) }

// Load measures every subject under every load of the plan.
func (s *Suite) Load(ctx context.Context) ([]LoadCell, error) {
	var cells []LoadCell
	for _, nodes := range s.Plan.Load.Nodes {
		some, err := s.loadOn(ctx, nodes, s.fitting(nodes))
		if err != nil {
			return nil, err
		}
		cells = append(cells, some...)
	}
	return cells, nil
}

// Own measures what the library costs without a network and without Redis.
func (s *Suite) Own(ctx context.Context) ([]LoadCell, error) {
	var cells []LoadCell
	for _, nodes := range s.Plan.Load.Nodes {
		if err := checkOwn(ctx, nodes, s.Plan.TTL); err != nil {
			return nil, err
		}
		some, err := s.loadOn(ctx, nodes, []Subject{InMemory()})
		if err != nil {
			return nil, err
		}
		cells = append(cells, some...)
	}
	return cells, nil
}

func (s *Suite) loadOn(ctx context.Context, nodes int, subjects []Subject) (cells []LoadCell, err error) {
	g, err := newGround(ctx, nodes, subjects)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, g.close()) }()
	all, err := g.open(ctx, subjects, s.Plan.TTL)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, all.close()) }()
	for _, callers := range s.Plan.Load.Callers {
		loads := make([]*load, len(subjects))
		for i, subject := range subjects {
			loads[i] = newLoad(subject, all[i], g.of(subject), callers)
		}
		if err := s.loadRounds(ctx, loads); err != nil {
			return nil, err
		}
		for _, l := range loads {
			cells = append(cells, l.cell(nodes))
			s.tell("%s: %.0f op/s", l.describe(nodes), cells[len(cells)-1].Median(LoadRound.PerSecond))
		}
	}
	return cells, nil
}

func (s *Suite) loadRounds(ctx context.Context, loads []*load) error {
	for _, l := range loads {
		if _, err := l.measure(ctx, s.Plan.Load.WarmUp, newStripes(l.callers)); err != nil {
			return err
		}
	}
	return interleave(s.Plan.Rounds, len(loads), func(_, i int) error {
		l := loads[i]
		hists := newStripes(l.callers)
		round, err := l.measure(ctx, s.Plan.Load.For, hists)
		if err != nil {
			return err
		}
		l.rounds = append(l.rounds, round)
		hists.mergeInto(l.sum)
		return nil
	})
}

// A load is one subject under one load.
type load struct {
	subject Subject
	client  Client
	servers Servers
	callers int
	names   []string
	rounds  []LoadRound
	sum     *stripe
}

func newLoad(subject Subject, client Client, servers Servers, callers int) *load {
	l := &load{subject: subject, client: client, servers: servers, callers: callers, sum: newStripes(1)[0]}
	for i := range callers {
		l.names = append(l.names, "benchmark:"+subject.Name()+":"+strconv.Itoa(i))
	}
	return l
}

func (l *load) describe(nodes int) string {
	return fmt.Sprintf("%s, %d nodes, %d callers", l.subject.Name(), nodes, l.callers)
}

func (l *load) cell(nodes int) LoadCell {
	return LoadCell{
		Subject: l.subject.Name(), Callers: l.callers, Nodes: nodes, Rounds: l.rounds,
		Acquire: coarse(l.sum.acquire), Release: coarse(l.sum.release), Both: distribution(l.sum.both),
	}
}

// measure lets the callers work for d. The look at what it costs is as close around them as can be.
func (l *load) measure(ctx context.Context, d time.Duration, hists stripes) (LoadRound, error) {
	usage, err := l.servers.Usage(ctx)
	if err != nil {
		return LoadRound{}, err
	}
	var before, after runtime.MemStats
	goroutines := runtime.NumGoroutine()
	runtime.ReadMemStats(&before)
	cpu, start := clientCPU(), time.Now()
	crew := l.work(ctx, d, hists)
	took := time.Since(start)
	cpu = clientCPU() - cpu
	runtime.ReadMemStats(&after)
	usedUp, err := l.servers.Usage(ctx)
	if err != nil {
		return LoadRound{}, err
	}
	done := crew.operations.Load()
	if done == 0 {
		return LoadRound{}, fmt.Errorf("%s: not one operation in %v, with %d callers: %w", l.subject.Name(), d, l.callers, crew.failure())
	}
	used, ops := usedUp.Sub(usage), float64(done)
	r := LoadRound{
		Operations: done, Failures: crew.failures.Load(), Seconds: took.Seconds(),
		Allocs:      float64(after.Mallocs-before.Mallocs) / ops,
		Bytes:       float64(after.TotalAlloc-before.TotalAlloc) / ops,
		ClientCPU:   micros(cpu) / Micros(ops),
		ServerCPU:   micros(used.CPU) / Micros(ops),
		Commands:    float64(used.Commands) / ops,
		Scripts:     float64(used.scripts()) / ops,
		ServerReads: float64(used.Reads) / ops,
		Goroutines:  max(crew.goroutines-goroutines-l.callers, 0),
	}
	if n := used.scripts(); n > 0 {
		r.ScriptTime = micros(used.Scripts) / Micros(n)
	}
	if err := crew.failure(); err != nil {
		r.Failure = err.Error()
	}
	return r, ctx.Err()
}

// A crew is the callers at work.
type crew struct {
	operations, failures atomic.Int64
	first                atomic.Pointer[error]
	over                 atomic.Bool
	goroutines           int // seen half way
}

func (c *crew) failure() error {
	if err := c.first.Load(); err != nil {
		return *err
	}
	return nil
}

func (c *crew) failed(err error) {
	c.failures.Add(1)
	c.first.CompareAndSwap(nil, &err)
	time.Sleep(time.Millisecond) // a lock that fails at once does not get the whole machine
}

// stuckAfter bounds operations that never end, over the time that callers are given.
const stuckAfter = time.Minute

func (l *load) work(ctx context.Context, d time.Duration, hists stripes) *crew {
	ctx, cancel := context.WithTimeout(ctx, d+stuckAfter)
	defer cancel()
	c := &crew{}
	var all sync.WaitGroup
	for i, name := range l.names {
		all.Go(func() { l.call(ctx, c, name, hists.of(i)) })
	}
	time.Sleep(d / 2)
	c.goroutines = runtime.NumGoroutine()
	time.Sleep(d - d/2)
	c.over.Store(true)
	all.Wait()
	return c
}

// call takes and gives back one lock, again and again.
func (l *load) call(ctx context.Context, c *crew, name string, hist *stripe) {
	done := int64(0)
	defer func() { c.operations.Add(done) }()
	for !c.over.Load() && ctx.Err() == nil {
		start := time.Now()
		hold, err := l.client.Acquire(ctx, name)
		if err != nil {
			c.failed(err)
			continue
		}
		acquired := time.Now()
		if err := hold.Release(ctx); err != nil {
			c.failed(err)
			continue
		}
		hist.note(acquired.Sub(start), time.Since(acquired))
		done++
	}
}
