package leader

import "time"

// An ending is how a term came to its end, as far as what comes next depends on it.
type ending uint8

const (
	endLost     ending = iota // the lease was: whoever wants the role waits for it anyway
	endYielded                // told to give up, or unhealthy
	endReturned               // the work had nothing more to do
	endFailed                 // the work failed, or the campaign did
)

// A backoff says how long an Elector leaves the role to others after a term. It is a value without clock.
type backoff struct {
	first, most time.Duration
	failures    int
}

// after is the pause after a term that lasted so long. random is in [0, 1).
func (b *backoff) after(end ending, lasted time.Duration, random float64) time.Duration {
	if end != endFailed || lasted > b.most {
		b.failures = 0
	}
	pause := b.first
	switch end {
	case endLost:
		return 0
	case endFailed:
		for range b.failures {
			pause = min(2*pause, b.most)
		}
		if pause < b.most {
			b.failures++
		}
	}
	return pause - time.Duration(float64(pause/2)*random)
}
