package atomic

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

var aScript = newScript("test", "return {1}", "a string", "a list", "a hash")

func TestDecode(t *testing.T) {
	keys := []string{"k1", "k2", "k3"}
	tests := map[string]struct {
		raw  any
		want reply
		err  string // empty: none
	}{
		"a code":                    {[]any{int64(1)}, reply{code: 1}, ""},
		"a code and integers":       {[]any{int64(2), int64(7), int64(-8)}, reply{2, []int64{7, -8}}, ""},
		"another type":              {[]any{int64(-1), int64(2), "hash"}, reply{}, `atomic: unusable stored value: key "k2" is of type hash, want a list`},
		"another value":             {[]any{int64(-2), int64(3), "x"}, reply{}, `atomic: unusable stored value: key "k3" holds "x", want a hash`},
		"nothing":                   {nil, reply{}, "malformed reply: a <nil>, want a list"},
		"an empty list":             {[]any{}, reply{}, "malformed reply: a []interface {}, want a list"},
		"not a list":                {int64(1), reply{}, "malformed reply: a int64, want a list"},
		"no code":                   {[]any{"1"}, reply{}, "malformed reply: a string as code, want an integer"},
		"text among the integers":   {[]any{int64(1), "7"}, reply{}, "malformed reply: a string, want an integer"},
		"a key before the first":    {[]any{int64(-1), int64(0), "hash"}, reply{}, "malformed reply: details of no key that there is"},
		"a key after the last":      {[]any{int64(-1), int64(4), "hash"}, reply{}, "malformed reply: details of no key that there is"},
		"a key that is no number":   {[]any{int64(-2), "1", "x"}, reply{}, "malformed reply: details of no key that there is"},
		"a value that is no text":   {[]any{int64(-2), int64(1), int64(1)}, reply{}, "malformed reply: details of no key that there is"},
		"a key without details":     {[]any{int64(-2), int64(1)}, reply{}, "malformed reply: 1 details of a key, want 2"},
		"a key with more than that": {[]any{int64(-2), int64(1), "x", "y"}, reply{}, "malformed reply: 3 details of a key, want 2"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := aScript.decode(tc.raw, keys)
			text := ""
			if err != nil {
				text = err.Error()
			}
			if fmt.Sprint(got) != fmt.Sprint(tc.want) || text != tc.err {
				t.Errorf("decode(%v) = %v, %q; want %v, %q", tc.raw, got, text, tc.want, tc.err)
			}
		})
	}
}

// Each recipe takes the replies of its script, and no other.
func TestUnexpectedReplies(t *testing.T) {
	order := Order{Stock: "s", Log: "l", ID: "o", Quantity: 2}
	recipes := map[string]func(reply) error{
		"increment": func(r reply) error { _, err := r.incremented("c", 3); return err },
		"push":      func(r reply) error { _, err := r.pushed(); return err },
		"hit":       func(r reply) error { _, err := r.hit("h", 3); return err },
		"reserve":   func(r reply) error { _, err := r.reserved(order); return err },
	}
	tests := map[string][]reply{
		"increment": {{1, nil}, {1, []int64{4}}, {0, []int64{2}}, {0, nil}, {1, []int64{1, 1}}, {2, []int64{1}}},
		"push":      {{1, []int64{1}}, {0, []int64{1}}, {2, nil}},
		"hit":       {{1, []int64{1}}, {1, []int64{0, 5}}, {1, []int64{1, -1}}, {0, []int64{1, 5}}},
		"reserve":   {{1, nil}, {1, []int64{-1}}, {0, []int64{2}}, {3, []int64{0}}, {2, []int64{1}}, {4, nil}},
	}
	for name, replies := range tests {
		for _, r := range replies {
			if err := recipes[name](r); !errors.Is(err, errMalformed) {
				t.Errorf("%s makes %v of the reply %v, want a malformed one", name, err, r)
			}
		}
	}
}

