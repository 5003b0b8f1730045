package fakeredis_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/chaos/internal/fakeredis"
	"github.com/quorumlock/quorumlock/clock"
)

// TestProveSpeed measures how many commands of the real client library a bubble carries out in a
// second of real time: eight clients, whose messages take no time.
func TestProveSpeed(t *testing.T) {
	commands := 2_000
	if proving() {
		commands = 100_000
	}
	source := scripts(t)["batch"]
	for name, args := range map[string][]any{
		"GET":     {"GET", "key"},
		"EVALSHA": {"EVALSHA", sha(source), 1, "key", "0", "value", "acquire", 1000, 0},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			synctest.Test(t, func(t *testing.T) { hammer(t, commands, source, args) })
			took := time.Since(began)
			t.Logf("%d commands in %v: %.0f a second, %v each", commands, took, float64(commands)/took.Seconds(), took/time.Duration(commands))
		})
	}
}

func hammer(t *testing.T, commands int, source string, args []any) {
	server := fakeredis.New(0, clock.Process())
	defer server.Close()
	const clients = 8
	var all sync.WaitGroup
	for i := range clients {
		client := redis.NewClient(server.Link(i).Options())
		must(t, client.ScriptLoad(t.Context(), source).Err())
		all.Go(func() {
			defer client.Close()
			for range commands / clients {
				if err := client.Do(t.Context(), args...).Err(); err != nil && !errors.Is(err, redis.Nil) {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	settle()
}
