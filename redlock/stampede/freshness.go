package stampede

import (
	"math"
	"time"
)

// A verdict is what a stored value is good for.
type verdict uint8

const (
	missing verdict = iota // nothing there, or nothing that can be read
	fresh
	early   // fresh, and worth loading anew before it is not
	stale   // past its time: good to serve while a new one is loaded
	overdue // good to serve only if loading a new one fails
)

// judge says what a value is good for. left is the TTL that the server has for it; random is in [0, 1).
func (s settings) judge(f frame, left time.Duration, random float64) (verdict, time.Duration) {
	if left < 0 || left > f.hard {
		left = 0 // gone between two commands, or kept by someone else's TTL
	}
	age := f.hard - left
	switch {
	case age > f.hard-s.staleIfError && age > f.fresh:
		return overdue, age
	case age > f.fresh:
		return stale, age
	case s.tooClose(f, age, random):
		return early, age
	}
	return fresh, age
}

// tooClose reports whether a value is loaded anew before its time. With beta it is by chance, which grows as the
// end comes near and with the time that a load takes, so that one caller of many starts (XFetch).
func (s settings) tooClose(f frame, age time.Duration, random float64) bool {
	if s.eagerAt > 0 && float64(age) >= s.eagerAt*float64(f.fresh) {
		return true
	}
	return s.beta > 0 && float64(age)-float64(f.delta)*s.beta*math.Log(1-random) >= float64(f.fresh)
}

// times are how long a value is fresh and kept. random in [0, 1) shortens both by the same share of the
// freshness, so that values that were stored together do not end together.
func (s settings) times(random float64) (freshFor, hard time.Duration) {
	cut := time.Duration(float64(s.fresh) * s.jitter * random).Truncate(time.Millisecond)
	freshFor = max(s.fresh-cut, time.Millisecond)
	return freshFor, freshFor + s.stale + s.staleIfError
}
