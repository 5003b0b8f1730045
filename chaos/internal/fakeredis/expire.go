package fakeredis

import (
	"math"
	"strings"
)

// conditions are the options of PEXPIRE.
type conditions struct{ nx, xx, gt, lt bool }

func pexpire(e *execution) Reply {
	c, fault := parseConditions(e.args[3:])
	if fault != "" {
		return fault
	}
	n, ok := plainInteger(e.args[2])
	switch {
	case !ok:
		return notInteger
	case int64(n) > math.MaxInt64-e.now:
		return badExpiry("pexpire")
	}
	until, at := int64(n)+e.now, e.at(e.args[1])
	old, exists := e.server.store.get(at, e.now)
	if !exists || !c.allow(old.until, until) {
		return Integer(0)
	}
	if until <= e.now {
		e.server.store.drop(at)
		return Integer(1)
	}
	old.until = until
	e.server.store.put(at, old, e.now)
	return Integer(1)
}

// allow reports whether an expiry may be replaced. No expiry is later than every other.
func (c conditions) allow(old, until int64) bool {
	switch {
	case c.nx && old != forever, c.xx && old == forever:
		return false
	case c.gt && until <= old, c.lt && until >= old:
		return false
	}
	return true
}

func parseConditions(words []string) (c conditions, fault Fault) {
	for _, word := range words {
		switch strings.ToUpper(word) {
		case "NX":
			c.nx = true
		case "XX":
			c.xx = true
		case "GT":
			c.gt = true
		case "LT":
			c.lt = true
		default:
			return c, Fault("ERR Unsupported option " + word)
		}
	}
	switch {
	case c.nx && (c.xx || c.gt || c.lt):
		return c, "ERR NX and XX, GT or LT options at the same time are not compatible"
	case c.gt && c.lt:
		return c, "ERR GT and LT options at the same time are not compatible"
	}
	return c, ""
}

func persist(e *execution) Reply {
	at := e.at(e.args[1])
	old, exists := e.server.store.get(at, e.now)
	if !exists || old.until == forever {
		return Integer(0)
	}
	old.until = forever
	e.server.store.put(at, old, e.now)
	return Integer(1)
}

func pttl(e *execution) Reply {
	found, exists := e.server.store.get(e.at(e.args[1]), e.now)
	switch {
	case !exists:
		return Integer(-2)
	case found.until == forever:
		return Integer(-1)
	}
	return Integer(found.until - e.now)
}

func ttl(e *execution) Reply {
	left, _ := pttl(e).(Integer)
	if left < 0 {
		return left
	}
	return (left + 500) / 1000
}
