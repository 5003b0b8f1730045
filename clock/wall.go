package clock

import "time"

// A Waller is a Clock that knows the time of day. It is optional: what asks for it takes [time.Now] where a
// clock has none. Nothing that excludes others depends on it.
type Waller interface {
	Wall() time.Time
}

// Wall is the time of day on c.
func Wall(c Clock) time.Time {
	if w, ok := c.(Waller); ok {
		return w.Wall()
	}
	return time.Now()
}
