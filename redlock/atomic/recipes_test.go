package atomic_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/redlock/atomic"
)

// A call is one call of a recipe, as a value.
type call func(ctx context.Context, r *atomic.Recipes) (any, error)

func increment(key string, maximum int64) call {
	return func(ctx context.Context, r *atomic.Recipes) (any, error) { return r.Increment(ctx, key, maximum) }
}

func push(key, element string) call {
	return func(ctx context.Context, r *atomic.Recipes) (any, error) { return r.PushUnique(ctx, key, element) }
}

func hit(key string, limit int64, window time.Duration) call {
	return func(ctx context.Context, r *atomic.Recipes) (any, error) { return r.Hit(ctx, key, limit, window) }
}

func reserve(order atomic.Order) call {
	return func(ctx context.Context, r *atomic.Recipes) (any, error) { return r.Reserve(ctx, order) }
}

// command splits a line into the words of a command.
func command(line string) []any {
	var words []any
	for word := range strings.FieldsSeq(line) {
		words = append(words, word)
	}
	return words
}

// contents describes every key of the server but for TTLs.
func contents(t testing.TB, c *redis.Client) map[string]string {
	t.Helper()
	ctx := context.Background()
	keys, err := c.Keys(ctx, "*").Result()
	must(t, err)
	all := make(map[string]string)
	for _, key := range keys {
		var value any
		var err error
		switch c.Type(ctx, key).Val() {
		case "string":
			value, err = c.Get(ctx, key).Result()
		case "list":
			value, err = c.LRange(ctx, key, 0, -1).Result()
		case "hash":
			value, err = c.HGetAll(ctx, key).Result()
		case "set":
			value, err = c.SMembers(ctx, key).Result()
		}
		must(t, err)
		all[key] = fmt.Sprint(value)
	}
	return all
}

