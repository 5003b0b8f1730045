package quorum_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/memnode"
)

// Two claimants ask three nodes for one key. The values are the claimants' own, and new for each attempt.
func ExampleEngine_Acquire() {
	clk := clock.Process() // clock.System(), outside of examples
	engine, err := quorum.NewEngine(memnode.Cluster(3, clk), quorum.Config{Clock: clk})
	if err != nil {
		log.Fatal(err)
	}
	defer engine.Close()

	ctx := context.Background()
	terms := quorum.Terms{TTL: 10 * time.Second, MinValidity: 5 * time.Second, Timeout: 500 * time.Millisecond}
	claim, err := engine.Acquire(ctx, "invoice:42", "worker-1/7f3a", terms)
	if err != nil {
		log.Fatal(err)
	}

	_, err = engine.Acquire(ctx, "invoice:42", "worker-2/09bc", terms)
	if miss := (*quorum.MissError)(nil); errors.As(err, &miss) && miss.Why == quorum.Held {
		fmt.Println("held by", miss.Holder)
	}
	if err := claim.Release(ctx, 0); err != nil {
		log.Fatal(err)
	}
	// Output: held by worker-1/7f3a
}

// The arithmetic needs no engine: of three promises, two are needed, so that one late node does not
// matter, and one long promise does not help.
func ExampleValidUntil() {
	promises := []clock.Instant{15, 17, 10}
	fmt.Println(quorum.ValidUntil(promises, 2))
	fmt.Println(quorum.ValidUntil(promises, 3))
	// Output:
	// 15
	// 10
}
