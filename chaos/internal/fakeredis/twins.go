package fakeredis

import (
	"fmt"
	"strconv"
	"strings"
)

// twins are the lock's scripts in quorum/redisnode, by name, with the digest of the code each was
// written for. A test fails when a script was changed: then its twin follows, and the digest.
var twins = map[string]struct {
	code string
	run  Script
}{
	"batch": {"152f09e08ce4e8aee5bbb1e1d2ba674e466ef4c6", batch},
}

// batch is batch.lua. Each operation is reported as an execution of its own.
func batch(c *Call) Reply {
	c.seconds, c.fraction = c.e.time()
	all := c.terms()
	replies := Array{Integer(c.seconds), Integer(c.fraction)}
	for i := range c.keys {
		if i >= len(c.Arg(1)) {
			c.fail("ERR the plan is too short")
		}
		if c.Failed() {
			return Null{}
		}
		o := operation{Call: c, key: c.Key(i + 1), value: c.Arg(i + 2)}
		if t := int(c.Arg(1)[i]) - '0'; t >= 0 && t < len(all) {
			o.terms = all[t]
		}
		replies = append(replies, c.alone(o.kind, o.key, o.value, o.run))
	}
	return replies
}

// terms are what an operation is carried out with.
type terms struct {
	kind, flags string
	ttl         string
	length      float64
	sound       bool // ttl is a number
	late        bool
}

func (t terms) has(flag string) bool { return strings.Contains(t.flags, flag) }

func (c *Call) terms() []terms {
	var all []terms
	for at := len(c.keys) + 2; at <= len(c.argv); at += 3 {
		if c.Arg(at) == "with" {
			if c.waiting.rest = at; c.counting.asked {
				c.waiting.rest, c.counting.longest = at+1, c.Arg(at+1)
			}
			break
		}
		t := terms{ttl: c.Arg(at + 1)}
		t.kind, t.flags, _ = strings.Cut(c.Arg(at), "/")
		c.counting.asked = c.counting.asked || t.kind == "raise" || t.has("n")
		length, err := strconv.ParseFloat(strings.TrimSpace(t.ttl), 64)
		t.length, t.sound = length, err == nil
		limit := c.Number(at + 2)
		t.late = limit > 0 && c.micros() > limit
		all = append(all, t)
	}
	return all
}

// micros is the clock as batch.lua computes with it, when the run began.
func (c *Call) micros() float64 { return float64(c.seconds)*1e6 + float64(c.fraction) }

// An operation is one of a batch.
type operation struct {
	*Call
	terms
	key, value string
}

func (o operation) run() Reply {
	switch o.kind {
	case "acquire":
		return o.acquire()
	case "heal":
		return o.grant()
	case "extend", "inspect":
		return o.onHeld()
	case "release":
		if o.flags != "" {
			return o.releaseTelling()
		}
		return o.onHeld()
	case "handover":
		return o.handOver()
	case "raise":
		return o.raise()
	}
	o.fail("ERR no such operation")
	return Null{}
}

// Replies that are no remaining time.
const (
	nothingThere = Integer(-2)
	tooLate      = Integer(-3)
)

func (o operation) grant() Reply {
	if o.late {
		return tooLate
	}
	if o.Do("SET", o.key, o.value, "NX", "PX", o.ttl) == ok {
		return Integer(o.length)
	}
	if holder := o.Do("GET", o.key); holder != Bulk(o.value) {
		return o.other(holder)
	}
	return o.prolong()
}

// onHeld is what extend, release and inspect have in common.
func (o operation) onHeld() Reply {
	switch holder := o.Do("GET", o.key); {
	case o.Failed():
		return Null{}
	case holder == Null{}:
		return nothingThere
	case holder != Bulk(o.value):
		return o.other(holder)
	case o.kind == "extend":
		return o.prolong()
	case o.kind == "release":
		return o.release()
	}
	return o.Do("PTTL", o.key)
}

func (o operation) other(holder Reply) Reply {
	return Array{o.Do("PTTL", o.key), holder}
}

// prolong makes the key live for the TTL, unless it lives longer.
func (o operation) prolong() Reply {
	left := o.Do("PTTL", o.key)
	n, _ := left.(Integer)
	if n < 0 || !o.compares() || float64(n) >= o.length {
		return left
	}
	o.Do("PEXPIRE", o.key, o.ttl)
	return Integer(o.length)
}

func (o operation) release() Reply {
	if !o.compares() {
		return Null{}
	}
	if o.length > 0 {
		o.Do("PEXPIRE", o.key, o.ttl)
	} else {
		o.Do("DEL", o.key)
	}
	return Integer(o.length)
}

// compares reports whether ttl can be compared, which is a fault otherwise.
func (o operation) compares() bool {
	if !o.sound {
		o.fail(Fault(fmt.Sprintf("ERR %q is not a number", o.ttl)))
	}
	return o.sound
}
