package fakeredis_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorumlock/quorumlock/chaos/internal/fakeredis"
	"github.com/quorumlock/quorumlock/clock"
)

// Everything that is done to a key is reported, with what was there before and is there after.
func TestAudit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log []string
		server := fakeredis.New(7, clock.Process(), fakeredis.WithAudit(func(e fakeredis.Execution) {
			changed := map[bool]string{true: " changed"}[e.Changed()]
			log = append(log, fmt.Sprintf("%s/%d: %s %s %q: %s -> %s%s",
				e.Server, e.Client, e.Op, e.Key, e.Asked, show(e, e.Before), show(e, e.After), changed))
		}))
		defer server.Close()
		c, lua := dial(t, server.Link(2)), scripts(t)
		for _, args := range [][]string{
			append([]string{"EVAL", lua["batch"]}, batch(
				operation{"acquire", "k", "me", "1000", "0"},
				operation{"acquire", "k", "you", "1000", "0"},
				operation{"heal", "k", "me", "2000", "0"},
			)...),
			append([]string{"EVAL", lua["batch"]}, batch(operation{"release", "k", "you", "0", "0"})...),
			append([]string{"EVAL", lua["batch"]}, batch(operation{"release", "k", "me", "0", "0"})...),
			{"SET", "k", "text"},
			{"PING"},
			{"GET", "k"},
			{"SET", "j", "other"},
			{"DEL", "k", "none"},
			{"FLUSHALL"},
		} {
			c.do(t, args...)
		}
		server.Put("k", "planted", 0)
		server.Spoil("j")
		server.Wipe()
		server.Put("k", "planted", 0)
		server.Kill(false)
		want := []string{
			`fake-7/2: acquire k "me":  -> me+1s changed`,
			`fake-7/2: acquire k "you": me+1s -> me+1s`,
			`fake-7/2: heal k "me": me+1s -> me+2s changed`,
			`fake-7/2: release k "you": me+2s -> me+2s`,
			`fake-7/2: release k "me": me+2s ->  changed`,
			`fake-7/2: set k "text":  -> text changed`,
			`fake-7/2: get k "": text -> text`,
			`fake-7/2: set j "other":  -> other changed`,
			`fake-7/2: del k "": text ->  changed`,
			`fake-7/2: del none "":  -> `,
			`fake-7/2: flushall j "": other ->  changed`,
			`fake-7/-1: put k "planted":  -> planted changed`,
			`fake-7/-1: spoil j "":  ->  changed`,
			`fake-7/-1: wipe j "":  ->  changed`,
			`fake-7/-1: wipe k "": planted ->  changed`,
			`fake-7/-1: put k "planted":  -> planted changed`,
			`fake-7/-1: kill k "": planted ->  changed`,
		}
		if !slices.Equal(log, want) {
			t.Errorf("the log is\n%s", diff(log, want))
		}
	})
}

// show writes a state, with what is left of its life.
func show(e fakeredis.Execution, s fakeredis.State) string {
	if s.Expires == 0 {
		return s.Value
	}
	return fmt.Sprintf("%s+%v", s.Value, (s.Expires - e.At).Round(100*time.Millisecond))
}

func diff(got, want []string) string {
	text := ""
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			text += "missing: " + want[i] + "\n"
		case i >= len(want):
			text += "too much: " + got[i] + "\n"
		case got[i] != want[i]:
			text += got[i] + "\nwant " + want[i] + "\n"
		}
	}
	return text
}

// Programs under test may bring scripts of their own.
func TestRegister(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fakeredis.Server, l *fakeredis.Link) {
		const source = "return redis.call('SET', KEYS[1], ARGV[1])"
		c := dial(t, l)
		c.want(t, "-ERR fakeredis has no Go twin of the script that begins with: "+source, "EVAL", source, "1", "k", "v")
		s.Register("store", source, func(c *fakeredis.Call) fakeredis.Reply { return c.Do("SET", c.Key(1), c.Arg(1)) })
		if v := c.do(t, "SCRIPT", "LOAD", "-- batch.lua: not what it says\n"+source); v.kind != '-' {
			t.Errorf("loading a script without a twin = %v", v)
		}
		c.want(t, "-NOSCRIPT No matching script. Please use EVAL.", "EVALSHA", sha(source), "1", "k", "v")
		c.want(t, "+OK", "EVAL", source, "1", "k", "v")
		c.want(t, "+OK", "EVALSHA", sha(source), "1", "k", "w")
		holds(t, s, "k", "w")
		s.Register("fail", source, func(c *fakeredis.Call) fakeredis.Reply {
			c.Do("SET", "done", "stays")
			c.Do("GET")
			c.Do("SET", "after", "fault")
			if !c.Failed() {
				t.Error("the script does not know that it failed")
			}
			return fakeredis.Integer(1)
		})
		if v := c.do(t, "EVAL", source, "0"); v.kind != '-' {
			t.Errorf("a script that failed = %v", v)
		}
		holds(t, s, "done", "stays")
		holds(t, s, "after", "")
	})
}
