package atomic_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/redlock/atomic"
)

func TestNewRefusesNoClient(t *testing.T) {
	for name, c := range map[string]redis.UniversalClient{
		"nil": nil, "a nil client": (*redis.Client)(nil), "a nil cluster": (*redis.ClusterClient)(nil), "a nil ring": (*redis.Ring)(nil),
	} {
		r, err := atomic.New(c)
		if _, ok := errors.AsType[*atomic.ConfigError](err); !ok || r != nil {
			t.Errorf("New(%s) = %v, %v; want a ConfigError", name, r, err)
		}
	}
}

// All faults of a call are named at once, each with its value and its rule, and nothing is sent: the server is
// one that nobody runs.
func TestArguments(t *testing.T) {
	const over = atomic.MaxInteger + 1
	long := strings.Repeat("k", atomic.MaxKeyBytes+1)
	tests := map[string]struct {
		call call
		want []string
	}{
		"a counter of nothing":           {increment("", 0), []string{"the counter key is empty", "maximum 0 is not in [1, 2^53)"}},
		"a negative maximum":             {increment("c", -1), []string{"maximum -1 is not in [1, 2^53)"}},
		"a maximum of 2^53":              {increment("c", over), []string{"maximum 9007199254740992 is not in [1, 2^53)"}},
		"a key too long":                 {increment(long, 1), []string{"the counter key of 1025 bytes", "over 1024 bytes"}},
		"a list of nothing":              {push("", strings.Repeat("e", atomic.MaxElementBytes+1)), []string{"the list key is empty", "the element of 1048577 bytes", "over 1048576 bytes"}},
		"no hits, no limit, no time":     {hit("", 0, 0), []string{"the hits key is empty", "limit 0 is not in [1, 2^53)", "window 0s is under 1ms"}},
		"a limit of 2^53":                {hit("h", over, time.Second), []string{"limit 9007199254740992 is not in"}},
		"a window of microseconds":       {hit("h", 1, 1500*time.Microsecond), []string{"window 1.5ms is not a whole number of milliseconds"}},
		"a negative window":              {hit("h", 1, -time.Second), []string{"window -1s is under 1ms"}},
		"the longest window":             {hit("h", 1, math.MaxInt64), []string{"is not a whole number of milliseconds"}},
		"an order of nothing":            {reserve(atomic.Order{}), []string{"the stock key is empty", "the log key is empty", "the order id is empty", "quantity 0 is not in [1, 2^53)"}},
		"an order of 2^53":               {reserve(shoes("o", over)), []string{"quantity 9007199254740992 is not in"}},
		"an id too long":                 {reserve(shoes(strings.Repeat("o", atomic.MaxIDBytes+1), 1)), []string{"the order id of 513 bytes", "over 512 bytes"}},
		"a log that is the stock":        {reserve(atomic.Order{Stock: "x", Log: "x", ID: "o", Quantity: -1}), []string{`the log key "x" is one of the stock's own keys`, "quantity -1"}},
		"a log that is beside the stock": {reserve(atomic.Order{Stock: "x", Log: "x:reserved", ID: "o", Quantity: 1}), []string{`the log key "x:reserved" is one of`}},
	}
	r := recipes(t, client(t, &redis.Options{Addr: "127.0.0.1:1"}))
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := tc.call(t.Context(), r)
			if _, ok := errors.AsType[*atomic.ConfigError](err); !ok {
				t.Fatalf("error = %v, want a ConfigError", err)
			}
			for _, fault := range tc.want {
				if !strings.Contains(err.Error(), fault) {
					t.Errorf("error %q does not say %q", err, fault)
				}
			}
			if len(err.Error()) > 600 || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q is not one line that one can read", err)
			}
		})
	}
}

// Clients that pick a server by hash tag would send a call to the server of its first key.
func TestKeysOfOneCallShareAHashTag(t *testing.T) {
	tests := map[string]struct {
		order atomic.Order
		fault bool
	}{
		"one tag":                           {atomic.Order{Stock: "{a}s", Log: "{a}l"}, false},
		"one tag, elsewhere in the key":     {atomic.Order{Stock: "s{a}", Log: "l:{a}:x"}, false},
		"a log that is the tag of others":   {atomic.Order{Stock: "{a}s", Log: "a"}, false},
		"no tags":                           {atomic.Order{Stock: "s", Log: "l"}, true},
		"two tags":                          {atomic.Order{Stock: "{a}s", Log: "{b}l"}, true},
		"a tag that is lost beside it":      {atomic.Order{Stock: "a", Log: "{a}l"}, true},
		"empty tags are none":               {atomic.Order{Stock: "{}s", Log: "{}l"}, true},
		"open tags are none":                {atomic.Order{Stock: "{as", Log: "{al"}, true},
		"only the first tag counts":         {atomic.Order{Stock: "{a}{b}", Log: "{b}{a}"}, true},
		"a tag ends with the first brace":   {atomic.Order{Stock: "{a}}s", Log: "{a}l"}, false},
		"a tag begins with the first brace": {atomic.Order{Stock: "{{a}s", Log: "{{a}l"}, false},
	}
	cluster := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}})
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": "127.0.0.1:1"}})
	t.Cleanup(func() { cluster.Close(); ring.Close() })
	single := client(t, &redis.Options{Addr: "127.0.0.1:1"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // calls that would be sent are not
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			tc.order.ID, tc.order.Quantity = "o", 1
			for kind, c := range map[string]redis.UniversalClient{"cluster": cluster, "ring": ring, "single": single} {
				_, err := recipes(t, c).Reserve(ctx, tc.order)
				_, refused := errors.AsType[*atomic.ConfigError](err)
				if want := tc.fault && kind != "single"; refused != want {
					t.Errorf("%s: error = %v; want a ConfigError: %v", kind, err, want)
				} else if refused && !strings.Contains(err.Error(), "need the same hash tag") {
					t.Errorf("error %q does not say what to do", err)
				}
			}
		})
	}
}
