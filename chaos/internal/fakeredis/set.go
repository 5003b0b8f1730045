package fakeredis

import (
	"fmt"
	"math"
	"strings"
)

// setOptions are what SET was told besides key and value.
type setOptions struct {
	nx, xx, get, keepTTL bool
	unit                 string // how expiry is given: "", EX, PX, EXAT or PXAT
	expiry               string
}

func set(e *execution) Reply {
	o, fine := parseSet(e.args[3:])
	if !fine {
		return badSyntax
	}
	until, fault := o.until(e.now)
	if fault != "" {
		return fault
	}
	key := e.args[1]
	old, exists := e.server.store.get(e.at(key), e.now)
	reply := Reply(ok)
	if o.get {
		if reply = get(e); reply == wrongType {
			return reply
		}
	}
	if o.nx && exists || o.xx && !exists {
		if o.get {
			return reply
		}
		return Null{}
	}
	if o.keepTTL && exists {
		until = old.until
	}
	e.write(key, entry{value: e.args[2], until: until})
	return reply
}

// parseSet reads the words behind the value.
func parseSet(words []string) (o setOptions, fine bool) {
	for len(words) > 0 {
		word := strings.ToUpper(words[0])
		words = words[1:]
		switch {
		case word == "NX" && !o.xx:
			o.nx = true
		case word == "XX" && !o.nx:
			o.xx = true
		case word == "GET":
			o.get = true
		case word == "KEEPTTL" && o.unit == "":
			o.keepTTL = true
		case units[word] != 0 && (o.unit == "" || o.unit == word) && !o.keepTTL && len(words) > 0: // the last one counts
			o.unit, o.expiry = word, words[0]
			words = words[1:]
		default:
			return o, false
		}
	}
	return o, true
}

// units are the ways to give an expiry, and how many milliseconds each counts in.
var units = map[string]int{"EX": 1000, "PX": 1, "EXAT": 1000, "PXAT": 1}

// until returns the last millisecond of the key's life.
func (o setOptions) until(now int64) (int64, Fault) {
	if o.unit == "" {
		return forever, ""
	}
	n, ok := plainInteger(o.expiry)
	if !ok {
		return 0, notInteger
	}
	scale := units[o.unit]
	if n <= 0 || n > math.MaxInt64/scale {
		return 0, badExpiry("set")
	}
	until := int64(n * scale)
	if strings.HasSuffix(o.unit, "AT") {
		return until, ""
	}
	if until > math.MaxInt64-now {
		return 0, badExpiry("set")
	}
	return until + now, ""
}

func badExpiry(name string) Fault {
	return Fault(fmt.Sprintf("ERR invalid expire time in '%s' command", name))
}
