package redisnode

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/quorum"
)

func TestEncode(t *testing.T) {
	requests := []*request{
		{op: quorum.Op{Kind: quorum.Acquire, Key: "a", Value: "v1", TTL: 1500*ms + 1}, limit: 77},
		{op: quorum.Op{Kind: quorum.Release, Key: "b", Value: "v2"}},
		{op: quorum.Op{Kind: quorum.Acquire, Key: "c", Value: "v3", TTL: 1500*ms + 1}, limit: 77},
		{op: quorum.Op{Kind: quorum.Inspect, Key: "d", TTL: time.Hour}},
	}
	var e encoder
	for range 2 { // the second time in the same buffers
		got := string(e.encode(requests, false))
		args := []string{
			"EVALSHA", batchSHA, "4", "a", "b", "c", "d", "0102", "v1", "v2", "v3", "",
			"acquire", "1501", "77", "release", "0", "0", "inspect", "0", "0",
		}
		want := fmt.Sprintf("*%d\r\n", len(args))
		for _, arg := range args {
			want += fmt.Sprintf("$%d\r\n%s\r\n", len(arg), arg)
		}
		if got != want {
			t.Errorf("encoded %q, want %q", got, want)
		}
	}
	if got := string(e.encode(requests, true)); !strings.Contains(got, batchSource) || !strings.HasPrefix(got, "*21\r\n$4\r\nEVAL\r\n") {
		t.Errorf("encoded by source: %.60q", got)
	}
}

// What only some operations need comes behind the terms, and only there.
func TestEncodeWaiters(t *testing.T) {
	waiter := &quorum.Waiter{ID: "w-1", Waited: 25*ms + 1}
	requests := []*request{
		{op: quorum.Op{Kind: quorum.Acquire, Key: "a", Value: "v1", TTL: ms, Waiter: waiter}},
		{op: quorum.Op{Kind: quorum.Release, Key: "b", Value: "v2", Announce: true}},
		{op: quorum.Op{Kind: quorum.HandOver, Key: "c", Value: "v3", Next: "v4", TTL: ms, Waiter: waiter}, limit: 77},
		{op: quorum.Op{Kind: quorum.Release, Key: "d", Value: "v5", Announce: true, Waiter: waiter}},
		{op: quorum.Op{Kind: quorum.Acquire, Key: "e", Value: "v6", TTL: ms, Waiter: waiter, Announce: true}},
		{op: quorum.Op{Kind: quorum.Acquire, Key: "f", Value: "v7", TTL: ms, Announce: true}},
		{op: quorum.Op{Kind: quorum.Extend, Key: "g", Value: "v8", TTL: ms, Waiter: waiter, Announce: true}},
		{op: quorum.Op{Kind: quorum.Release, Key: "h", Value: "v9", TTL: ms, Waiter: waiter, Announce: true}},
		{op: quorum.Op{Kind: quorum.Release, Key: "i", Value: "v0", Waiter: waiter}},
	}
	args := strings.Fields("EVALSHA " + batchSHA + " 9 a b c d e f g h i 012345678 v1 v2 v3 v5 v6 v7 v8 v9 v0 " +
		"acquire/w 1 0 release/t 0 0 handover/w 1 77 release/wt 0 0 acquire/wt 1 0 acquire 1 0 extend 1 0 " +
		"release 1 0 release 0 0 with w-1 25000 v4 w-1 25000 w-1 25000 w-1 25000")
	want := fmt.Sprintf("*%d\r\n", len(args))
	for _, arg := range args {
		want += fmt.Sprintf("$%d\r\n%s\r\n", len(arg), arg)
	}
	var e encoder
	if got := string(e.encode(requests, false)); got != want {
		t.Errorf("encoded %q, want %q", got, want)
	}
}

// Numbers come behind what else an operation takes, and before all of it the longest MaxTTL of those that ask
// for one.
func TestEncodeNumbers(t *testing.T) {
	waiter := &quorum.Waiter{ID: "w-1", Waited: 25 * ms}
	requests := []*request{
		{op: quorum.Op{Kind: quorum.Acquire, Key: "a", Value: "v1", TTL: ms, Hint: 11, MaxTTL: 30*ms + 1}},
		{op: quorum.Op{Kind: quorum.Acquire, Key: "b", Value: "v2", TTL: ms, Hint: quorum.MaxToken - 1, MaxTTL: 40 * ms, Waiter: waiter, Announce: true}},
		{op: quorum.Op{Kind: quorum.HandOver, Key: "c", Value: "v3", Next: "v4", TTL: ms, Hint: 13, MaxTTL: ms}},
		{op: quorum.Op{Kind: quorum.Raise, Key: "d", Value: "v5", Token: 14, MaxTTL: 50 * ms, TTL: time.Hour, Hint: 99}, limit: 77},
		{op: quorum.Op{Kind: quorum.Acquire, Key: "e", Value: "v6", TTL: ms, MaxTTL: time.Hour}},
		{op: quorum.Op{Kind: quorum.Heal, Key: "f", Value: "v7", TTL: ms, Hint: 15, MaxTTL: time.Hour}},
	}
	args := strings.Fields("EVALSHA " + batchSHA + " 6 a b c d e f 012345 v1 v2 v3 v5 v6 v7 " +
		"acquire/n 1 0 acquire/wtn 1 0 handover/n 1 0 raise 0 0 acquire 1 0 heal 1 0 " +
		"with 50 11 w-1 25000 9007199254740991 v4 13 14")
	want := fmt.Sprintf("*%d\r\n", len(args))
	for _, arg := range args {
		want += fmt.Sprintf("$%d\r\n%s\r\n", len(arg), arg)
	}
	var e encoder
	if got := string(e.encode(requests, false)); got != want {
		t.Errorf("encoded %q, want %q", got, want)
	}
}

