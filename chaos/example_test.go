package chaos_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/quorumlock/quorumlock/chaos"
)

// Try a handler of one's own under the lock, while nodes pause and replies get lost. In a test, run it inside
// testing/synctest.Test: then it takes no time, and the same seed does the same again.
func ExampleRun() {
	charge := func(held *chaos.Held) { held.Observe() } // the work, with a look at the lease before and after it

	s := chaos.Scenario{
		Name: "charging", About: "invoices are charged by one process at a time",
		Nodes: 3,
		Schedule: chaos.Schedule{
			{Kind: chaos.Pause, At: 50 * time.Millisecond, For: 200 * time.Millisecond, Nodes: []int{1}},
			{Kind: chaos.DropReply, On: chaos.Acquired, For: 50 * time.Millisecond, Nodes: []int{2}},
		},
		For: 500 * time.Millisecond, Calm: 100 * time.Millisecond,
		Holds: []chaos.Invariant{chaos.WellFormed, chaos.MutualExclusion},
		Least: chaos.Coverage{Acquired: 5, Faults: map[chaos.FaultKind]int{chaos.Pause: 1}},
	}
	s.Load.Clients, s.Load.Locks = 3, []string{"invoice:42"}
	s.Load.Work = func(ctx context.Context, c *chaos.Client) {
		for c.Sleep(ctx, 5*time.Millisecond) {
			held, err := c.Acquire(ctx, "invoice:42", chaos.Terms{TTL: time.Second})
			if err != nil {
				continue // somebody else has it
			}
			charge(held)
			_ = held.Release(context.WithoutCancel(ctx)) // what came of it is in the history
		}
	}

	report, _, err := chaos.Run(context.Background(), s, chaos.NewMemory(1, chaos.Network{}), chaos.Settings{Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	for _, v := range report.Verdicts {
		fmt.Println(v.Invariant, "held:", v.OK())
	}
	fmt.Println("enough was done:", len(report.Short) == 0)
	// Output:
	// well-formed held: true
	// mutual-exclusion held: true
	// enough was done: true
}
