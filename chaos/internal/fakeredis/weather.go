package fakeredis

import (
	"time"

	"github.com/quorumlock/quorumlock/chaos/internal/dice"
)

// Weather is how long messages take in one direction. Its zero value is the best there is: a few
// microseconds.
type Weather struct {
	// Delay is what each message takes, and Jitter what it may take more.
	Delay, Jitter time.Duration
	// TailShare is the share of messages, from 0 to 1, that take up to Tail more.
	TailShare float64
	Tail      time.Duration
	// LossShare is the share of messages that are lost at first, and come between Resend and four
	// times Resend later.
	LossShare float64
	Resend    time.Duration
}

// draw returns how long a message takes, and whether it was a slow one.
func (w *Weather) draw(d *dice.Dice) (delay time.Duration, slow bool) {
	delay = max(w.Delay, 0) + d.UpTo(w.Jitter)
	if d.Share(w.TailShare) {
		delay += d.UpTo(w.Tail)
		slow = true
	}
	if d.Share(w.LossShare) {
		delay += w.Resend + d.UpTo(3*w.Resend)
		slow = true
	}
	return delay, slow
}
