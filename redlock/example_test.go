package redlock_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum/memnode"
	"github.com/quorumlock/quorumlock/redlock"
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

// Run a function while nobody else runs it.
func ExampleLocker_Do() {
	locker := inMemory()
	defer locker.Close()

	err := locker.Do(context.Background(), "nightly-report", func(ctx context.Context, _ *redlock.Lease) error {
		fmt.Println("working")
		return ctx.Err()
	})
	fmt.Println(err)
	// Output:
	// working
	// <nil>
}

// Take a lock if it is free, and tell who has it if not.
func ExampleLocker_TryAcquire() {
	locker := inMemory()
	defer locker.Close()
	ctx := context.Background()

	lease, err := locker.TryAcquire(ctx, "invoice:42")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer lease.Release(ctx)

	_, err = locker.TryAcquire(ctx, "invoice:42")
	if held, ok := errors.AsType[*redlock.HeldError](err); ok {
		fmt.Println("held by", held.Holder)
	}
	// Output: held by worker-1
}

// Wait for a lock, but not for ever.
func ExampleLocker_Acquire() {
	locker := inMemory()
	defer locker.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	lease, err := locker.Acquire(ctx, "invoice:42", redlock.WithTTL(3*time.Second))
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		fmt.Println("still held after five seconds")
		return
	case err != nil:
		fmt.Println(err)
		return
	}
	defer lease.Release(context.Background())

	fmt.Println(lease.Valid(), lease.Remaining() > 2*time.Second)
	// Output: true true
}

// Stop work as soon as the lease ends, and find out why it did.
func ExampleLease_Context() {
	locker := inMemory()
	defer locker.Close()

	lease, err := locker.TryAcquire(context.Background(), "job", redlock.WithTTL(20*time.Millisecond), redlock.WithoutRenewal())
	if err != nil {
		fmt.Println(err)
		return
	}
	<-lease.Context().Done()
	fmt.Println(errors.Is(context.Cause(lease.Context()), redlock.ErrLost))
	// Output: true
}

// Hand a lease to another process: the ticket is all that it needs.
func ExampleLocker_Resume() {
	clk := clock.System()
	nodes := memnode.Cluster(3, clk)
	locker, err := redlock.NewWithNodes(nodes, redlock.WithClock(clk))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer locker.Close()
	ctx := context.Background()

	first, err := locker.TryAcquire(ctx, "import")
	if err != nil {
		fmt.Println(err)
		return
	}
	ticket := first.Ticket() // sent to the process that goes on with the import

	second, err := locker.Resume(ctx, ticket)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(second.Name(), second.Release(ctx))
	// Output: import <nil>
}
