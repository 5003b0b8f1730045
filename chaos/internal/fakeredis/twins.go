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
	"batch": {"1c50c211c38092049664b379589655dccdea3981", batch},
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
		kind, _, _ := strings.Cut(o.kind, "-")
		replies = append(replies, c.alone(kind, o.key, o.value, o.run))
	}
	return replies
}

// terms are what an operation is carried out with.
type terms struct {
	kind, ttl string
	length    float64
	sound     bool // ttl is a number
	late      bool
}

func (c *Call) terms() []terms {
	var all []terms
	for at := len(c.keys) + 2; at <= len(c.argv); at += 3 {
		if c.Arg(at) == "with" {
			c.waiting.rest = at
			break
		}
		t := terms{kind: c.Arg(at), ttl: c.Arg(at + 1)}
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
	case "acquire", "heal":
		return o.grant()
	case "extend", "release", "inspect":
		return o.onHeld()
	case "acquire-as", "acquire-as-telling":
		return o.acquireAs(o.kind == "acquire-as-telling")
	case "release-telling", "release-telling-as":
		return o.releaseTelling(o.kind == "release-telling-as")
	case "handover":
		return o.handOver()
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
	case strings.HasPrefix(o.kind, "release"):
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