// decoded reads one reply to n questions, one line per word.
func decoded(n int, words string) (*reply, error) {
	d := newDecoder(strings.NewReader(strings.ReplaceAll(words, " ", "\r\n") + "\r\n"))
	what, text, err := d.begin()
	if err == nil {
		err = d.finish(what, text, n)
	}
	return &d.reply, err
}

func TestDecode(t *testing.T) {
	now := 1700000000*time.Second + 123456*time.Microsecond
	tests := map[string]struct {
		n     int
		words string
		want  string // empty: an error
	}{
		"nobody asked":          {0, "*2 :1700000000 :123456", "[]"},
		"numbers":               {3, "*5 :1700000000 :123456 :1500 :-1 :-3", "[{1500  :} {-1  :} {-3  :}]"},
		"a holder":              {1, "*3 :1700000000 :123456 *2 :7 $2 me", "[{7 me *}]"},
		"a holder of no name":   {1, "*3 :1700000000 :123456 *2 :-1 $0 ", "[{-1  *}]"},
		"ours, and others wait": {1, "*3 :1700000000 :123456 *2 :7 :1", "[{7  :}+]"},
		"ours, with a number":   {2, "*4 :1700000000 :123456 *3 :7 :0 $1 5 *3 :-1 :1 $16 9007199254740991", "[{7  :}=5 {-1  :}+=9007199254740991]"},
		"an error among others": {2, "*4 :1700000000 :123456 -WRONGTYPE :5", "[{0 WRONGTYPE -} {5  :}]"},
		"behind a push":         {1, ">2 $1 x *1 %1 :1 _ *3 :1700000000 :123456 :5", "[{5  :}]"},
		"one too few":           {2, "*3 :1700000000 :123456 :5", ""},
		"one too many":          {1, "*4 :1700000000 :123456 :5 :6", ""},
		"cut off":               {2, "*4 :1700000000 :123456 :5", ""},
		"nobody's":              {-1, "*2 :1700000000 :123456", ""},
		"no list":               {1, ":5", ""},
		"no time":               {1, "*3 :1 :1000000 :5", ""},
		"a time before time":    {1, "*3 :-1 :5 :5", ""},
		"a time that is a text": {1, "*3 $1 1 :5 :5", ""},
		"an unknown type":       {1, "*3 :1 :1 +OK", ""},
		"a list of three":       {1, "*3 :1 :1 *3 :1 :2 :3", ""},
		"a holder of a number":  {1, "*3 :1 :1 *2 :1 :2", ""},
		"a holder of nothing":   {1, "*3 :1 :1 *2 :1 $-1", ""},
		"a number too large":    {1, "*3 :1 :1 *3 :1 :0 $16 9007199254740992", ""},
		"the number 0":          {1, "*3 :1 :1 *3 :1 :0 $1 0", ""},
		"a number with a sign":  {1, "*3 :1 :1 *3 :1 :0 $2 -1", ""},
		"an inexact number":     {1, "*3 :1 :1 *3 :1 :0 $20 1.7637696001235e+15", ""},
		"a number as a number":  {1, "*3 :1 :1 *3 :1 :0 :5", ""},
		"a number that is none": {1, "*3 :1 :1 :x", ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := decoded(tc.n, tc.words)
			if (err == nil) != (tc.want != "") {
				t.Fatalf("decoded %v, error %v; want %s", got.results, err, tc.want)
			}
			if err == nil && (got.time != now || text(got.results) != tc.want) {
				t.Errorf("decoded %s at %v, want %s at %v", text(got.results), got.time, tc.want, now)
			}
		})
	}
	if got, err := decoded(5, "-BUSY Redis is busy"); err != nil || !strings.HasPrefix(got.refusal, "BUSY") {
		t.Errorf("refusal %q, error %v", got.refusal, err)
	}
}

func text(results []result) string {
	words := make([]string, len(results))
	for i, r := range results {
		words[i] = fmt.Sprintf("{%d %s %c}", r.number, r.holder, r.what)
		if r.waiting {
			words[i] += "+"
		}
		if r.token > 0 {
			words[i] += fmt.Sprint("=", r.token)
		}
	}
	return "[" + strings.Join(words, " ") + "]"
}

