package redisnode_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/quorum/redisnode"
)

// A mint is a server that numbers grants, seen from before and behind.
type mint struct {
	*testing.T
	plain *redis.Client
	node  *redisnode.Node
}

func newMint(t *testing.T) mint {
	opts := &redis.Options{Addr: quorumtest.RedisServer(t).Addr()}
	return mint{t, plainClient(t, opts), open(t, opts)}
}

const meta = "redlock:meta"

// hinted is an acquire that asks for a number. The longest TTL is an hour.
func hinted(key string, hint uint64) quorum.Op {
	op := acquire(key)
	op.Hint, op.MaxTTL = hint, time.Hour
	return op
}

func (m mint) token(op quorum.Op) uint64 {
	m.Helper()
	answer := ask(m, m.node, patience, op)
	wantVerdict(m, answer, quorum.Mine)
	return answer.Token
}

func (m mint) wantToken(op quorum.Op, want uint64) {
	m.Helper()
	if got := m.token(op); got != want {
		m.Fatalf("%v of %q with hint %d = token %d, want %d", op.Kind, op.Key, op.Hint, got, want)
	}
}

// free releases the key of an acquire.
func (m mint) free(op quorum.Op) {
	m.Helper()
	op.Kind, op.TTL = quorum.Release, 0
	wantVerdict(m, ask(m, m.node, patience, op), quorum.Mine)
}

// know sets what the server knows of all counters, in whole periods of an hour before the present one.
func (m mint) know(ago int64, cur, prev, floor string) {
	m.Helper()
	must(m, m.plain.Del(m.Context(), meta).Err())
	m.set("tmax", "3600000", "period", strconv.FormatInt(m.period()-ago, 10), "cur", cur, "prev", prev, "floor", floor)
}

func (m mint) set(fields ...string) {
	m.Helper()
	must(m, m.plain.HSet(m.Context(), meta, fields).Err())
}

// period is the number of the present hour, which does not end soon.
func (m mint) period() int64 {
	m.Helper()
	for {
		now := m.plain.Time(m.Context()).Val()
		left := now.Truncate(time.Hour).Add(time.Hour).Sub(now)
		if left > 10*time.Second {
			return now.Unix() / 3600
		}
		soon := time.NewTimer(left)
		<-soon.C
	}
}

// What is known of forgotten counters moves from period to period, and is never less than they were.
func TestFloorRotates(t *testing.T) {
	m := newMint(t)
	tests := map[string]struct {
		ago  int64
		want uint64 // of a fresh name with the hint 1
	}{
		"in the period of the last number, its own counters are still there": {0, 11},
		"in the next one, those of the period before it are":                 {1, 101},
		"later all may have gone":                                            {2, 1001},
		"much later too":                                                     {1000, 1001},
		"and if the clock was set back, who knows":                           {-1, 1001},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			m.know(tc.ago, "1000", "100", "10")
			m.wantToken(hinted(name, 1), tc.want)
		})
	}
}

// What the script writes down is what it reads again, and reaches beyond each number by a second at most.
func TestMetaIsWrittenAhead(t *testing.T) {
	m := newMint(t)
	m.know(1, "1000", "2000", "10")
	m.set("run", "somebody else's")
	for range 3 {
		token := m.token(hinted("key", 5_000_001))
		got := m.plain.HGetAll(t.Context(), meta).Val()
		cur, err := strconv.ParseUint(got["cur"], 10, 64)
		must(t, err)
		if cur < token || cur > token+1_000_000 {
			t.Errorf("cur = %d with a counter of %d, want at least that and up to a second more", cur, token)
		}
		delete(got, "cur")
		want := map[string]string{
			"run": "somebody else's", "tmax": "3600000", "period": strconv.FormatInt(m.period(), 10), "prev": "1000", "floor": "2000",
		}
		if !maps.Equal(got, want) {
			t.Errorf("meta = %v, want %v", got, want)
		}
		m.free(acquire("key"))
	}
}

// The longest TTL that anybody names counts for all, also for the life of counters.
func TestLongestTTLCounts(t *testing.T) {
	m := newMint(t)
	for i, maxTTL := range []time.Duration{time.Minute, time.Hour, time.Second} {
		hint := uint64(i+1) * 10_000_000 // well above what counts as forgotten when periods change
		op := hinted(fmt.Sprint("key ", i), hint)
		op.MaxTTL = maxTTL
		m.wantToken(op, hint)
		longest := min(max(maxTTL, time.Duration(i)*time.Hour), time.Hour)
		left := m.plain.PTTL(t.Context(), "redlock:token:"+op.Key).Val()
		if left > 2*longest || left < 2*longest-patience {
			t.Errorf("a counter lives for %v, want %v", left, 2*longest)
		}
	}
	if tmax := m.plain.HGet(t.Context(), meta, "tmax").Val(); tmax != "3600000" {
		t.Errorf("tmax = %s", tmax)
	}
}

// A longer TTL makes longer periods, with other numbers: nothing that may have been forgotten is lost.
func TestFloorSurvivesALongerTTL(t *testing.T) {
	m := newMint(t)
	m.know(0, "1000", "100", "10")
	op := hinted("key", 1)
	op.MaxTTL += time.Millisecond
	m.wantToken(op, 1001)
}

