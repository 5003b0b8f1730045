package clock_test

import (
	"fmt"
	"time"

	"github.com/quorumlock/quorumlock/clock"
)

// How long may a lease be believed that was asked for, for ten seconds, at some instant? The clock is
// read before the request is sent, so that the time under way is charged already.
func ExampleDrift_Deadline() {
	drift := clock.Drift{Rate: clock.DefaultRate}

	const sent = clock.Instant(5 * time.Second) // clock.System().Now(), in real life
	until := drift.Deadline(sent, 10*time.Second)

	for _, now := range []clock.Instant{sent.Add(9 * time.Second), sent.Add(10 * time.Second)} {
		fmt.Println(now.Sub(sent), now.Before(until), until.Sub(now))
	}
	// Output:
	// 9s true 898ms
	// 10s false -102ms
}

// A test sees how its code takes a machine that was asleep.
func ExampleSkewed() {
	c := clock.NewSkewed(clock.System())
	lease := c.Now().Add(10 * time.Second)

	fmt.Println(c.Now().Before(lease))
	c.Suspend(time.Hour)
	fmt.Println(c.Now().Before(lease))
	// Output:
	// true
	// false
}
