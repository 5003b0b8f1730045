package chaos

import (
	"context"
	"errors"
	"fmt"
)

// can says whether the cluster can make the fault.
func (p *Processes) can(f Fault) error {
	switch f.Kind {
	case ClockRate, ClockStep, ClientRate, SuspendClient, Duplicate, LoseAnnouncements, CutSubscriber:
		return fmt.Errorf("%w: %s, on %s", ErrCannot, f.Kind, p.Kind())
	}
	return nil
}

// Inject makes a fault, as [Cluster] says. What ends a fault of several victims ends it on all of them at once.
func (p *Processes) Inject(ctx context.Context, f Fault) (mend func() error, err error) {
	if err := p.can(f); err != nil {
		return nil, err
	}
	var mends []func() error
	for _, hit := range p.victims(f) {
		m, err := hit(ctx, f)
		if err != nil {
			return nil, errors.Join(err, together(mends))
		}
		mends = append(mends, m)
	}
	return func() error { return together(mends) }, nil
}

// A hit makes a fault on one victim.
type hit func(context.Context, Fault) (mend func() error, err error)

// victims returns how each victim of the fault is hit.
func (p *Processes) victims(f Fault) []hit {
	var list []hit
	switch kinds[f.Kind] {
	case nodes:
		for _, node := range f.Nodes {
			list = append(list, p.nodes[node].fault)
		}
	case clients:
		for _, client := range f.Clients {
			list = append(list, func(ctx context.Context, f Fault) (func() error, error) {
				return p.clientFault(ctx, client, f)
			})
		}
	case links:
		for client := range p.links {
			for _, node := range f.Nodes {
				if f.hits(client) {
					list = append(list, p.links[client][node].fault)
				}
			}
		}
	}
	return list
}

func (p *Processes) clientFault(ctx context.Context, client int, f Fault) (mend func() error, err error) {
	if f.Kind != StopClient {
		return nil, fmt.Errorf("%w: %s", ErrCannot, f.Kind)
	}
	goOn, err := p.clients[client].stop(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ClientName(client), err)
	}
	return goOn, nil
}
