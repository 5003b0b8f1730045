package fakeredis

import (
	"fmt"
	"strconv"
	"strings"
)

// counts is what batch.lua keeps in its hash redlock:meta.
type counts struct{ tmax, period, cur, prev, floor uint64 }

// The names that batch.lua uses, and what all its numbers are below.
const (
	countersMeta = "redlock:meta"
	counterOf    = "redlock:token:"
	numbersEnd   = 1 << 53
)

// counting is what a run of batch.lua knows of counters.
type counting struct {
	asked   bool   // some operation has to do with numbers
	longest string // time to keep a key
	looked  bool
	counts
}

// whole reads a number. What is none is a fault.
func (o operation) whole(text, what string) uint64 {
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || n != n || n < 0 || n >= numbersEnd || n != float64(uint64(n)) {
		o.fail(Fault(fmt.Sprintf("ERR %.200s is not a whole number below 2^53", what)))
		return 0
	}
	return uint64(n)
}

func digits(n uint64) string { return strconv.FormatUint(n, 10) }

// look reads what is known of all counters, as it is in this period.
func (o operation) look() {
	c := &o.counting
	if c.looked || o.Failed() {
		return
	}
	e, exists := o.e.server.store.get(o.e.at(countersMeta), o.e.now)
	if exists && e.counts == nil {
		o.fail(wrongType)
		return
	}
	var known counts
	if exists {
		known = *e.counts
	}
	longest := o.whole(c.longest, "the longest time to keep a key")
	if o.Failed() {
		return
	}
	c.counts = known.in(max(known.tmax, longest, 1), uint64(o.micros()))
	c.looked = true
}

// in is what is known with that tmax, and at that time.
func (c counts) in(tmax, micros uint64) counts {
	period := micros / (1000 * tmax)
	switch {
	case tmax == c.tmax && period == c.period:
		return c
	case tmax == c.tmax && period == c.period+1:
		return counts{tmax, period, 0, c.cur, max(c.floor, c.prev)}
	}
	return counts{tmax, period, 0, 0, max(c.floor, c.prev, c.cur)}
}

// counter returns the key's counter, or false if there is none.
func (o operation) counter() (n uint64, exists bool) {
	name := counterOf + o.key
	text, exists := o.Do("GET", name).(Bulk)
	if !exists {
		return 0, false
	}
	return o.whole(string(text), name), true
}

// number makes n the key's counter, and returns its digits.
func (o operation) number(n uint64) string {
	if o.Failed() {
		return ""
	}
	name := counterOf + o.key
	if n >= numbersEnd {
		o.fail(Fault(fmt.Sprintf("ERR %.200s would reach 2^53", name)))
		return ""
	}
	c := &o.counting.counts
	if n > c.cur {
		step := min(1_000_000, 125*c.tmax)
		c.cur = min((n+step-1)/step*step, numbersEnd-1)
		kept := *c
		o.e.write(countersMeta, entry{foreign: true, counts: &kept, until: forever})
	}
	o.Do("SET", name, digits(n), "PX", digits(2*c.tmax))
	return digits(n)
}

// draw gives the key a number. A value that is kept keeps its number.
func (o operation) draw(hint string, kept bool) string {
	n, exists := o.counter()
	if exists && kept {
		return digits(n)
	}
	o.look()
	least := o.whole(hint, "the hint")
	if !exists {
		n = o.counting.floor
	}
	return o.number(max(n+1, min(least, uint64(o.micros())+1_000_000)))
}

// numberedGrant is grant with a number. It leaves nothing if it fails.
func (o operation) numberedGrant(hint string) (n Reply, token string) {
	if o.late {
		return tooLate, ""
	}
	if o.Do("SET", o.key, o.value, "NX", "PX", o.ttl) == ok {
		if token = o.draw(hint, false); o.Failed() {
			o.e.server.store.drop(o.e.at(o.key))
		}
		return Integer(o.length), token
	}
	if holder := o.Do("GET", o.key); holder != Bulk(o.value) {
		return o.other(holder), ""
	}
	token = o.draw(hint, true)
	return o.prolong(), token
}

func (o operation) raise() Reply {
	text := o.take()
	switch holder := o.Do("GET", o.key); {
	case o.Failed():
		return Null{}
	case holder == Null{}:
		return nothingThere
	case holder != Bulk(o.value):
		return o.other(holder)
	}
	least := o.whole(text, "the token")
	n, exists := o.counter()
	token := digits(n)
	if !exists || n < least {
		o.look()
		if !exists {
			n = o.counting.floor
		}
		token = o.number(max(n, least))
	}
	return numbered(o.Do("PTTL", o.key), token)
}

// numbered is the reply n with a number, if there is one.
func numbered(n Reply, token string) Reply {
	if token == "" {
		return n
	}
	if list, waiting := n.(Array); waiting {
		return Array{list[0], Integer(1), Bulk(token)}
	}
	return Array{n, Integer(0), Bulk(token)}
}
