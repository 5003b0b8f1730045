package leader_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum/memnode"
	"github.com/quorumlock/quorumlock/redlock"
	"github.com/quorumlock/quorumlock/redlock/fence"
	"github.com/quorumlock/quorumlock/redlock/leader"
)

// inMemory is a Locker over five nodes in memory. Programs use redlock.Open with the URLs of theirs.
func inMemory() *redlock.Locker {
	clk := clock.System()
	locker, err := redlock.NewWithNodes(memnode.Cluster(5, clk), redlock.WithClock(clk), redlock.WithHolder("worker-1"))
	if err != nil {
		panic(err) // the options are the example's own
	}
	return locker
}

// Run a job at regular times, in one of many processes. The token of the term guards what the job writes, so
// that a leader which stood still for too long writes nothing.
func ExampleElector_Run() {
	locker := inMemory()
	defer locker.Close()
	elector, err := leader.New(locker, "nightly-report", leader.WithLease(redlock.WithTTL(3*time.Second)))
	if err != nil {
		fmt.Println(err)
		return
	}
	reports := fence.NewMemory() // where reports are kept: in programs a table, see package fence

	ctx, stop := context.WithCancel(context.Background())
	nights := 0
	err = elector.Run(ctx, func(ctx context.Context, term leader.Term) error {
		night := time.NewTicker(10 * time.Millisecond) // a short one
		defer night.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil // the term is over: somebody else goes on
			case <-night.C:
			}
			err := reports.Write(ctx, "reports", term.Token, func(context.Context) error {
				nights++
				fmt.Println("report", nights)
				return nil
			})
			if errors.Is(err, fence.ErrStale) {
				return err // a later leader has been here
			}
			if nights == 2 {
				stop() // the program ends
			}
		}
	})
	fmt.Println(err)
	// Output:
	// report 1
	// report 2
	// leader: context canceled
}

// Take part in several elections at once. Each role has a leader of its own, in this process or another.
func ExampleElector_Run_severalRoles() {
	locker := inMemory()
	defer locker.Close()

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	elected := make(chan string)
	var roles sync.WaitGroup
	for _, role := range []string{"cleaner", "mailer"} {
		elector, err := leader.New(locker, role)
		if err != nil {
			fmt.Println(err)
			return
		}
		roles.Go(func() {
			_ = elector.Run(ctx, func(ctx context.Context, term leader.Term) error {
				elected <- term.Role
				<-ctx.Done()
				return nil
			})
		})
	}
	leads := map[string]bool{<-elected: true, <-elected: true}
	fmt.Println(leads["cleaner"], leads["mailer"])
	stop()
	roles.Wait() // works have returned, and the roles are free
	// Output: true true
}

// Ask before each job instead of running one work: what schedulers such as gocron do.
func ExampleElector_IsLeader() {
	locker := inMemory()
	defer locker.Close()
	elector, err := leader.New(locker, "scheduler")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer elector.Close()
	fmt.Println(elector.IsLeader(context.Background()))

	go func() { _ = elector.Run(context.Background(), leader.Idle) }()
	for change := range elector.Observe(context.Background()) {
		if change.Leader.Self {
			break
		}
	}
	fmt.Println(elector.IsLeader(context.Background()))
	// Output:
	// leader: not the leader
	// <nil>
}

// See who leads, from any process.
func ExampleElector_Leader() {
	locker := inMemory()
	defer locker.Close()
	elector, err := leader.New(locker, "cleaner")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer elector.Close()

	_, err = elector.Leader(context.Background())
	fmt.Println(errors.Is(err, leader.ErrNoLeader))

	elected := make(chan struct{})
	go func() {
		_ = elector.Run(context.Background(), func(ctx context.Context, _ leader.Term) error {
			close(elected)
			<-ctx.Done()
			return nil
		})
	}()
	<-elected
	now, err := elector.Leader(context.Background())
	fmt.Println(now.Holder, now.Self, err)
	// Output:
	// true
	// worker-1 true <nil>
}
