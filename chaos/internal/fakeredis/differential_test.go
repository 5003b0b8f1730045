package fakeredis_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/chaos/internal/fakeredis"
	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum/quorumtest"
)

// A duel is the fake and a real server that are told the same.
type duel struct {
	*testing.T
	fake         *fakeredis.Server
	ours, theirs *speaker
	behind       *speaker // of the real server, in database 0 at all times
	exact        bool     // the real server is of the version that the fake imitates
}

func newDuel(t *testing.T, addr string, opts ...fakeredis.Option) *duel {
	d := &duel{T: t, fake: fakeredis.New(0, clock.Process(), opts...)}
	t.Cleanup(func() { must(t, d.fake.Close()) })
	d.ours, d.theirs, d.behind = dial(t, d.fake.Link(0)), dialReal(t, addr), dialReal(t, addr)
	return d
}

func dialReal(t testing.TB, addr string) *speaker {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return speak(c)
}

// begin makes both empty, and speaks that version of RESP to them.
func (d *duel) begin(protocol string) {
	d.Helper()
	d.both([]string{"FLUSHALL"}, []string{"SCRIPT", "FLUSH"}, []string{"HELLO", protocol})
	d.exact = imitated(d.behind.do(d, "HELLO", "3"))
}

// imitated reports whether a server that greets like this is of the version that the fake is like.
func imitated(greeting value) bool { return strings.HasPrefix(field(greeting, "version"), "7.0.") }

// sameGreeting compares replies to HELLO.
func sameGreeting(a, b value) bool {
	for _, name := range []string{"server", "proto", "mode", "role", "modules"} {
		if field(a, name) != field(b, name) {
			return false
		}
	}
	return a.kind == b.kind
}

// field returns a value from a map by its key.
func field(v value, name string) string {
	for i := 0; i+1 < len(v.list); i += 2 {
		if v.list[i].text == name {
			return strings.Trim(v.list[i+1].String(), `$"`)
		}
	}
	return "missing"
}

// both tells both the same, and demands the same replies.
func (d *duel) both(batch ...[]string) {
	d.Helper()
	for _, s := range []*speaker{d.ours, d.theirs} {
		s.send(d, batch...)
	}
	for _, args := range batch {
		ours, errO := d.ours.read()
		theirs, errT := d.theirs.read()
		if errO != nil || errT != nil || !d.alike(args, ours, theirs) {
			d.Fatalf("%.70q = %v (%v), of a real server %v (%v)", args, ours, errO, theirs, errT)
		}
	}
}

func (d *duel) alike(args []string, ours, theirs value) bool {
	if ours.kind == '-' || theirs.kind == '-' {
		return ours.kind == theirs.kind && d.sameError(ours.text, theirs.text)
	}
	switch name := strings.ToUpper(args[0]); {
	case name == "PTTL":
		return near(ours, theirs, 5000)
	case name == "TTL":
		return near(ours, theirs, 5)
	case name == "TIME":
		return len(ours.list) == 2 && near(ours.list[0], theirs.list[0], 5) && near(ours.list[1], theirs.list[1], 1e6)
	case name == "HELLO":
		return sameGreeting(ours, theirs)
	case strings.HasPrefix(name, "EVAL"):
		return d.sameVerdicts(ours, theirs)
	}
	return ours.String() == theirs.String()
}

// sameError compares texts, or codes only where texts depend on the version or on Lua.
func (d *duel) sameError(ours, theirs string) bool {
	if !d.exact || strings.Contains(theirs, "user_script") {
		ours, _, _ = strings.Cut(ours, " ")
		theirs, _, _ = strings.Cut(theirs, " ")
	}
	return ours == theirs
}

// near reports whether both are the same, or numbers of the same type that are not far apart and on
// the same side of 0.
func near(a, b value, apart float64) bool {
	x, errX := strconv.ParseFloat(a.text, 64)
	y, errY := strconv.ParseFloat(b.text, 64)
	return a.String() == b.String() ||
		a.kind == b.kind && errX == nil && errY == nil && x >= 0 && y >= 0 && max(x-y, y-x) <= apart
}

