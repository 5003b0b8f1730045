package chaos_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/chaos"
)

// crowds returns work in which several callers of each client wait for one lock, and so hand it to each other.
func crowds(callers int) func(ctx context.Context, c *chaos.Client) {
	return func(ctx context.Context, c *chaos.Client) {
		var crowd sync.WaitGroup
		for range callers {
			crowd.Go(func() {
				for c.Sleep(ctx, time.Millisecond) {
					asking, cancel := context.WithTimeout(ctx, c.Load().TTL)
					held, err := c.Acquire(asking, "job", chaos.Terms{TTL: c.Load().TTL, Wait: true})
					cancel()
					if err != nil {
						continue
					}
					held.Observe()
					c.Sleep(ctx, 20*time.Millisecond)
					held.Observe()
					release, end := context.WithTimeout(context.WithoutCancel(ctx), c.Load().TTL)
					_ = held.Release(release) // what comes of it is in the history
					end()
				}
			})
		}
		crowd.Wait()
	}
}

// Leases that are handed over inside a client are leases like all others, whatever breaks meanwhile.
func TestHandOversHoldWhatLeasesHold(t *testing.T) {
	at := func(n int) time.Duration { return time.Duration(n) * 100 * time.Millisecond }
	one, two := []int{1}, []int{0, 2}
	tests := map[string]chaos.Schedule{
		"nothing breaks": nil,
		"replies are lost": {
			{Kind: chaos.DropReply, Nodes: one, At: at(2), For: at(3)}, {Kind: chaos.DropReply, Nodes: two, At: at(6), For: at(3)},
		},
		"nodes die":           {{Kind: chaos.Kill, Nodes: one, At: at(2), For: at(3)}, {Kind: chaos.Kill, Nodes: two, At: at(6), For: at(3)}},
		"nodes stop":          {{Kind: chaos.Pause, Nodes: one, At: at(2), For: at(3)}, {Kind: chaos.Pause, Nodes: two, At: at(6), For: at(3)}},
		"a link is slow":      {{Kind: chaos.Delay, Nodes: two, At: at(2), For: at(8), By: 20 * time.Millisecond}},
		"a client stops":      {{Kind: chaos.StopClient, Clients: one, On: chaos.ReleaseInvoked, At: at(2), For: at(8)}},
		"nobody is told":      {{Kind: chaos.LoseAnnouncements, Nodes: []int{0, 1, 2}, Amount: 1, For: at(15)}},
		"a node forgets late": {{Kind: chaos.KillWiped, Nodes: one, At: at(2), For: at(7)}},
	}
	for _, s := range simulators {
		for name, schedule := range tests {
			t.Run(s.name+"/"+name, func(t *testing.T) {
				for seed := range uint64(3) {
					scenario := plain(schedule...)
					scenario.Load.Work = crowds(3)
					idle := 5 * scenario.Load.TTL / 4 // what faults left behind may last for a TTL
					if schedule == nil {
						idle = scenario.Load.TTL / 5
					}
					scenario.Holds = append(scenario.Holds, chaos.Liveness(idle))
					r, h := s.play(t, seed+1, scenario, chaos.Network{})
					over := 0
					for _, e := range h {
						if e.Kind == chaos.Changed && e.Op == "handover" && e.Next != "" {
							over++
						}
					}
					if !r.OK() || over == 0 {
						var text strings.Builder
						_ = r.WriteText(&text)
						t.Errorf("seed %d: %d hand-overs on nodes\n%s", seed+1, over, text.String())
					}
				}
			})
		}
	}
}
