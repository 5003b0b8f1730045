package fakeredis

import (
	"cmp"
	"crypto/sha1"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A waiter is one noted by batch.lua, whose two sorted sets are one list here.
type waiter struct {
	id           string
	since, until float64 // microseconds
}

// The names that batch.lua uses, and how many milliseconds it remembers a waiter.
const (
	waitersMark = "redlock:waiting"
	waitersOf   = "redlock:since:"
	waiterLife  = 3000
)

// waiting is what a run of batch.lua knows of waiters.
type waiting struct {
	rest             int // where in ARGV what operations take besides goes on
	looked, somebody bool
}

func (o operation) take() string {
	o.waiting.rest++
	return o.Arg(o.waiting.rest)
}

func (o operation) anybody() bool {
	if w := &o.waiting; !w.looked {
		w.looked = true
		_, w.somebody = o.e.server.store.get(o.e.at(waitersMark), o.e.now)
	}
	return o.waiting.somebody
}

// waiters returns who waits for the key, first in line first, after those were forgotten who were not noted
// again. It fails where something else is kept in their place.
func (o operation) waiters() (list []waiter, fine bool) {
	at := o.e.at(waitersOf + o.key)
	e, exists := o.e.server.store.get(at, o.e.now)
	if !exists {
		return nil, true
	}
	if e.waiters == nil {
		return nil, false
	}
	micros := o.micros()
	list = slices.DeleteFunc(slices.Clone(e.waiters), func(w waiter) bool { return w.until <= micros })
	o.keep(list, e.until)
	return list, true
}

// keep stores who waits.
func (o operation) keep(list []waiter, until int64) {
	at := o.e.at(waitersOf + o.key)
	if len(list) == 0 {
		o.e.server.store.drop(at)
		return
	}
	o.e.server.store.put(at, entry{foreign: true, waiters: list, until: until}, o.e.now)
}

func (o operation) forget(list []waiter, id string) []waiter {
	list = slices.DeleteFunc(list, func(w waiter) bool { return w.id == id })
	if e, exists := o.e.server.store.get(o.e.at(waitersOf+o.key), o.e.now); exists {
		o.keep(list, e.until)
	}
	return list
}

func (o operation) note(id, waited string) {
	o.waiting.looked, o.waiting.somebody = true, true
	list, fine := o.waiters()
	n, err := strconv.ParseFloat(strings.TrimSpace(waited), 64)
	if !fine || err != nil {
		return
	}
	micros := o.micros()
	fresh := waiter{id: id, since: micros - n, until: micros + 1000*waiterLife}
	if i := slices.IndexFunc(list, func(w waiter) bool { return w.id == id }); i >= 0 {
		fresh.since = min(fresh.since, list[i].since)
		list = slices.Delete(list, i, i+1)
	}
	list = append(list, fresh)
	slices.SortFunc(list, func(a, b waiter) int { return cmp.Or(cmp.Compare(a.since, b.since), cmp.Compare(a.id, b.id)) })
	o.keep(list, o.e.now+waiterLife)
	o.e.write(waitersMark, entry{until: o.e.now + waiterLife})
}

// name announces to who has waited longest, but for one, that the key is free, and reports whether there is
// anybody.
func (o operation) name(except string) bool {
	list, _ := o.waiters()
	i := slices.IndexFunc(list, func(w waiter) bool { return w.id != except })
	if i < 0 {
		return false
	}
	id := list[i].id
	o.forget(list, id)
	o.tell("f", id)
	return true
}

// leave takes a waiter off that has got the key, and reports whether others wait.
func (o operation) leave(id string, telling bool) bool {
	list, fine := o.waiters()
	if !fine {
		return false
	}
	if list = o.forget(list, id); len(list) == 0 {
		return false
	}
	if telling {
		o.tell("t", id)
	}
	return true
}

func (o operation) others(id string) bool {
	list, _ := o.waiters()
	return slices.ContainsFunc(list, func(w waiter) bool { return w.id != id })
}

func (o operation) tell(what, id string) {
	shard := sha1.Sum([]byte(o.key))[0] % 64
	o.e.server.publish(fmt.Sprintf("redlock:freed:%02d", shard), what+" "+id+" "+o.key)
}

// told is the reply n, and that others wait if the hint says so.
func (o operation) told(n Reply, hint func() bool) Reply {
	if !o.Failed() && o.anybody() && hint() {
		return Array{n, Integer(1)}
	}
	return n
}

func (o operation) acquireAs(telling bool) Reply {
	id, waited := o.take(), o.take()
	n := o.grant()
	_, refused := n.(Array)
	switch {
	case o.Failed() || n == Reply(tooLate):
		return n
	case refused:
		o.note(id, waited)
		return n
	}
	return o.told(n, func() bool { return o.leave(id, telling) })
}

func (o operation) releaseTelling(as bool) Reply {
	var id, waited string
	if as {
		id, waited = o.take(), o.take()
	}
	n := o.onHeld()
	if o.Failed() || n != Reply(Integer(0)) {
		return n
	}
	n = o.told(n, func() bool { return o.name(id) })
	if as {
		o.note(id, waited)
	}
	return n
}

func (o operation) handOver() Reply {
	heir, id := o.take(), o.take()
	others := func() bool { return o.others(id) }
	if o.late {
		return tooLate
	}
	switch holder := o.Do("GET", o.key); {
	case o.Failed():
		return Null{}
	case holder == Bulk(heir):
		return o.told(o.prolong(), others)
	case holder == Null{}:
		return nothingThere
	case holder != Bulk(o.value):
		return o.other(holder)
	}
	o.Do("SET", o.key, heir, "PX", o.ttl)
	return o.told(Integer(o.length), others)
}