func TestAnswers(t *testing.T) {
	const now = 5 * time.Second
	mine := func(left time.Duration) quorum.Answer {
		return quorum.Answer{Verdict: quorum.Mine, Remaining: left, NodeTime: now}
	}
	waited := mine(1500 * ms)
	waited.Waiting = true
	numbered := mine(1500 * ms)
	numbered.Token = 5
	tests := map[string]struct {
		kind quorum.Kind
		r    result
		want quorum.Answer // zero: an error
	}{
		"mine":                  {quorum.Acquire, result{number: 1500, what: ':'}, mine(1500 * ms)},
		"mine, and now gone":    {quorum.Release, result{number: 0, what: ':'}, mine(0)},
		"mine, without end":     {quorum.Extend, result{number: -1, what: ':'}, mine(quorum.NoExpiry)},
		"mine, for ages":        {quorum.Extend, result{number: 1 << 62, what: ':'}, mine(quorum.NoExpiry - 1)},
		"free":                  {quorum.Extend, result{number: -2, what: ':'}, quorum.Answer{Verdict: quorum.Free, NodeTime: now}},
		"late":                  {quorum.Heal, result{number: -3, what: ':'}, quorum.Answer{Verdict: quorum.Late, NodeTime: now}},
		"other":                 {quorum.Release, result{number: 7, holder: "x", what: '*'}, quorum.Answer{Verdict: quorum.Other, Holder: "x", Remaining: 7 * ms, NodeTime: now}},
		"other, without end":    {quorum.Heal, result{number: -1, holder: "x", what: '*'}, quorum.Answer{Verdict: quorum.Other, Holder: "x", Remaining: quorum.NoExpiry, NodeTime: now}},
		"handed over":           {quorum.HandOver, result{number: 1500, what: ':', waiting: true}, waited},
		"nothing to hand over":  {quorum.HandOver, result{number: -2, what: ':'}, quorum.Answer{Verdict: quorum.Free, NodeTime: now}},
		"handed over late":      {quorum.HandOver, result{number: -3, what: ':'}, quorum.Answer{Verdict: quorum.Late, NodeTime: now}},
		"mine, numbered":        {quorum.Acquire, result{number: 1500, what: ':', token: 5}, numbered},
		"raised":                {quorum.Raise, result{number: 1500, what: ':', token: 5}, numbered},
		"nothing to raise":      {quorum.Raise, result{number: -2, what: ':'}, quorum.Answer{Verdict: quorum.Free, NodeTime: now}},
		"raised late":           {quorum.Raise, result{number: -3, what: ':'}, quorum.Answer{}},
		"free, and numbered":    {quorum.HandOver, result{number: -2, what: ':', token: 5}, quorum.Answer{}},
		"free, and others wait": {quorum.Release, result{number: -2, what: ':', waiting: true}, quorum.Answer{}},
		"free, for an acquire":  {quorum.Acquire, result{number: -2, what: ':'}, quorum.Answer{}},
		"late, for an extend":   {quorum.Extend, result{number: -3, what: ':'}, quorum.Answer{}},
		"no such number":        {quorum.Extend, result{number: -4, what: ':'}, quorum.Answer{}},
		"other, but gone":       {quorum.Extend, result{number: -2, holder: "x", what: '*'}, quorum.Answer{}},
		"an error":              {quorum.Extend, result{what: '-', holder: "OOM"}, quorum.Answer{}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := tc.r.answer(tc.kind, now)
			if got != tc.want || (err != nil) != (tc.want == quorum.Answer{}) {
				t.Errorf("answer(%v) to %v = %+v, %v; want %+v", tc.r, tc.kind, got, err, tc.want)
			}
		})
	}
}

// Whatever a server says is as many answers as questions that fit them, or an error.
func FuzzDecode(f *testing.F) {
	for _, reply := range []string{
		"*3\r\n:1\r\n:2\r\n:3\r\n", "*3\r\n:1\r\n:2\r\n*2\r\n:-1\r\n$1\r\nx\r\n", "-NOSCRIPT x\r\n", ">1\r\n$3\r\nabc\r\n*2\r\n:1\r\n:2\r\n",
		"*3\r\n:1\r\n:2\r\n*3\r\n:1\r\n:1\r\n$2\r\n17\r\n",
	} {
		f.Add(uint8(quorum.Acquire), 1, []byte(reply))
		f.Add(uint8(quorum.Release), 0, []byte(reply))
	}
	f.Fuzz(func(t *testing.T, kind uint8, n int, text []byte) {
		d := newDecoder(bytes.NewReader(text))
		what, line, err := d.begin()
		if err == nil {
			err = d.finish(what, line, n)
		}
		if err != nil || d.reply.refusal != "" || what == '-' {
			return
		}
		if len(d.reply.results) != n || d.reply.time < 0 {
			t.Fatalf("%d answers to %d questions at %v", len(d.reply.results), n, d.reply.time)
		}
		for _, r := range d.reply.results {
			a, err := r.answer(quorum.Kind(kind), d.reply.time)
			if err == nil && (!a.Answered() || a.Remaining < 0 || a.Holder != "" && a.Verdict != quorum.Other ||
				a.Token != 0 && a.Verdict != quorum.Mine || a.Token >= quorum.MaxToken) {
				t.Errorf("answer %+v", a)
			}
		}
	})
}