// sameVerdicts compares replies of the lock's script: the time, then what became of each operation.
func (d *duel) sameVerdicts(a, b value) bool {
	if a.kind != '*' || b.kind != '*' || len(a.list) != len(b.list) || len(a.list) < 2 ||
		!near(a.list[0], b.list[0], 5) || !near(a.list[1], b.list[1], 1e6) {
		return false
	}
	for i := 2; i < len(a.list); i++ {
		x, y := a.list[i], b.list[i]
		if len(x.list) == 2 && len(y.list) == 2 && x.list[1].String() == y.list[1].String() {
			x, y = x.list[0], y.list[0]
		}
		if !near(x, y, 5000) && (x.kind != '-' || y.kind != '-' || !d.sameError(x.text, y.text)) {
			return false
		}
	}
	return true
}

// The fake answers whatever it is asked as a real server does.
func TestProveSameAsARealServer(t *testing.T) {
	seeds, batches := 50, 20
	if proving() {
		seeds = 1000
	}
	addr := quorumtest.RedisServer(t).Addr()
	for _, protocol := range []string{"2", "3"} {
		t.Run("RESP"+protocol, func(t *testing.T) {
			d := newDuel(t, addr)
			for seed := range seeds {
				d.begin(protocol)
				a := asker{Rand: rand.New(rand.NewPCG(uint64(seed), 1)), scripts: scripts(t)}
				for range batches {
					d.both(a.batch(20)...)
					d.spoil(a.of("k1", "k2", "k3", "redlock:since:k1", "redlock:waiting"))
				}
			}
			t.Logf("%d commands had the same replies", seeds*batches*20)
		})
	}
}

// spoil stores a list under a key of database 0.
func (d *duel) spoil(key string) {
	d.behind.do(d, "DEL", key)
	d.behind.do(d, "RPUSH", key, "item")
	d.fake.Spoil(key)
}

// An asker makes up commands.
type asker struct {
	*rand.Rand
	scripts map[string]string
}

func (a asker) of(words ...string) string { return words[a.IntN(len(words))] }

func (a asker) key() string { return a.of("k1", "k2", "k3") }

func (a asker) value() string {
	return a.of("mine", "theirs", "", "5", "with\r\nline\x00s", "-7", "9223372036854775807")
}

// ttl returns milliseconds. No two are near each other, so that none is the remainder of another.
func (a asker) ttl() string { return strconv.Itoa(100_000 + 10_000*a.IntN(1_000_000)) }

// number is mostly a TTL, and sometimes nonsense.
func (a asker) number() string {
	if a.IntN(8) > 0 {
		return a.ttl()
	}
	return a.of("0", "-5", "abc", "1.5", "", " 5", "05", "9223372036854775807", "-9223372036854775808", "99999999999999999999")
}

// some returns each of the words with a chance of one in n, in any order.
func (a asker) some(n int, words ...string) []string {
	var list []string
	for _, i := range a.Perm(len(words)) {
		if a.IntN(n) == 0 {
			list = append(list, words[i])
		}
	}
	return list
}

func (a asker) batch(n int) [][]string {
	list := make([][]string, n)
	for i := range list {
		list[i] = a.command()
	}
	return list
}

// command makes up a command, half of the time a script.
func (a asker) command() []string {
	if a.IntN(2) == 0 {
		return a.script()
	}
	plain := []func() []string{
		a.set, a.set, a.set, a.pexpire, a.pexpire, a.scriptCommand, a.connection,
		func() []string { return []string{a.of("GET", "get"), a.key()} },
		func() []string { return []string{a.of("PTTL", "TTL"), a.key()} },
		func() []string { return []string{a.of("PERSIST", "INCR"), a.key()} },
		func() []string {
			return append([]string{a.of("DEL", "EXISTS"), a.key()}, a.some(2, "k1", "k2", "k3")...)
		},
		func() []string { return append([]string{"TIME"}, a.some(9, "now")...) },
		a.unusual,
	}
	return plain[a.IntN(len(plain))]()
}

func (a asker) set() []string {
	args := append([]string{"SET", a.key(), a.value()}, a.some(5, "NX", "XX", "GET", "KEEPTTL", "nonsense")...)
	switch a.IntN(4) {
	case 0:
		args = append(args, "px", a.number())
	case 1:
		seconds := strconv.Itoa(100 + 10*a.IntN(1e6))
		args = append(args, "EX", a.of(seconds, seconds, seconds, "0", "-1", "x", "9223372036854775807", "9223372036854775"))
	case 2:
		at := time.Now().Add(time.Duration(100+10*a.IntN(1e6)) * time.Second * time.Duration(2*a.IntN(2)-1))
		args = append(args, a.of("PXAT", "pxat"), strconv.FormatInt(at.UnixMilli(), 10))
	}
	return append(args, a.some(9, "XX", "get", "PX", "EXAT")...)
}

