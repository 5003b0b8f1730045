package stampede

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
)

func TestFramesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := frame{
			absent:  rapid.Bool().Draw(t, "absent"),
			mark:    rapid.Uint64().Draw(t, "mark"),
			fresh:   time.Duration(rapid.Int64Range(0, int64(MaxTTL/time.Millisecond)).Draw(t, "fresh")) * time.Millisecond,
			hard:    time.Duration(rapid.Int64Range(0, int64(3*MaxTTL/time.Millisecond)).Draw(t, "hard")) * time.Millisecond,
			delta:   time.Duration(rapid.Int64Range(0, int64(time.Hour/time.Microsecond)).Draw(t, "delta")) * time.Microsecond,
			payload: rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "payload"),
		}
		blob := f.encode()
		got, err := decodeFrame(blob)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.payload) == 0 && len(f.payload) == 0 {
			got.payload = f.payload
		}
		if !reflect.DeepEqual(got, f) {
			t.Fatalf("came back as %+v, was %+v", got, f)
		}
		if m := markOf(blob); m != string(blob[2:10]) {
			t.Fatalf("mark %q", m)
		}
	})
}

func TestWhatIsNoFrame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOfN(rapid.Byte(), 0, 60).Draw(t, "data")
		f, err := decodeFrame(data)
		switch {
		case err != nil && !errors.Is(err, errFrame):
			t.Fatalf("error %v", err)
		case err == nil && (f.fresh < 0 || f.hard < 0 || f.delta < 0):
			t.Fatalf("negative times: %+v", f)
		}
	})
}

func TestJudge(t *testing.T) {
	const s = time.Second
	kept := frame{fresh: 10 * s, hard: 30 * s, delta: s}
	tests := map[string]struct {
		settings settings
		left     time.Duration
		random   float64
		want     verdict
		age      time.Duration
	}{
		"new":                                     {settings{}, 30 * s, 0, fresh, 0},
		"at the end of its freshness":             {settings{}, 20 * s, 0, fresh, 10 * s},
		"after it":                                {settings{}, 19 * s, 0, stale, 11 * s},
		"at the end":                              {settings{}, 0, 0, stale, 30 * s},
		"gone between two commands":               {settings{}, -2, 0, stale, 30 * s},
		"kept without end by someone else":        {settings{}, -1, 0, stale, 30 * s},
		"kept for longer than it was stored for":  {settings{}, time.Hour, 0, stale, 30 * s},
		"in the time that is for failures alone":  {settings{staleIfError: 5 * s}, 4 * s, 0, overdue, 26 * s},
		"before that time":                        {settings{staleIfError: 5 * s}, 5 * s, 0, stale, 25 * s},
		"fresh, whatever is for failures":         {settings{staleIfError: time.Hour}, 25 * s, 0, fresh, 5 * s},
		"at a share of its freshness":             {settings{eagerAt: 0.5}, 25 * s, 0, early, 5 * s},
		"before that share":                       {settings{eagerAt: 0.5}, 26 * s, 0, fresh, 4 * s},
		"early with luck":                         {settings{beta: 1}, 22 * s, 0.9, early, 8 * s},
		"not early without":                       {settings{beta: 1}, 22 * s, 0.5, fresh, 8 * s},
		"nor with the same luck long before":      {settings{beta: 1}, 28 * s, 0.9, fresh, 2 * s},
		"early refresh is for what is fresh only": {settings{beta: 1}, 19 * s, 0.99, stale, 11 * s},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got, age := tc.settings.judge(kept, tc.left, tc.random); got != tc.want || age != tc.age {
				t.Errorf("judge(left %v) = %v at %v, want %v at %v", tc.left, got, age, tc.want, tc.age)
			}
		})
	}
}

