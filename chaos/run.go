package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Settings are of one run, and not of its scenario.
type Settings struct {
	_ struct{}

	// Seed chooses everything that clients draw. The cluster has a seed of its own.
	Seed uint64
	// Out gets the history as lines of JSON while it happens. Default: nowhere.
	Out io.Writer
	// Replay is the command that plays the run again, for the report.
	Replay string
}

// Run plays a scenario on a cluster, which it starts and closes, and judges what happened. A run that could
// not be played as the scenario says is an error, such as one with a fault that the cluster cannot make; one
// that breaks an invariant is a report that is not [Report.OK]. The history is what was recorded in either
// case.
//
// It takes the scenario's For and Calm, by the clock of package time: in a synctest bubble no time at all.
func Run(ctx context.Context, scenario Scenario, cluster Cluster, settings Settings) (Report, History, error) {
	s := scenario.orDefault()
	if err := s.validate(); err != nil {
		return Report{}, nil, errors.Join(err, cluster.Close())
	}
	r := NewRecorder(cluster.Now, settings.Out)
	p := &play{scenario: s, cluster: cluster, settings: settings, recorder: r, calm: make(chan struct{})}
	err := errors.Join(p.run(ctx), r.Err())
	h := r.History()
	report := Judge(s, h)
	report.Seed, report.Cluster, report.Replay = settings.Seed, cluster.Kind(), settings.Replay
	return report, h, err
}

// A play is a run under way.
type play struct {
	scenario Scenario
	cluster  Cluster
	settings Settings
	recorder *Recorder
	calm     chan struct{} // closed when the faults are over
}

// run does everything but judge.
func (p *play) run(ctx context.Context) (err error) {
	defer func() {
		if failed := p.cluster.Close(); failed != nil {
			err = errors.Join(err, fmt.Errorf("chaos: closing the cluster: %w", failed))
		}
	}()
	if err := p.cluster.Start(ctx, p.scenario, p.recorder); err != nil {
		return fmt.Errorf("chaos: starting the cluster: %w", err)
	}
	if err := p.act(ctx); err != nil {
		return err
	}
	p.recorder.Append(Event{Kind: Ended})
	if err := sleep(ctx, settle); err != nil {
		return err
	}
	if err := p.cluster.Look(ctx); err != nil {
		return fmt.Errorf("chaos: looking at the nodes: %w", err)
	}
	p.recorder.Append(Event{Kind: Looked})
	return nil
}

// settle is how long a run waits for the last requests before it looks for orphans: longer than a message takes
// in a simulation, and shorter than most TTLs, after which an orphan is gone.
const settle = 400 * time.Millisecond

// act runs the load, and the faults while it runs.
func (p *play) act(ctx context.Context) error {
	working, stop := context.WithCancel(ctx)
	defer stop()
	crew, err := p.hire()
	if err != nil {
		return err
	}
	var work sync.WaitGroup
	failures := make(chan error, len(crew))
	for _, worker := range crew {
		work.Go(func() { failures <- worker(working) })
	}
	err = p.disturb(ctx)
	stop()
	work.Wait()
	close(failures)
	for failed := range failures {
		err = errors.Join(err, failed)
	}
	return err
}

// disturb makes the faults, and then watches a healthy fleet for a while.
func (p *play) disturb(ctx context.Context) error {
	if err := p.faults(ctx); err != nil {
		return err
	}
	p.recorder.Append(Event{Kind: Healed})
	close(p.calm)
	return sleep(ctx, p.scenario.Calm)
}

// A Driver is a [Cluster] whose clients run elsewhere, such as in processes of their own.
type Driver interface {
	Cluster
	// Drive runs one client until ctx ends, and hands what it records to [Recorder.Adopt]. calm is closed
	// when the faults are over.
	Drive(ctx context.Context, client int, nodes []int, calm <-chan struct{}) error
}

// hire returns the clients, as what each of them does from its beginning to its end.
func (p *play) hire() ([]func(context.Context) error, error) {
	driver, elsewhere := p.cluster.(Driver)
	var crew []func(context.Context) error
	for client := range p.scenario.Load.Clients {
		nodes := p.scenario.nodesOf(client)
		if elsewhere {
			crew = append(crew, func(ctx context.Context) error { return driver.Drive(ctx, client, nodes, p.calm) })
			continue
		}
		c, err := p.join(client, nodes)
		if err != nil {
			return nil, errors.Join(err, dismiss(crew))
		}
		crew = append(crew, func(ctx context.Context) error {
			p.scenario.Load.Work(ctx, c)
			_ = sleep(context.WithoutCancel(ctx), linger)
			return c.close()
		})
	}
	return crew, nil
}

// linger is how long a client keeps its lock open after its work. What it has left on slow nodes is removed in
// that time; a lock that is closed at once leaves it to the TTL.
const linger = time.Second

func (p *play) join(client int, nodes []int) (*Client, error) {
	member, err := p.cluster.Join(client, nodes)
	if err != nil {
		return nil, fmt.Errorf("chaos: %s joins: %w", ClientName(client), err)
	}
	return newClient(member, p.scenario.Load, p.settings.Seed, p.recorder, p.calm)
}

// dismiss ends clients that have not begun.
func dismiss(crew []func(context.Context) error) error {
	ended, end := context.WithCancel(context.Background())
	end()
	var errs []error
	for _, worker := range crew {
		errs = append(errs, worker(ended))
	}
	return errors.Join(errs...)
}

// nodesOf returns which nodes a client uses: all, unless a fault says otherwise.
func (s Scenario) nodesOf(client int) []int {
	var list []int
	for i := range s.Nodes {
		list = append(list, i)
	}
	for _, f := range s.Schedule {
		if f.Kind == OtherNodes && f.hits(client) {
			list = f.Nodes
		}
	}
	return list
}

// sleep waits for d, or returns the error of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("chaos: the run was ended: %w", context.Cause(ctx))
	}
}