func (a asker) pexpire() []string {
	return append([]string{"PEXPIRE", a.key(), a.number()}, a.some(4, "NX", "XX", "GT", "LT", "nonsense")...)
}

// script calls the lock's script, for some operations.
func (a asker) script() []string {
	source := a.scripts["batch"]
	args := []string{"EVALSHA", sha(source)}
	switch a.IntN(8) {
	case 0:
		args = []string{"EVAL", source}
	case 1:
		args[1] = strings.ToUpper(args[1])
	}
	ops := make([]operation, a.IntN(5))
	more := []string{"with"}
	for i := range ops {
		ops[i] = a.operation()
		more = append(more, a.more(ops[i].kind)...)
	}
	return append(append(args, batch(ops...)...), more...)
}

func (a asker) operation() operation {
	o := operation{
		kind: a.of("acquire", "acquire", "extend", "heal", "release", "inspect",
			"acquire-as", "acquire-as-telling", "release-telling", "release-telling-as", "handover"), key: a.key(),
		value: a.of("mine", "theirs", "other", ""), ttl: a.number(), limit: "0",
	}
	in := func(d time.Duration) string { return strconv.FormatInt(time.Now().Add(d).UnixMicro(), 10) }
	switch o.kind {
	case "release", "release-telling", "release-telling-as":
		o.ttl = a.of("0", o.ttl)
	case "acquire", "heal", "acquire-as", "acquire-as-telling", "handover":
		o.limit = a.of("0", "0", "0", "0", in(-time.Hour), in(time.Hour), in(time.Hour))
		if a.IntN(50) == 0 {
			o.limit = "nonsense"
		}
	}
	return o
}

// more returns what some operations take behind all terms.
func (a asker) more(kind string) []string {
	switch kind {
	case "handover":
		return []string{a.of("mine", "theirs", "other"), a.of("w1", "w2", "")}
	case "acquire-as", "acquire-as-telling", "release-telling-as":
		return []string{a.of("w1", "w2"), a.of("0", "5000000", "-5000000", "x")}
	}
	return nil
}

func (a asker) scriptCommand() []string {
	source := a.scripts["batch"]
	return [][]string{
		{"SCRIPT", "FLUSH"},
		{"SCRIPT", "FLUSH", a.of("ASYNC", "sync", "later")},
		{"SCRIPT", "LOAD", source},
		{"script", "exists", sha(source), strings.ToUpper(sha(source)), "nonsense"},
		{"EVALSHA", "short", "0"},
		{"EVALSHA", sha(source), a.of("2", "-1", "x"), "k1"},
		{"EVAL", source, a.of("2", "-1", "x"), "k1"},
		{"SCRIPT"},
		{"SCRIPT", a.of("LOAD", "EXISTS", "nonsense")},
	}[a.IntN(9)]
}

func (a asker) connection() []string {
	return [][]string{
		{"PING"},
		{"PING", "hello"},
		{"PING", "hello", "you"},
		{"PUBLISH", "channel", "hello"},
		{"PUBLISH", a.of("channel", "")},
		{"UNSUBSCRIBE"},
		{"UNSUBSCRIBE", "channel"},
		{"SELECT", a.of("0", "0", "1", "15", "16", "-1", "x")},
		{"CLIENT", "SETNAME", a.of("me", "not me", "")},
		{"CLIENT", "GETNAME"},
		{"CLIENT", "getname", "nonsense"},
		{"CLIENT", "nonsense"},
		{"AUTH", "secret"},
		{"AUTH", a.of("default", "somebody"), "secret"},
		{"AUTH", "default", "secret", "more"},
	}[a.IntN(15)]
}

// unusual are commands that are wrong, or disturb.
func (a asker) unusual() []string {
	return [][]string{
		{a.of("GET", "SET", "PEXPIRE", "PTTL", "DEL", "EVAL", "SELECT", "INCR", "CLIENT", "HELLO", "AUTH")},
		{a.of("GET", "PTTL", "PERSIST", "TIME", "INCR", "SELECT"), "k1", "k2", "k3"},
		{"NONSENSE", "a", strings.Repeat("b", 100), strings.Repeat("c", 100), "d"},
		{strings.Repeat("long", 50)},
		{"FLUSHALL"},
		{"FLUSHALL", a.of("ASYNC", "SYNC", "later")},
		{"HELLO", a.of("1", "2", "3", "4", "x")},
		{"HELLO", "2", a.of("AUTH", "SETNAME", "nonsense"), "a"},
	}[a.IntN(8)]
}

