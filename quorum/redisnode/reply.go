package redisnode

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/quorumlock/quorumlock/quorum"
)

// parseReply reads what the script of kind returned: {verdict, seconds, microseconds}, then the
// key's remaining milliseconds with "mine" and "other", then the holder with "other".
func parseReply(kind quorum.Kind, reply any) (quorum.Answer, error) {
	fields, ok := reply.([]any)
	if !ok || len(fields) < 3 {
		return quorum.Answer{}, malformed(kind, "no verdict and time in it")
	}
	word, ok := fields[0].(string)
	verdict, known := verdicts[word]
	if !ok || !known || !possible(kind, verdict) {
		return quorum.Answer{}, malformed(kind, "not a verdict on it")
	}
	a := quorum.Answer{Verdict: verdict}
	if a.NodeTime, ok = nodeTime(fields[1], fields[2]); !ok {
		return quorum.Answer{}, malformed(kind, "not a time")
	}
	want := 3
	if verdict == quorum.Mine || verdict == quorum.Other {
		want++
		if len(fields) < want {
			return quorum.Answer{}, malformed(kind, "no remaining time in it")
		}
		if a.Remaining, ok = remaining(fields[3]); !ok {
			return quorum.Answer{}, malformed(kind, "not a remaining time")
		}
	}
	if verdict == quorum.Other {
		want++
		if len(fields) < want {
			return quorum.Answer{}, malformed(kind, "no holder in it")
		}
		if a.Holder, ok = fields[4].(string); !ok {
			return quorum.Answer{}, malformed(kind, "the holder is not a string")
		}
	}
	return a, nil
}

// malformed is the error for a reply that our script cannot have given.
func malformed(kind quorum.Kind, what string) error {
	return fmt.Errorf("malformed reply to %v: %s", kind, what)
}

var verdicts = map[string]quorum.Verdict{
	"mine": quorum.Mine, "free": quorum.Free, "other": quorum.Other, "late": quorum.Late,
}

// possible reports whether an operation of this kind can end with v.
func possible(kind quorum.Kind, v quorum.Verdict) bool {
	writes := kind == quorum.Acquire || kind == quorum.Heal
	switch v {
	case quorum.Late:
		return writes
	case quorum.Free:
		return !writes
	}
	return true
}

// nodeTime joins both halves of a TIME reply.
func nodeTime(seconds, micros any) (time.Duration, bool) {
	s, okS := integer(seconds)
	us, okUs := integer(micros)
	const last = math.MaxInt64/int64(time.Second) - 1
	if !okS || !okUs || s < 0 || s > last || us < 0 || us >= 1_000_000 {
		return 0, false
	}
	return time.Duration(s)*time.Second + time.Duration(us)*time.Microsecond, true
}

// remaining reads a PTTL: milliseconds, or -1 for a key without expiry. What does not fit a Duration
// is cut off, and stays less than no expiry at all.
func remaining(v any) (time.Duration, bool) {
	ms, ok := integer(v)
	switch {
	case !ok || ms < -1:
		return 0, false
	case ms == -1:
		return quorum.NoExpiry, true
	case ms > int64(math.MaxInt64/time.Millisecond):
		return quorum.NoExpiry - 1, true
	}
	return time.Duration(ms) * time.Millisecond, true
}

// integer reads a number, which a script returns as such or as the string that it was given.
func integer(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case string:
		n, err := strconv.ParseInt(v, 10, 64)
		return n, err == nil
	}
	return 0, false
}
