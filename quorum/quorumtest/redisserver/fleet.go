package redisserver

import (
	"context"
	"errors"
	"sync"
)

// StartFleet starts n servers at once, all with the same options. If one fails, it closes the others
// and returns every failure.
func StartFleet(ctx context.Context, n int, opts ...Option) ([]*Server, error) {
	fleet := make([]*Server, n)
	errs := make([]error, n)
	var starts sync.WaitGroup
	for i := range n {
		starts.Go(func() { fleet[i], errs[i] = Start(ctx, opts...) })
	}
	starts.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(err, closeAll(fleet))
	}
	return fleet, nil
}

// closeAll closes the servers that were started.
func closeAll(fleet []*Server) error {
	var errs []error
	for _, s := range fleet {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}
