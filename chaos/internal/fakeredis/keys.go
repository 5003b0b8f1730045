package fakeredis

import (
	"math"
	"strconv"
	"strings"
)

const (
	wrongType  = Fault("WRONGTYPE Operation against a key holding the wrong kind of value")
	notInteger = Fault("ERR value is not an integer or out of range")
	badSyntax  = Fault("ERR syntax error")
)

// read returns what is under a key. One of another type is a fault.
func (e *execution) read(key string) (entry, bool, Fault) {
	found, exists := e.server.store.get(e.at(key), e.now)
	if exists && found.foreign {
		return entry{}, true, wrongType
	}
	return found, exists, ""
}

func (e *execution) write(key string, value entry) {
	e.server.store.put(e.at(key), value, e.now)
}

func get(e *execution) Reply {
	found, exists, fault := e.read(e.args[1])
	switch {
	case fault != "":
		return fault
	case !exists:
		return Null{}
	}
	return Bulk(found.value)
}

func del(e *execution) Reply {
	n := 0
	for _, key := range e.args[1:] {
		if _, exists := e.server.store.get(e.at(key), e.now); exists {
			e.server.store.drop(e.at(key))
			n++
		}
	}
	return Integer(n)
}

func exists(e *execution) Reply {
	n := 0
	for _, key := range e.args[1:] {
		if _, exists := e.server.store.get(e.at(key), e.now); exists {
			n++
		}
	}
	return Integer(n)
}

func incr(e *execution) Reply {
	key := e.args[1]
	found, exists, fault := e.read(key)
	if fault != "" {
		return fault
	}
	if !exists {
		found = entry{value: "0", until: forever}
	}
	n, ok := plainInteger(found.value)
	switch {
	case !ok:
		return notInteger
	case n == math.MaxInt64:
		return Fault("ERR increment or decrement would overflow")
	}
	found.value = strconv.Itoa(n + 1)
	e.write(key, found)
	return Integer(n + 1)
}

func flushAll(e *execution) Reply {
	if len(e.args) > 2 || len(e.args) == 2 && !isMode(e.args[1]) {
		return badSyntax
	}
	from := e.session.cable
	e.server.forget(Execution{Op: "flushall", Client: from.link.client, Connection: from.number})
	return ok
}

// isMode reports whether a flush may be done in that mode.
func isMode(word string) bool {
	return strings.EqualFold(word, "async") || strings.EqualFold(word, "sync")
}

func clockTime(e *execution) Reply {
	seconds, micros := e.time()
	return Array{Bulk(strconv.FormatInt(seconds, 10)), Bulk(strconv.FormatInt(micros, 10))}
}
