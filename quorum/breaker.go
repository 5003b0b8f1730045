package quorum

import (
	"time"

	"github.com/quorumlock/quorumlock/clock"
)

// A breaker decides whether a node that has stopped answering is asked. It opens after
// breakerFailures silent failures in a row, then lets one operation through per pause, and closes
// with the first answer. The pause doubles with each failure. Its zero value is closed.
//
// Nobody waits for the operation that tries the node out: a call returns when the other nodes have
// decided it.
type breaker struct {
	failures int
	pause    time.Duration // 0 while closed
	until    clock.Instant // the next trial, while open
}

const (
	breakerFailures = 3
	breakerPauseMin = 100 * time.Millisecond
	breakerPauseMax = time.Second
)

func (b *breaker) open() bool { return b.pause > 0 }

// allow reports whether the node is asked now. While the breaker is open, it says yes once a pause.
func (b *breaker) allow(now clock.Instant) bool {
	if !b.open() {
		return true
	}
	if now.Before(b.until) {
		return false
	}
	b.until = now.Add(b.pause)
	return true
}

// answered records an answer, and reports whether that closed the breaker.
func (b *breaker) answered() (closed bool) {
	closed = b.open()
	*b = breaker{}
	return closed
}

// silent records a failure to answer, and reports whether that opened the breaker.
func (b *breaker) silent(now clock.Instant) (opened bool) {
	b.failures++
	if b.failures < breakerFailures {
		return false
	}
	opened = !b.open()
	b.pause = min(max(2*b.pause, breakerPauseMin), breakerPauseMax)
	b.until = now.Add(b.pause)
	return opened
}
