package atomic

import (
	"context"
	_ "embed" // the script
	"time"
)

//go:embed hit.lua
var hitSource string

var hitScript = newScript("hit", hitSource, "an integer in [0, 2^53-1)")

// A Window is what a hit that was allowed finds.
type Window struct {
	// Count is the number of hits in the window, with this one.
	Count int64
	// Remaining is how many more hits the window allows.
	Remaining int64
	// Reset is how long the window still lasts, to the millisecond, by the server's clock.
	Reset time.Duration
}

// Hit counts a hit at key, and allows it if the window has had no more than limit hits, this one included. If
// it is over the limit, the error is a [*LimitError] that says when to try again; it has been counted all the
// same, which makes no window longer.
//
// The first hit begins a window, which ends after the given time, and the first hit after that begins the next
// one. A window keeps the length it began with, also if calls differ; one that has lost its TTL is given a
// whole new one. limit is in [1, 2^53), window a whole number of milliseconds. A repeat after an [ErrUnknown]
// is one more hit.
func (r *Recipes) Hit(ctx context.Context, key string, limit int64, window time.Duration) (Window, error) {
	if err := configError(keyFault("hits", key), countFault("limit", limit), windowFault(window)); err != nil {
		return Window{}, err
	}
	read := func(answer reply) (Window, error) { return answer.hit(key, limit) }
	return run(ctx, r, hitScript, read, []string{key}, window.Milliseconds())
}

func (r reply) hit(key string, limit int64) (Window, error) {
	if !r.is(codeYes, 2) || r.numbers[0] < 1 || r.numbers[1] < 0 {
		return Window{}, r.unexpected()
	}
	count, left := r.numbers[0], r.numbers[1]
	if count > limit {
		// Redis lets a key live to the end of its last millisecond.
		after := milliseconds(left) + time.Millisecond
		return Window{}, &LimitError{Key: key, Limit: limit, Count: count, RetryAfter: after}
	}
	return Window{Count: count, Remaining: limit - count, Reset: milliseconds(left)}, nil
}
