package redisnode

import (
	"math"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/clock"
)

const ms = time.Millisecond

// look is a sample that took width and began at sent, on a server whose clock is ahead by ahead and
// was read in the middle.
func look(sent, width, ahead time.Duration) sample {
	return sample{
		sent: clock.Instant(sent), received: clock.Instant(sent + width), node: sent + width/2 + ahead,
	}
}

func TestOffsetLearns(t *testing.T) {
	const hour = time.Hour
	first := look(hour, 10*ms, hour)
	tests := map[string]struct {
		next sample
		kept bool // the first one stays
	}{
		"a sharper look":                            {look(hour+20*ms, 5*ms, hour), false},
		"an equally sharp look":                     {look(hour+20*ms, 10*ms, hour), false},
		"a duller look soon after":                  {look(hour+20*ms, 15*ms, hour), true},
		"a duller look later":                       {look(hour+time.Second, 15*ms, hour), false},
		"a very dull look later":                    {look(hour+time.Second, 500*ms, hour), true},
		"a sharper look back":                       {look(hour-20*ms, 5*ms, hour), false},
		"a dull look that shows a forward step":     {look(hour+20*ms, 100*ms, 2*hour), false},
		"a dull look that shows a backward step":    {look(hour+20*ms, 100*ms, 0), false},
		"a dull look too dull to show a step":       {look(hour+20*ms, 100*ms, hour+40*ms), true},
		"a look from before the step the other saw": {look(hour-20*ms, 5*ms, 2*hour), true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var o offset
			o.learn(first)
			o.learn(tc.next)
			want := tc.next
			if tc.kept {
				want = first
			}
			if o.best != want {
				t.Errorf("after %+v and %+v the best is %+v", first, tc.next, o.best)
			}
		})
	}
}

func TestOffsetIsKnownForAWhile(t *testing.T) {
	var o offset
	if o.known(0) {
		t.Error("known before the first look")
	}
	o.learn(look(0, ms, 0))
	last := clock.Instant(ms).Add(sampleLife)
	if !o.known(last) || o.known(last.Add(1)) {
		t.Errorf("known at %v: %v, a nanosecond later: %v; want true, false", last, o.known(last), o.known(last.Add(1)))
	}
}

func TestOffsetMaps(t *testing.T) {
	seen := sample{sent: 1000, received: 1000 + clock.Instant(4*ms), node: time.Hour}
	tests := map[string]struct {
		at          clock.Instant
		node, slack time.Duration
	}{
		"the instant of the look": {1000, time.Hour, 4 * ms},
		"a second later":          {1000 + clock.Instant(time.Second), time.Hour + time.Second, 14 * ms},
		"a second earlier":        {1000 - clock.Instant(time.Second), time.Hour - time.Second, 14 * ms},
		"forever":                 {clock.Forever, math.MaxInt64, -1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			o := offset{best: seen, have: true}
			node, slack := o.at(tc.at)
			if node != tc.node || tc.slack >= 0 && slack != tc.slack {
				t.Errorf("at(%d) = %v, slack %v; want %v, %v", tc.at, node, slack, tc.node, tc.slack)
			}
		})
	}
}

// Whatever the samples of a steady server's clock are, its time at an instant lies between what the
// offset says and slack before that, up to the drift that the server's clock may have.
func FuzzOffset(f *testing.F) {
	f.Add(int64(0), int64(time.Millisecond), int64(0), int64(time.Second), int64(time.Millisecond), 0.5, int64(time.Minute))
	f.Fuzz(func(t *testing.T, s1, w1, ahead, s2, w2 int64, where float64, x int64) {
		const year = 365 * 24 * time.Hour
		in := func(v int64, limit time.Duration) time.Duration { return time.Duration(v).Abs() % limit }
		if !(where >= 0 && where <= 1) {
			t.Skip("no place within a round trip")
		}
		epoch := 50*year + in(ahead, year)
		var o offset
		for _, v := range [][2]int64{{s1, w1}, {s2, w2}} {
			sent, width := in(v[0], year), in(v[1], time.Hour)
			read := sent + time.Duration(where*float64(width))
			o.learn(sample{clock.Instant(sent), clock.Instant(sent + width), epoch + read})
		}
		instant := in(x, year)
		said, slack := o.at(clock.Instant(instant))
		if truth := epoch + instant; said < truth || said-slack > truth {
			t.Errorf("at(%v) = %v, slack %v; the server's time is %v", instant, said, slack, truth)
		}
	})
}
