package faultproxy

import (
	"slices"
	"testing"
	"time"
)

func TestJitterComesFromTheSeed(t *testing.T) {
	draw := func(seed uint64, conn int, dir Direction) []time.Duration {
		p, err := Start("127.0.0.1:0", seed)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		p.Delay(Both, time.Second, time.Second)
		pipe := newLink(p, conn, nil, nil).newPipe(dir, nil, nil)
		list := make([]time.Duration, 20)
		for i := range list {
			list[i] = p.delay(dir, pipe.rng)
			if list[i] < time.Second || list[i] >= 2*time.Second {
				t.Errorf("delay = %v, want 1s to 2s", list[i])
			}
		}
		return list
	}
	first := draw(7, 1, ToServer)
	if again := draw(7, 1, ToServer); !slices.Equal(first, again) {
		t.Errorf("delays = %v, then %v", first, again)
	}
	for name, other := range map[string][]time.Duration{
		"seed": draw(8, 1, ToServer), "connection": draw(7, 2, ToServer), "direction": draw(7, 1, ToClient),
	} {
		if slices.Equal(first, other) {
			t.Errorf("another %s draws the same delays", name)
		}
	}
}
