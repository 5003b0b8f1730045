package redisnode

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/quorum"
)

func TestParseReply(t *testing.T) {
	const s, us = "1700000000", "123456"
	now := 1700000000*time.Second + 123456*time.Microsecond
	mine := func(remaining time.Duration) quorum.Answer {
		return quorum.Answer{Verdict: quorum.Mine, Remaining: remaining, NodeTime: now}
	}
	tests := map[string]struct {
		kind  quorum.Kind
		reply any
		want  quorum.Answer // zero: an error
	}{
		"mine, TTL as it was given": {quorum.Acquire, []any{"mine", s, us, "1500"}, mine(1500 * ms)},
		"mine, TTL as it is":        {quorum.Acquire, []any{"mine", s, us, int64(1500)}, mine(1500 * ms)},
		"mine, without end":         {quorum.Extend, []any{"mine", s, us, int64(-1)}, mine(quorum.NoExpiry)},
		"mine, for ages":            {quorum.Extend, []any{"mine", s, us, int64(1 << 62)}, mine(quorum.NoExpiry - 1)},
		"mine, less than a ms":      {quorum.Inspect, []any{"mine", s, us, int64(0)}, mine(0)},
		"mine, and now gone":        {quorum.Release, []any{"mine", s, us, "0"}, mine(0)},
		"free":                      {quorum.Extend, []any{"free", s, us}, quorum.Answer{Verdict: quorum.Free, NodeTime: now}},
		"late":                      {quorum.Heal, []any{"late", s, us}, quorum.Answer{Verdict: quorum.Late, NodeTime: now}},
		"other, without end":        {quorum.Heal, []any{"other", s, us, int64(-1), "x"}, quorum.Answer{Verdict: quorum.Other, Holder: "x", Remaining: quorum.NoExpiry, NodeTime: now}},
		"other, of no name":         {quorum.Release, []any{"other", s, us, int64(7), ""}, quorum.Answer{Verdict: quorum.Other, Remaining: 7 * ms, NodeTime: now}},
		"nothing":                   {quorum.Acquire, nil, quorum.Answer{}},
		"not a list":                {quorum.Acquire, "mine", quorum.Answer{}},
		"empty":                     {quorum.Acquire, []any{}, quorum.Answer{}},
		"no time":                   {quorum.Acquire, []any{"mine"}, quorum.Answer{}},
		"verdict is a number":       {quorum.Acquire, []any{int64(1), s, us, "1"}, quorum.Answer{}},
		"verdict is unknown":        {quorum.Acquire, []any{"yours", s, us, "1"}, quorum.Answer{}},
		"free, for an acquire":      {quorum.Acquire, []any{"free", s, us}, quorum.Answer{}},
		"late, for an extend":       {quorum.Extend, []any{"late", s, us}, quorum.Answer{}},
		"time is no number":         {quorum.Acquire, []any{"late", "x", us}, quorum.Answer{}},
		"time has a sign":           {quorum.Acquire, []any{"late", s, "-1"}, quorum.Answer{}},
		"time has too much":         {quorum.Acquire, []any{"late", s, "1000000"}, quorum.Answer{}},
		"time does not fit":         {quorum.Acquire, []any{"late", "9223372036854775807", us}, quorum.Answer{}},
		"time is nil":               {quorum.Acquire, []any{"late", nil, nil}, quorum.Answer{}},
		"mine, for no time":         {quorum.Acquire, []any{"mine", s, us}, quorum.Answer{}},
		"mine, and there is no key": {quorum.Acquire, []any{"mine", s, us, int64(-2)}, quorum.Answer{}},
		"mine, for a word":          {quorum.Acquire, []any{"mine", s, us, "long"}, quorum.Answer{}},
		"other, but nobody":         {quorum.Acquire, []any{"other", s, us, int64(1)}, quorum.Answer{}},
		"other, and it is a number": {quorum.Acquire, []any{"other", s, us, int64(1), int64(1)}, quorum.Answer{}},
		"a reply to no known kind":  {0, []any{"late", s, us}, quorum.Answer{}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parseReply(tc.kind, tc.reply)
			if got != tc.want || (err != nil) != (tc.want == quorum.Answer{}) {
				t.Errorf("parseReply(%v, %v) = %+v, %v; want %+v", tc.kind, tc.reply, got, err, tc.want)
			}
		})
	}
}

// Replies of any shape are an answer that fits the question, or an error.
func FuzzParseReply(f *testing.F) {
	for _, reply := range []string{`["mine","1","2","3"]`, `["other","1","2",-1,"x"]`, `["late",1,2]`, `["free"]`, `{}`, `[[null]]`} {
		f.Add(uint8(quorum.Acquire), reply)
		f.Add(uint8(quorum.Release), reply)
	}
	f.Fuzz(func(t *testing.T, kind uint8, text string) {
		var reply any
		if json.Unmarshal([]byte(text), &reply) != nil {
			t.Skip("not a value")
		}
		a, err := parseReply(quorum.Kind(kind), whole(reply))
		if err != nil {
			if a != (quorum.Answer{}) {
				t.Errorf("error %v with answer %+v", err, a)
			}
			return
		}
		if !a.Answered() || !possible(quorum.Kind(kind), a.Verdict) || a.Remaining < 0 || a.NodeTime < 0 ||
			a.Holder != "" && a.Verdict != quorum.Other {
			t.Errorf("parseReply(%d, %s) = %+v", kind, text, a)
		}
	})
}

// whole turns the numbers of JSON into those of the protocol.
func whole(v any) any {
	switch v := v.(type) {
	case float64:
		return int64(v)
	case []any:
		for i := range v {
			v[i] = whole(v[i])
		}
	}
	return v
}