// What somebody has written to the counters' keys fails what needs them, and takes no lock.
func TestSpoiltCounters(t *testing.T) {
	tests := map[string]struct {
		spoil []any
		words string
	}{
		"a word":              {[]any{"SET", "redlock:token:the key", "x"}, "redlock:token:the key is not a whole number below 2^53"},
		"a fraction":          {[]any{"SET", "redlock:token:the key", "1.5"}, "redlock:token:the key is not"},
		"negative":            {[]any{"SET", "redlock:token:the key", "-1"}, "redlock:token:the key is not"},
		"no number":           {[]any{"SET", "redlock:token:the key", "nan"}, "redlock:token:the key is not"},
		"infinite":            {[]any{"SET", "redlock:token:the key", "inf"}, "redlock:token:the key is not"},
		"too large":           {[]any{"SET", "redlock:token:the key", "9007199254740992"}, "redlock:token:the key is not"},
		"the largest":         {[]any{"SET", "redlock:token:the key", "9007199254740991"}, "redlock:token:the key would reach 2^53"},
		"a floor at the end":  {[]any{"HSET", meta, "floor", "9007199254740991"}, "redlock:token:the key would reach 2^53"},
		"no number in meta":   {[]any{"HSET", meta, "prev", "x"}, "redlock:meta is not a whole number"},
		"a counter of a list": {[]any{"RPUSH", "redlock:token:the key", "x"}, "WRONGTYPE"},
		"meta of a list":      {[]any{"RPUSH", meta, "x"}, "WRONGTYPE"},
	}
	m := newMint(t)
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			must(t, m.plain.FlushAll(t.Context()).Err())
			must(t, m.plain.Do(t.Context(), tc.spoil...).Err())
			before := m.dump()
			code, _, _ := strings.Cut(tc.words+" ", " ")
			if code != "WRONGTYPE" {
				code = "ERR"
			}
			wantError(t, ask(t, m.node, patience, hinted("the key", 5)), code, true, tc.words)
			if after := m.dump(); after != before {
				t.Errorf("left %s, want %s", after, before)
			}
			wantVerdict(t, ask(t, m.node, patience, acquire("the key")), quorum.Mine)
			before = m.dump()
			wantVerdict(t, ask(t, m.node, patience, handOver("the key", 5)), quorum.Failed)
			if after := m.dump(); after != before {
				t.Errorf("a hand-over left %s, want %s", after, before)
			}
		})
	}
}

// handOver hands the key of an acquire over, with a number.
func handOver(key string, hint uint64) quorum.Op {
	op := hinted(key, hint)
	op.Kind, op.Next = quorum.HandOver, "the next"
	return op
}

// dump is what is under which key.
func (m mint) dump() string {
	m.Helper()
	keys := m.plain.Keys(m.Context(), "*").Val()
	slices.Sort(keys)
	for i, key := range keys {
		keys[i] += "=" + m.plain.Dump(m.Context(), key).Val()
	}
	return fmt.Sprintf("%q", keys)
}

// Who may not touch the counters is told what is missing, and that it can be done without. Nothing is left.
func TestNumbersNeedTheDocumentedRights(t *testing.T) {
	all := strings.Fields("+eval +evalsha +time +get +set +pttl +pexpire +del +hmget +hset ~the* ~redlock:*")
	for missing := range map[string]bool{"": true, "~redlock:*": true, "+hmget": true, "+hset": true} {
		t.Run("without "+missing, func(t *testing.T) {
			m := newMint(t)
			command := []any{"ACL", "SETUSER", "locker", "on", ">s3cret", "resetkeys"}
			for _, right := range all {
				if right != missing {
					command = append(command, right)
				}
			}
			must(t, m.plain.Do(t.Context(), command...).Err())
			m.node = open(t, &redis.Options{Addr: m.plain.Options().Addr, Username: "locker", Password: "s3cret"})
			if missing == "" {
				m.wantToken(hinted("the key", 5), 5)
				m.wantToken(handOver("the key", 5), 6)
				return
			}
			answer := ask(t, m.node, patience, hinted("the key", 5))
			wantError(t, answer, "NOPERM", true, strings.TrimPrefix(missing, "~"))
			wantError(t, answer, "NOPERM", true, "WithoutToken")
			if n := m.plain.Exists(t.Context(), "the key", "redlock:token:the key").Val(); n != 0 {
				t.Errorf("%d keys are left: %s", n, m.dump())
			}
			plain := ask(t, m.node, patience, acquire("the key"))
			wantVerdict(t, plain, quorum.Mine)
			wantVerdict(t, ask(t, m.node, patience, handOver("the key", 5)), quorum.Failed)
			if value := m.plain.Get(t.Context(), "the key").Val(); value != acquire("the key").Value {
				t.Errorf("the key holds %q after a hand-over that failed", value)
			}
		})
	}
}

// A number costs two commands more, and one or two a call; no number costs none.
func TestCommandsOfANumberedGrant(t *testing.T) {
	m := newMint(t)
	m.token(hinted("warm", 1))
	tests := map[string]struct {
		size int
		hint uint64
		want map[string]int
	}{
		"without number": {10, 0, map[string]int{"set": 10}},
		"one":            {1, 5, map[string]int{"set": 2, "get": 1, "hmget": 1}},
		"ten":            {10, 5, map[string]int{"set": 20, "get": 10, "hmget": 1}},
		"ten far ahead":  {10, 1 << 50, map[string]int{"set": 20, "get": 10, "hmget": 1, "hset": 1}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			batch := make([]quorum.Op, tc.size)
			for i := range batch {
				batch[i] = hinted(fmt.Sprint(name, i), tc.hint)
			}
			must(t, m.plain.ConfigResetStat(t.Context()).Err())
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			for _, answer := range m.node.Ask(ctx, batch) {
				wantVerdict(t, answer, quorum.Mine)
			}
			stats := m.plain.Info(t.Context(), "commandstats").Val()
			for _, command := range []string{"set", "get", "hmget", "hset", "del", "pttl", "pexpire", "exists"} {
				if got := number(t, stats, "cmdstat_"+command+`:calls=(\d+)`); got != tc.want[command] {
					t.Errorf("%d times %s, want %d", got, command, tc.want[command])
				}
			}
		})
	}
}