// Early refreshes come as often as XFetch says: at age a, with probability exp(-(fresh-a)/(delta*beta)).
func TestEarlyRefreshByChance(t *testing.T) {
	f := frame{fresh: 10 * time.Second, hard: 10 * time.Second, delta: time.Second}
	for _, ahead := range []time.Duration{500 * time.Millisecond, time.Second, 3 * time.Second} {
		n, tries := 0, 100000
		for i := range tries {
			if got, _ := (settings{beta: 1}).judge(f, ahead, (float64(i)+0.5)/float64(tries)); got == early {
				n++
			}
		}
		want := math.Exp(-ahead.Seconds())
		if got := float64(n) / float64(tries); math.Abs(got-want) > 0.001 {
			t.Errorf("%v before its time, %.4f of calls refresh, want %.4f", ahead, got, want)
		}
	}
}

func TestTimes(t *testing.T) {
	s := settings{fresh: 10 * time.Second, stale: time.Second, staleIfError: time.Minute, jitter: 0.1}
	if f, hard := s.times(0); f != 10*time.Second || hard != 71*time.Second {
		t.Errorf("times without chance = %v, %v", f, hard)
	}
	if f, hard := s.times(0.5); f != 9500*time.Millisecond || hard != f+61*time.Second {
		t.Errorf("times = %v, %v; want 9.5s and 61s more", f, hard)
	}
	s.fresh = time.Millisecond
	if f, _ := s.times(0.99); f != time.Millisecond {
		t.Errorf("the shortest freshness = %v, want 1ms", f)
	}
}

func TestHashTagsOfOneKeyAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringOfN(rapid.SampledFrom([]rune("ab{}:")), 1, 8, -1).Draw(t, "key")
		if keyFault(key) != nil {
			t.Skip()
		}
		n := namesOf(DefaultPrefix, key)
		for _, other := range []string{n.claim, n.failed, n.channel} {
			if hashTag(other) != hashTag(n.value) {
				t.Fatalf("%q and %q are in different slots", other, n.value)
			}
		}
	})
}

// hashTag is what a Cluster looks at: what is between the first { and the next }, or all if that is nothing.
func hashTag(key string) string {
	_, rest, opened := strings.Cut(key, "{")
	tag, _, closed := strings.Cut(rest, "}")
	if !opened || !closed || tag == "" {
		return key
	}
	return tag
}

func TestParseClaim(t *testing.T) {
	for name, raw := range map[string][]any{
		"nothing":        {},
		"no code":        {"1"},
		"an unknown one": {int64(7)},
		"half a value":   {int64(claimFilled), "v"},
		"no text":        {int64(claimFailed)},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := parseClaim(raw); err == nil {
				t.Errorf("parseClaim(%v) succeeded", raw)
			}
		})
	}
}

// An ear hears again after its connection was cut, and forgets whom nobody listens to.
func TestTheEarOutlivesItsConnection(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: quorumtest.RedisServer(t).Addr()})
	t.Cleanup(func() { client.Close() })
	e := newEar(client)
	defer e.close()
	l := e.listen("a")
	for round := range 3 {
		l.ready(t.Context(), 10*time.Second)
		if err := client.Publish(t.Context(), "a", "Xhello").Err(); err != nil {
			t.Fatal(err)
		}
		select {
		case m := <-l.news:
			if m.kind != toldVoid || string(m.body) != "hello" {
				t.Errorf("round %d: heard %c%s", round, m.kind, m.body)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("round %d: heard nothing", round)
		}
		e.mu.Lock()
		before := l.topic.confirmed
		e.mu.Unlock()
		if err := client.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Err(); err != nil {
			t.Fatal(err)
		}
		awaitHere(t, "the cut was noticed", func() bool {
			e.mu.Lock()
			defer e.mu.Unlock()
			return l.topic.confirmed != before
		})
	}
	l.stop()
	if got := e.channels(); len(got) != 0 {
		t.Errorf("listens to %q, want nothing", got)
	}
	awaitHere(t, "the server forgot the listener", func() bool {
		return client.PubSubNumSub(t.Context(), "a").Val()["a"] == 0
	})
}

func awaitHere(t *testing.T, what string, holds func() bool) {
	t.Helper()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	limit := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-look.C:
		case <-limit:
			t.Fatalf("%s: still not so", what)
		}
	}
}
