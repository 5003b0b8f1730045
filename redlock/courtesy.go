package redlock

import "github.com/quorumlock/quorumlock/clock"

// courtesy is which keys this Locker has just released to others that wait, and until when its own new calls
// hold back for them: without it whoever releases a lock would be the first to take it again. It is a value
// without clock; its zero value is ready.
type courtesy struct {
	keys  map[string]clock.Instant
	order []courteous // as they were noted, which is about the order of their ends
}

type courteous struct {
	key   string
	until clock.Instant
}

func (c *courtesy) note(key string, now, until clock.Instant) {
	c.forget(now)
	if c.keys == nil {
		c.keys = make(map[string]clock.Instant)
	}
	c.keys[key] = until
	c.order = append(c.order, courteous{key, until})
}

// until is the end for key, and Never if there is none.
func (c *courtesy) until(key string, now clock.Instant) clock.Instant {
	if len(c.keys) == 0 {
		return clock.Never
	}
	c.forget(now)
	if until, noted := c.keys[key]; noted {
		return until
	}
	return clock.Never
}

// forget drops what is over, so that names that are not used again do not pile up.
func (c *courtesy) forget(now clock.Instant) {
	over := 0
	for ; over < len(c.order) && !now.Before(c.order[over].until); over++ {
		if old := c.order[over]; c.keys[old.key] == old.until {
			delete(c.keys, old.key)
		}
	}
	if c.order = c.order[over:]; len(c.order) == 0 {
		c.order = nil
	}
}