// Doubt is the rule: only of some failures it is known that nothing was carried out.
func TestDoubtful(t *testing.T) {
	tests := map[string]struct {
		err  error
		want bool
	}{
		"the server refuses":           {redis.ErrCrossSlot, false},
		"the same, wrapped":            {fmt.Errorf("node: %w", redis.ErrCrossSlot), false},
		"nobody listens":               {&net.OpError{Op: "dial", Err: errors.New("refused")}, false},
		"no connection is free":        {redis.ErrPoolTimeout, false},
		"none may be made":             {redis.ErrPoolExhausted, false},
		"the client is closed":         {redis.ErrClosed, false},
		"the context had ended before": {unsentError{context.Canceled}, false},
		"the context ended":            {context.Canceled, true},
		"writing failed":               {&net.OpError{Op: "write", Err: errors.New("broken pipe")}, true},
		"reading failed":               {&net.OpError{Op: "read", Err: errors.New("reset")}, true},
		"the connection ended":         {io.EOF, true},
		"an empty answer":              {redis.Nil, true},
	}
	for name, tc := range tests {
		if got := doubtful(tc.err); got != tc.want {
			t.Errorf("%s: doubtful(%v) = %v, want %v", name, tc.err, got, tc.want)
		}
	}
}

func TestMilliseconds(t *testing.T) {
	for n, want := range map[int64]time.Duration{
		0: 0, 1: time.Millisecond, longest: time.Duration(longest) * time.Millisecond,
		longest + 1: time.Duration(longest) * time.Millisecond, math.MaxInt64: time.Duration(longest) * time.Millisecond,
	} {
		if got := milliseconds(n); got != want || got+time.Millisecond < got {
			t.Errorf("milliseconds(%d) = %v, want %v, and room for one more", n, got, want)
		}
	}
}

// item makes one part of a reply out of two bytes and a text: integers around those that replies have, the text,
// and what no reply has.
func item(kind, n byte, text string) any {
	switch kind % 8 {
	case 0:
		return text
	case 1:
		return nil
	case 2:
		return []any{int64(n)}
	case 3:
		return math.MaxInt64 - int64(n)
	}
	return int64(int8(n))
}

// Whatever a server replies is a result that keeps what the recipe promises, or an error.
func FuzzReplies(f *testing.F) {
	const number = 4 // the kind of item that is an integer
	f.Add([]byte{number, 1, number, 2}, "")
	f.Add([]byte{number, 1, number, 2, number, 9}, "")
	f.Add([]byte{number, 0, number, 3}, "")
	f.Add([]byte{number, 2, number, 3, number, 2}, "")
	f.Add([]byte{number, 3}, "")
	f.Add([]byte{number, 0xff, number, 1, 0, 0}, "list")
	f.Add([]byte{number, 0xfe, number, 3, 0, 0}, "text")
	f.Fuzz(func(t *testing.T, kinds []byte, text string) {
		var raw []any
		for len(kinds) > 1 {
			raw = append(raw, item(kinds[0], kinds[1], text))
			kinds = kinds[2:]
		}
		answer, err := aScript.decode(raw, []string{"k1", "k2", "k3"})
		if err != nil {
			corrupt, ok := errors.AsType[*CorruptError](err)
			if !errors.Is(err, errMalformed) && (!ok || corrupt.Key == "" || corrupt.Want == "") {
				t.Errorf("decode(%v): %v", raw, err)
			}
			return
		}
		const limit = 3
		if n, err := answer.incremented("c", limit); err == nil && n > limit {
			t.Errorf("incremented(%v) = %d, over %d", answer, n, limit)
		}
		if _, err := answer.pushed(); err == nil && len(answer.numbers) > 0 {
			t.Errorf("pushed(%v) leaves integers unread", answer)
		}
		if w, err := answer.hit("h", limit); err == nil && (w.Count < 1 || w.Count+w.Remaining != limit || w.Remaining < 0 || w.Reset < 0) {
			t.Errorf("hit(%v) = %+v", answer, w)
		} else if full, ok := errors.AsType[*LimitError](err); ok && (full.Count <= limit || full.RetryAfter <= 0) {
			t.Errorf("hit(%v): %+v", answer, full)
		}
		if r, err := answer.reserved(Order{Quantity: 2}); err == nil && r.Left < 0 && !r.Already {
			t.Errorf("reserved(%v) = %+v", answer, r)
		}
	})
}
