package fakeredis

import "strconv"

// twins are the lock's scripts in quorum/redisnode, by name, with the digest of the code each was
// written for. A test fails when a script was changed: then its twin follows, and the digest.
var twins = map[string]struct {
	code string
	run  Script
}{
	"acquire": {"be832f4eac6281413aaa3da362783b91fb3de9dc", grant},
	"extend":  {"edc9a1ecb6eda7a7309202cd197c0bf632ce0788", extend},
	"heal":    {"be832f4eac6281413aaa3da362783b91fb3de9dc", grant},
	"inspect": {"763a23ef1a57909ecb21e381ff4f8cfe2146cf27", inspect},
	"release": {"35511b507b6f270c902b414150473ff170e9f8a3", release},
}

// verdict is the reply of all of them: a word, TIME, and what there is to say about the key.
func (c *Call) verdict(word string, about ...Reply) Reply {
	seconds, micros := c.e.time()
	return append(Array{Bulk(word), decimal(seconds), decimal(micros)}, about...)
}

func decimal(n int64) Bulk { return Bulk(strconv.FormatInt(n, 10)) }

// holder returns who has the key.
func (c *Call) holder() (string, bool) {
	value, found := c.Do("GET", c.Key(1)).(Bulk)
	return string(value), found
}

func (c *Call) other(holder string) Reply {
	return c.verdict("other", c.Do("PTTL", c.Key(1)), Bulk(holder))
}

// grant is acquire.lua, and heal.lua.
func grant(c *Call) Reply {
	if c.late() {
		return c.verdict("late")
	}
	holder, found := c.holder()
	switch {
	case !found:
		c.Do("SET", c.Key(1), c.Arg(1), "PX", c.Arg(2))
		return c.verdict("mine", Bulk(c.Arg(2)))
	case holder != c.Arg(1):
		return c.other(holder)
	}
	return c.prolong()
}

// late reports whether it is after ARGV[3].
func (c *Call) late() bool {
	limit := c.Number(3)
	seconds, micros := c.e.time()
	return limit > 0 && float64(seconds)*1e6+float64(micros) > limit
}

// prolong makes the key live for ARGV[2], unless it lives longer.
func (c *Call) prolong() Reply {
	left := c.Do("PTTL", c.Key(1))
	if n, _ := left.(Integer); n >= 0 && float64(n) < c.Number(2) {
		c.Do("PEXPIRE", c.Key(1), c.Arg(2))
		left = Bulk(c.Arg(2))
	}
	return c.verdict("mine", left)
}

// extend is extend.lua.
func extend(c *Call) Reply {
	holder, found := c.holder()
	switch {
	case !found:
		return c.verdict("free")
	case holder != c.Arg(1):
		return c.other(holder)
	}
	return c.prolong()
}

// release is release.lua.
func release(c *Call) Reply {
	holder, found := c.holder()
	switch {
	case !found:
		return c.verdict("free")
	case holder != c.Arg(1):
		return c.other(holder)
	}
	if c.Number(2) > 0 {
		c.Do("PEXPIRE", c.Key(1), c.Arg(2))
	} else {
		c.Do("DEL", c.Key(1))
	}
	return c.verdict("mine", Bulk(c.Arg(2)))
}

// inspect is inspect.lua.
func inspect(c *Call) Reply {
	holder, found := c.holder()
	switch {
	case !found:
		return c.verdict("free")
	case holder != c.Arg(1):
		return c.other(holder)
	}
	return c.verdict("mine", c.Do("PTTL", c.Key(1)))
}