// A password is asked for in the same way.
func TestSamePasswordAsARealServer(t *testing.T) {
	addr := quorumtest.RedisServer(t).Addr()
	operator := dialReal(t, addr)
	operator.want(t, "+OK", "CONFIG", "SET", "requirepass", "secret")
	d := newDuel(t, addr, fakeredis.WithPassword("secret"))
	d.exact = imitated(operator.do(t, "HELLO", "3", "AUTH", "default", "secret"))
	d.both([][]string{
		{"GET", "key"},
		{"GET"},
		{"NONSENSE"},
		{"PING"},
		{"CLIENT", "SETNAME", "me"},
		{"HELLO", "3"},
		{"HELLO", "3", "AUTH", "default", "wrong"},
		{"AUTH", "wrong"},
		{"AUTH", "somebody", "secret"},
		{"AUTH", "secret"},
		{"GET", "key"},
		{"RESET"},
		{"GET", "key"},
		{"AUTH", "default", "secret"},
		{"AUTH", "wrong"},
		{"GET", "key"},
		{"QUIT"},
	}...)
	for _, s := range []*speaker{d.ours, d.theirs} {
		if v, err := s.read(); err == nil {
			t.Errorf("after QUIT came %v", v)
		}
	}
}

// A broken request is answered in the same way, and ends the connection.
func TestSameProtocolErrorsAsARealServer(t *testing.T) {
	addr := quorumtest.RedisServer(t).Addr()
	for _, broken := range []string{
		"*x\r\n", "*9999999999\r\n", "*1\r\n+OK\r\n", "*1\r\n$x\r\n", "*1\r\n$-1\r\n", "*1\r\n$99999999999\r\n", "*01\r\n",
		"*1\r\n$04\r\nPING\r\n",
	} {
		d := newDuel(t, addr)
		d.exact = imitated(d.behind.do(t, "HELLO", "3"))
		// What comes before a broken request is answered, and so are empty requests: not at all.
		for _, s := range []*speaker{d.ours, d.theirs} {
			_, err := s.Write([]byte("*0\r\n*-1\r\n" + string(request("PING")) + broken))
			must(t, err)
			if v, err := s.read(); err != nil || v.text != "PONG" {
				t.Errorf("%q: the PING before it = %v, %v", broken, v, err)
			}
		}
		ours, errO := d.ours.read()
		theirs, errT := d.theirs.read()
		if errO != nil || errT != nil || !d.alike([]string{"broken"}, ours, theirs) {
			t.Errorf("%q = %v (%v), of a real server %v (%v)", broken, ours, errO, theirs, errT)
		}
		for _, s := range []*speaker{d.ours, d.theirs} {
			if v, err := s.read(); err == nil {
				t.Errorf("%q: after the error came %v", broken, v)
			}
		}
	}
}

// Keys with short lives go on both, and not before their time.
func TestSameExpiryAsARealServer(t *testing.T) {
	d := newDuel(t, quorumtest.RedisServer(t).Addr())
	d.begin("2")
	sources := scripts(t)
	for i, ttl := range []time.Duration{time.Millisecond, 20 * time.Millisecond, 55 * time.Millisecond, 120 * time.Millisecond} {
		key, ms := fmt.Sprint("key", i), strconv.FormatInt(ttl.Milliseconds(), 10)
		ways := [][]string{
			{"SET", key, "mine", "PX", ms},
			append([]string{"EVAL", sources["batch"]}, batch(operation{"acquire", key, "mine", ms, "0"})...),
			{"PEXPIRE", key, ms},
			append([]string{"EVAL", sources["batch"]}, batch(operation{"release", key, "mine", ms, "0"})...),
		}
		for way, args := range ways {
			for _, s := range []*speaker{d.ours, d.theirs} {
				if way > 1 {
					s.do(t, "SET", key, "mine")
				}
				began := time.Now()
				s.do(t, args...)
				s.awaitGone(t, key)
				if lived := time.Since(began); lived < ttl {
					t.Errorf("%q: the key was gone after %v", args[0], lived)
				}
			}
		}
	}
}

func (s *speaker) awaitGone(t testing.TB, key string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for s.do(t, "EXISTS", key).text != "0" {
		if ctx.Err() != nil {
			t.Fatalf("key %q does not go", key)
		}
	}
}