func TestRecipes(t *testing.T) {
	const most = atomic.MaxInteger
	type stored = map[string]string
	limit := func(key string, limit, count int64) error {
		return &atomic.LimitError{Key: key, Limit: limit, Count: count}
	}
	short := func(quantity, left int64, missing bool) error {
		return &atomic.ShortError{Stock: "{shoe}:stock", Quantity: quantity, Left: left, Missing: missing}
	}
	tests := map[string]struct {
		given []string
		call  call
		want  any
		err   error
		after stored // nil: as it was before
	}{
		"a missing counter is 0":                 {nil, increment("c", 3), int64(1), nil, stored{"c": "1"}},
		"a counter below its maximum":            {[]string{"SET c 2"}, increment("c", 3), int64(3), nil, stored{"c": "3"}},
		"a counter at its maximum":               {[]string{"SET c 3"}, increment("c", 3), int64(0), limit("c", 3, 3), nil},
		"a counter over a maximum that sank":     {[]string{"SET c 9"}, increment("c", 3), int64(0), limit("c", 3, 9), nil},
		"a negative counter":                     {[]string{"SET c -1"}, increment("c", 3), int64(0), nil, stored{"c": "0"}},
		"the lowest counter":                     {[]string{fmt.Sprint("SET c ", -most)}, increment("c", 1), -most + 1, nil, stored{"c": fmt.Sprint(-most + 1)}},
		"the step to the largest exact integer":  {[]string{fmt.Sprint("SET c ", most-1)}, increment("c", most), most, nil, stored{"c": fmt.Sprint(most)}},
		"a counter at the largest exact integer": {[]string{fmt.Sprint("SET c ", most)}, increment("c", most), int64(0), limit("c", most, most), nil},

		"the first element":            {nil, push("l", "a"), true, nil, stored{"l": "[a]"}},
		"an element goes to the end":   {[]string{"RPUSH l a b"}, push("l", "c"), true, nil, stored{"l": "[a b c]"}},
		"an element that is first":     {[]string{"RPUSH l a b"}, push("l", "a"), false, nil, nil},
		"an element that is last":      {[]string{"RPUSH l a b"}, push("l", "b"), false, nil, nil},
		"part of an element":           {[]string{"RPUSH l ab"}, push("l", "a"), true, nil, stored{"l": "[ab a]"}},
		"a number in another spelling": {[]string{"RPUSH l 1"}, push("l", "01"), true, nil, stored{"l": "[1 01]"}},
		"an element of any bytes":      {nil, push("l", "a\x00\r\n\xff"), true, nil, stored{"l": "[a\x00\r\n\xff]"}},
		"the empty element":            {nil, push("l", ""), true, nil, stored{"l": "[]"}},

		"the order takes from the stock": {
			[]string{"SET {shoe}:stock 5"},
			reserve(shoes("o1", 2)),
			atomic.Reservation{Left: 3},
			nil,
			stored{"{shoe}:stock": "3", "{shoe}:orders": "[o1]", "{shoe}:stock:reserved": "map[o1:2]"},
		},
		"the last of the stock": {
			[]string{"SET {shoe}:stock 2"},
			reserve(shoes("o1", 2)),
			atomic.Reservation{Left: 0},
			nil,
			stored{"{shoe}:stock": "0", "{shoe}:orders": "[o1]", "{shoe}:stock:reserved": "map[o1:2]"},
		},
		"an order with parts from two stocks": {
			[]string{"SET s 2", "SET t 2", "HSET t:reserved o1 1", "LPUSH l o1"},
			reserve(atomic.Order{Stock: "s", Log: "l", ID: "o1", Quantity: 1}),
			atomic.Reservation{Left: 1},
			nil,
			stored{"s": "1", "t": "2", "l": "[o1 o1]", "s:reserved": "map[o1:1]", "t:reserved": "map[o1:1]"},
		},
		"the log has the newest order first": {
			[]string{"SET {shoe}:stock 2", "LPUSH {shoe}:orders o1", "HSET {shoe}:stock:reserved o1 1"},
			reserve(shoes("o2", 1)),
			atomic.Reservation{Left: 1},
			nil,
			stored{"{shoe}:stock": "1", "{shoe}:orders": "[o2 o1]", "{shoe}:stock:reserved": "map[o1:1 o2:1]"},
		},
		"less in stock than asked for":  {[]string{"SET {shoe}:stock 2"}, reserve(shoes("o1", 3)), atomic.Reservation{}, short(3, 2, false), nil},
		"an empty stock":                {[]string{"SET {shoe}:stock 0"}, reserve(shoes("o1", 1)), atomic.Reservation{}, short(1, 0, false), nil},
		"a stock that others oversold":  {[]string{"SET {shoe}:stock -4"}, reserve(shoes("o1", 1)), atomic.Reservation{}, short(1, -4, false), nil},
		"a stock that nobody has set":   {nil, reserve(shoes("o1", 1)), atomic.Reservation{}, short(1, 0, true), nil},
		"all that an integer can be":    {[]string{fmt.Sprint("SET {shoe}:stock ", most)}, reserve(shoes("o1", most)), atomic.Reservation{}, nil, stored{"{shoe}:stock": "0", "{shoe}:orders": "[o1]", "{shoe}:stock:reserved": fmt.Sprintf("map[o1:%d]", most)}},
		"a repeat takes nothing":        {[]string{"SET {shoe}:stock 5", "HSET {shoe}:stock:reserved o1 2"}, reserve(shoes("o1", 2)), atomic.Reservation{Left: 5, Already: true}, nil, nil},
		"a repeat when all is sold":     {[]string{"SET {shoe}:stock 0", "HSET {shoe}:stock:reserved o1 2"}, reserve(shoes("o1", 2)), atomic.Reservation{Already: true}, nil, nil},
		"a repeat when the sale is off": {[]string{"HSET {shoe}:stock:reserved o1 2"}, reserve(shoes("o1", 2)), atomic.Reservation{Already: true}, nil, nil},
		"an id for another quantity": {
			[]string{"SET {shoe}:stock 5", "HSET {shoe}:stock:reserved o1 2"},
			reserve(shoes("o1", 3)),
			atomic.Reservation{},
			&atomic.ConflictError{ID: "o1", Reserved: 2, Quantity: 3},
			nil,
		},
	}
	r, plain := onServer(t)
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			must(t, plain.FlushAll(t.Context()).Err())
			for _, line := range tc.given {
				must(t, plain.Do(t.Context(), command(line)...).Err())
			}
			if tc.after == nil {
				tc.after = contents(t, plain)
			}
			got, err := tc.call(t.Context(), r)
			if got != tc.want || fmt.Sprint(err) != fmt.Sprint(tc.err) || fmt.Sprintf("%T", err) != fmt.Sprintf("%T", tc.err) {
				t.Errorf("call = %+v, %v; want %+v, %v", got, err, tc.want, tc.err)
			}
			if after := contents(t, plain); !maps.Equal(after, tc.after) {
				t.Errorf("the server then has %q, want %q", after, tc.after)
			}
		})
	}
}

