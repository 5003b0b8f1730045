package fakeredis

import "time"

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
func (w *Weather) draw(d *dice) (delay time.Duration, slow bool) {
	delay = max(w.Delay, 0) + d.upTo(w.Jitter)
	if d.share(w.TailShare) {
		delay += d.upTo(w.Tail)
		slow = true
	}
	if d.share(w.LossShare) {
		delay += w.Resend + d.upTo(3*w.Resend)
		slow = true
	}
	return delay, slow
}
