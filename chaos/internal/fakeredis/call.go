package fakeredis

import (
	"fmt"
	"strconv"
	"strings"
)

// A Call is one run of a script: its arguments, and the commands it may give.
//
// After a fault, every further command does nothing, and the script's reply is the fault: what an
// error does that Lua raises. What was done before it stays done.
type Call struct {
	e          *execution
	sha        string
	keys, argv []string
	fault      Fault

	// Of batch.lua: the clock when it began, and what it knows of waiters and of counters.
	seconds, fraction int64
	waiting           waiting
	counting          counting
}

// Key returns KEYS[i], and Arg returns ARGV[i], counted from 1 as in Lua. One that was not given is
// empty.
func (c *Call) Key(i int) string { return nth(c.keys, i) }

// Arg returns ARGV[i]; see [Call.Key].
func (c *Call) Arg(i int) string { return nth(c.argv, i) }

func nth(list []string, i int) string {
	if i < 1 || i > len(list) {
		return ""
	}
	return list[i-1]
}

// Number returns ARGV[i] as Lua's tonumber does. Anything else is a fault, as it is in Lua once it is
// computed or compared with.
func (c *Call) Number(i int) float64 {
	n, err := strconv.ParseFloat(strings.TrimSpace(c.Arg(i)), 64)
	if err != nil {
		c.fail(Fault(fmt.Sprintf("ERR ARGV[%d] is not a number", i)))
	}
	return n
}

// Do carries out a command, as redis.call does.
func (c *Call) Do(args ...string) Reply {
	if c.fault != "" {
		return Null{}
	}
	_, known, problem := c.e.server.find(args)
	if problem != "" {
		c.fail(problem)
		return Null{}
	}
	inner := *c.e
	inner.args = args
	reply := known.run(&inner)
	if fault, failed := reply.(Fault); failed {
		c.fail(fault)
		return Null{}
	}
	return reply
}

// alone carries out a part of the run on one key, as Lua's pcall does: its fault is its reply, and ends nothing
// else. It is reported as an execution of op.
func (c *Call) alone(op, key, asked string, part func() Reply) Reply {
	from := c.e.session.cable
	about := Execution{Client: from.link.client, Connection: from.number, Op: op, Asked: asked}
	return c.e.server.audited(about, c.e.session.db, []string{key}, func() Reply {
		reply := part()
		if c.fault != "" {
			reply = Fault(strings.TrimSuffix(string(c.fault), " script: "+c.sha))
			c.fault = ""
		}
		return reply
	})
}

// fail ends the run, unless it has failed already.
func (c *Call) fail(fault Fault) {
	if c.fault == "" {
		c.fault = fault + " script: " + Fault(c.sha)
	}
}

// Failed reports whether there was a fault.
func (c *Call) Failed() bool { return c.fault != "" }