// What no recipe wrote is told, and nothing is written to any key.
func TestUnusableValues(t *testing.T) {
	tests := map[string]struct {
		given []string
		call  call
		want  atomic.CorruptError
	}{
		"a list for a counter":            {[]string{"RPUSH c 1"}, increment("c", 3), atomic.CorruptError{Key: "c", Type: "list"}},
		"a word for a counter":            {[]string{"SET c many"}, increment("c", 3), atomic.CorruptError{Key: "c", Value: "many"}},
		"a fraction":                      {[]string{"SET c 1.0"}, increment("c", 3), atomic.CorruptError{Key: "c", Value: "1.0"}},
		"a power":                         {[]string{"SET c 1e0"}, increment("c", 3), atomic.CorruptError{Key: "c", Value: "1e0"}},
		"hexadecimal":                     {[]string{"SET c 0x1"}, increment("c", 3), atomic.CorruptError{Key: "c", Value: "0x1"}},
		"a leading zero":                  {[]string{"SET c 01"}, increment("c", 3), atomic.CorruptError{Key: "c", Value: "01"}},
		"a plus":                          {[]string{"SET c +1"}, increment("c", 3), atomic.CorruptError{Key: "c", Value: "+1"}},
		"less than nothing":               {[]string{"SET c -0"}, increment("c", 3), atomic.CorruptError{Key: "c", Value: "-0"}},
		"the first inexact integer":       {[]string{"SET c 9007199254740992"}, increment("c", 3), atomic.CorruptError{Key: "c", Value: "9007199254740992"}},
		"one that rounds to another":      {[]string{"SET c 9007199254740993"}, increment("c", 3), atomic.CorruptError{Key: "c", Value: "9007199254740993"}},
		"the same below zero":             {[]string{"SET c -9007199254740992"}, increment("c", 3), atomic.CorruptError{Key: "c", Value: "-9007199254740992"}},
		"digits without end":              {[]string{"SET c " + strings.Repeat("9", 500)}, increment("c", 3), atomic.CorruptError{Key: "c", Value: strings.Repeat("9", 64)}},
		"a string for a list":             {[]string{"SET l a"}, push("l", "a"), atomic.CorruptError{Key: "l", Type: "string"}},
		"a set for a list":                {[]string{"SADD l a"}, push("l", "a"), atomic.CorruptError{Key: "l", Type: "set"}},
		"a hash for hits":                 {[]string{"HSET h a 1"}, hit("h", 3, time.Second), atomic.CorruptError{Key: "h", Type: "hash"}},
		"negative hits":                   {[]string{"SET h -1"}, hit("h", 3, time.Second), atomic.CorruptError{Key: "h", Value: "-1"}},
		"hits beyond counting":            {[]string{"SET h 9007199254740991"}, hit("h", 3, time.Second), atomic.CorruptError{Key: "h", Value: "9007199254740991"}},
		"no number of hits":               {[]string{"SET h x"}, hit("h", 3, time.Second), atomic.CorruptError{Key: "h", Value: "x"}},
		"a list for the stock":            {[]string{"RPUSH {shoe}:stock 5"}, reserve(shoes("o1", 1)), atomic.CorruptError{Key: "{shoe}:stock", Type: "list"}},
		"a word for the stock":            {[]string{"SET {shoe}:stock lots"}, reserve(shoes("o1", 1)), atomic.CorruptError{Key: "{shoe}:stock", Value: "lots"}},
		"a string for the log":            {[]string{"SET {shoe}:stock 5", "SET {shoe}:orders x"}, reserve(shoes("o1", 1)), atomic.CorruptError{Key: "{shoe}:orders", Type: "string"}},
		"a string for the hash":           {[]string{"SET {shoe}:stock 5", "SET {shoe}:stock:reserved x"}, reserve(shoes("o1", 1)), atomic.CorruptError{Key: "{shoe}:stock:reserved", Type: "string"}},
		"a word for a quantity":           {[]string{"SET {shoe}:stock 5", "HSET {shoe}:stock:reserved o1 x"}, reserve(shoes("o1", 1)), atomic.CorruptError{Key: "{shoe}:stock:reserved", Value: "x"}},
		"a quantity of nothing":           {[]string{"SET {shoe}:stock 5", "HSET {shoe}:stock:reserved o1 0"}, reserve(shoes("o1", 1)), atomic.CorruptError{Key: "{shoe}:stock:reserved", Value: "0"}},
		"a word for the stock of repeats": {[]string{"SET {shoe}:stock x", "HSET {shoe}:stock:reserved o1 1"}, reserve(shoes("o1", 1)), atomic.CorruptError{Key: "{shoe}:stock", Value: "x"}},
	}
	r, plain := onServer(t)
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			must(t, plain.FlushAll(t.Context()).Err())
			for _, line := range tc.given {
				must(t, plain.Do(t.Context(), command(line)...).Err())
			}
			before := contents(t, plain)
			_, err := tc.call(t.Context(), r)
			got, ok := errors.AsType[*atomic.CorruptError](err)
			if !ok || !errors.Is(err, atomic.ErrCorrupt) || got.Want == "" {
				t.Fatalf("error = %v, want a CorruptError that says what it wants", err)
			}
			tc.want.Want = got.Want
			if *got != tc.want {
				t.Errorf("error = %v, want %v", got, &tc.want)
			}
			if after := contents(t, plain); !maps.Equal(after, before) {
				t.Errorf("the server then has %q, want %q as before", after, before)
			}
		})
	}
}

