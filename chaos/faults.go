package chaos

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// faults makes every fault of the schedule at its time, and returns when all of them have ended.
func (p *play) faults(ctx context.Context) error {
	end := p.scenario.For
	all, ctx := errgroup.WithContext(ctx)
	for i, f := range p.scenario.Schedule {
		all.Go(func() error {
			apart := time.Duration(i+1) * reaction
			if err := p.fault(ctx, f, end-apart, apart); err != nil {
				return fmt.Errorf("chaos: fault %q: %w", f, err)
			}
			return nil
		})
	}
	all.Go(func() error { return p.sleepUntil(ctx, end) })
	return all.Wait()
}

// fault waits for the fault's moment, and makes it until it or the time for faults is over.
func (p *play) fault(ctx context.Context, f Fault, end, reaction time.Duration) error {
	if f.Kind == OtherNodes {
		p.tell(FaultBegan, f) // its clients have known no other
		defer p.tell(FaultEnded, f)
		return p.sleepUntil(ctx, end)
	}
	began, err := p.moment(ctx, &f, end, reaction)
	if !began || err != nil {
		return err
	}
	if f.Kind == Stall { // which cannot be ended early
		f.For = min(f.For, end-p.cluster.Now())
	}
	p.tell(FaultBegan, f)
	mend, err := p.cluster.Inject(ctx, f)
	if err != nil {
		return err
	}
	if !f.brief() {
		over := end
		if f.For > 0 {
			over = min(end, p.cluster.Now()+f.For)
		}
		err = p.sleepUntil(ctx, over)
	}
	if failed := mend(); failed != nil {
		return failed
	}
	p.tell(FaultEnded, f)
	return err
}

// brief reports whether the fault is over at once.
func (f Fault) brief() bool {
	return f.Kind == Wipe || f.Kind == ClockStep || f.Kind == Reset || f.Kind == CutSubscriber
}

// moment waits until the fault begins, and reports whether it does before the time for faults is over. A
// reactive fault learns whom it hits.
func (p *play) moment(ctx context.Context, f *Fault, end, reaction time.Duration) (bool, error) {
	if f.At >= end {
		return false, nil
	}
	if f.On == "" {
		return true, p.sleepUntil(ctx, f.At)
	}
	cause := p.next(f.On, f.At)
	timer := time.NewTimer(end - p.cluster.Now())
	defer timer.Stop()
	select {
	case e := <-cause:
		f.hit(e)
		return true, sleep(ctx, reaction)
	case <-timer.C:
		return false, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// reaction is how long after their cause reactive faults begin, and before the end of all faults those end that
// last until then: each of the schedule a little apart from the next, so that their order is always the same.
const reaction = 97 * time.Nanosecond

// next delivers the first event of the kind, by a client, at from or later.
func (p *play) next(kind Kind, from time.Duration) <-chan Event {
	found := make(chan Event, 1)
	p.recorder.react(func(e Event) bool {
		if e.Kind != kind || e.Client == "" || e.At < from {
			return false
		}
		found <- e
		return true
	})
	return found
}

// hit makes the client of the event the victim, if the fault is of clients or of their links.
func (f *Fault) hit(cause Event) {
	if kinds[f.Kind] == nodes || len(f.Clients) > 0 {
		return
	}
	var client int
	if _, err := fmt.Sscanf(cause.Client, "c%d", &client); err == nil {
		f.Clients = []int{client - 1}
	}
}

// hits reports whether the fault is the client's, too.
func (f Fault) hits(client int) bool {
	return len(f.Clients) == 0 && kinds[f.Kind] == links || slices.Contains(f.Clients, client)
}

// tell writes down that the fault has begun or ended, once for each victim.
func (p *play) tell(kind Kind, f Fault) {
	e := Event{Kind: kind, Fault: f.Kind}
	hit := func(client string, node string) {
		e.Client, e.Node = client, node
		p.recorder.Append(e)
	}
	switch {
	case kinds[f.Kind] == clients:
		for _, client := range f.Clients {
			hit(ClientName(client), "")
		}
	case len(f.Clients) == 0:
		for _, node := range f.Nodes {
			hit("", NodeName(node))
		}
	default:
		for _, client := range f.Clients {
			for _, node := range f.Nodes {
				hit(ClientName(client), NodeName(node))
			}
		}
	}
}

// ClientName is how a history names the client of a number: "c1" is client 0.
func ClientName(client int) string { return fmt.Sprintf("c%d", client+1) }

// NodeName is how a history names the node of a number: "n1" is node 0.
func NodeName(node int) string { return fmt.Sprintf("n%d", node+1) }

// sleepUntil waits for a time of the run's clock.
func (p *play) sleepUntil(ctx context.Context, t time.Duration) error {
	return sleep(ctx, t-p.cluster.Now())
}