func TestCounterKeepsItsTTL(t *testing.T) {
	r, plain := onServer(t)
	must(t, plain.Set(t.Context(), "c", 1, time.Hour).Err())
	if got, err := r.Increment(t.Context(), "c", 5); got != 2 || err != nil {
		t.Fatalf("Increment = %d, %v; want 2", got, err)
	}
	if left := plain.PTTL(t.Context(), "c").Val(); left <= 0 || left > time.Hour {
		t.Errorf("TTL = %v, want what is left of an hour", left)
	}
}

func TestWindow(t *testing.T) {
	ctx := t.Context()
	r, plain := onServer(t)
	for want := int64(1); want <= 3; want++ {
		got, err := r.Hit(ctx, "h", 3, time.Hour)
		must(t, err)
		if got.Count != want || got.Remaining != 3-want || got.Reset <= 0 || got.Reset > time.Hour {
			t.Errorf("hit %d = %+v, want %d remaining and a reset within the hour", want, got, 3-want)
		}
	}
	for want := int64(4); want <= 5; want++ {
		_, err := r.Hit(ctx, "h", 3, 2*time.Hour) // another length does not prolong the window
		got, ok := errors.AsType[*atomic.LimitError](err)
		if !ok || !errors.Is(err, atomic.ErrLimit) {
			t.Fatalf("hit %d: error %v, want a LimitError", want, err)
		}
		if got.Key != "h" || got.Limit != 3 || got.Count != want || got.RetryAfter <= 0 || got.RetryAfter > time.Hour+time.Millisecond {
			t.Errorf("hit %d = %+v", want, got)
		}
	}
	if left := plain.PTTL(ctx, "h").Val(); left <= 0 || left > time.Hour {
		t.Errorf("TTL = %v, want what is left of the first hit's hour", left)
	}
	must(t, plain.Del(ctx, "h").Err()) // as if its time had come
	if got, err := r.Hit(ctx, "h", 3, time.Minute); err != nil || got.Count != 1 || got.Reset > time.Minute {
		t.Errorf("first hit of the next window = %+v, %v", got, err)
	}
}

// A window without a TTL would refuse for ever, whoever took the TTL away.
func TestWindowWithoutEndGetsOne(t *testing.T) {
	r, plain := onServer(t)
	must(t, plain.Set(t.Context(), "h", 7, 0).Err())
	_, err := r.Hit(t.Context(), "h", 3, time.Minute)
	if got, ok := errors.AsType[*atomic.LimitError](err); !ok || got.Count != 8 || got.RetryAfter != time.Minute+time.Millisecond {
		t.Errorf("error = %+v, want one that ends with a new minute", err)
	}
	if left := plain.PTTL(t.Context(), "h").Val(); left <= 0 || left > time.Minute {
		t.Errorf("TTL = %v, want up to a minute", left)
	}
}

// Whoever waits as told is in a new window. Redis keeps a key to the end of its last millisecond.
func TestRetryAfterIsLongEnough(t *testing.T) {
	r, _ := onServer(t)
	for range 20 {
		_, err := r.Hit(t.Context(), "h", 1, 15*time.Millisecond)
		full, ok := errors.AsType[*atomic.LimitError](err)
		if !ok {
			_, err = r.Hit(t.Context(), "h", 1, 15*time.Millisecond)
			if full, ok = errors.AsType[*atomic.LimitError](err); !ok {
				continue // the window was over between the two
			}
		}
		<-time.After(full.RetryAfter)
		if got, err := r.Hit(t.Context(), "h", 1, 15*time.Millisecond); err != nil || got.Count != 1 {
			t.Fatalf("hit after %v = %+v, %v; want the first of a window", full.RetryAfter, got, err)
		}
	}
}

// A TTL that somebody else has set may be longer than any duration.
func TestWindowThatOutlivesUsAll(t *testing.T) {
	r, plain := onServer(t)
	must(t, plain.Do(t.Context(), "SET", "h", 1, "PX", int64(1)<<61).Err())
	got, err := r.Hit(t.Context(), "h", 3, time.Second)
	if err != nil || got.Reset < 290*365*24*time.Hour {
		t.Errorf("Hit = %+v, %v; want a reset centuries ahead", got, err)
	}
	_, err = r.Hit(t.Context(), "h", 1, time.Second)
	if full, ok := errors.AsType[*atomic.LimitError](err); !ok || full.RetryAfter < got.Reset {
		t.Errorf("error = %+v, want a retry centuries ahead", err)
	}
}

// What an error says is what its reader has.
func TestErrorsNameWhatTheyAreAbout(t *testing.T) {
	tests := map[string]struct {
		err   error
		words []string
	}{
		"a full counter":  {&atomic.LimitError{Key: "seats", Limit: 3, Count: 4}, []string{`"seats"`, "at 4", "over 3"}},
		"a full window":   {&atomic.LimitError{Key: "ann", Limit: 3, Count: 4, RetryAfter: time.Second}, []string{`"ann"`, "hit 4", "limit of 3", "retry in 1s"}},
		"short stock":     {&atomic.ShortError{Stock: "shoe", Quantity: 3, Left: 2}, []string{`"shoe"`, "2 left", "asked for 3"}},
		"no stock":        {&atomic.ShortError{Stock: "shoe", Quantity: 3, Missing: true}, []string{`"shoe"`, "does not exist"}},
		"two orders":      {&atomic.ConflictError{ID: "o1", Reserved: 2, Quantity: 3}, []string{`"o1"`, "has 2", "asked for 3"}},
		"a type":          {&atomic.CorruptError{Key: "c", Type: "list", Want: "an integer"}, []string{`"c"`, "type list", "want an integer"}},
		"a value":         {&atomic.CorruptError{Key: "c", Value: "x", Want: "an integer"}, []string{`"c"`, `"x"`, "want an integer"}},
		"an empty string": {&atomic.CorruptError{Key: "c", Want: "an integer"}, []string{`"c"`, `""`, "want an integer"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			text := tc.err.Error()
			if !strings.HasPrefix(text, "atomic: ") || slices.ContainsFunc(tc.words, func(w string) bool { return !strings.Contains(text, w) }) {
				t.Errorf("error %q, want %q in it", text, tc.words)
			}
		})
	}
}
