package fakeredis

import (
	"time"

	"github.com/quorumlock/quorumlock/clock"
)

// A wall is a server's wall clock. It counts from the Unix epoch.
type wall struct {
	skewed *clock.Skewed
	ahead  time.Duration // of skewed: the epoch's distance, and all steps
}

// newWall returns a clock that is right, and runs as base does.
func newWall(base clock.Clock) wall {
	skewed := clock.NewSkewed(base)
	return wall{skewed: skewed, ahead: time.Duration(time.Now().UnixNano() - int64(skewed.Now()))}
}

func (w *wall) now() time.Duration { return time.Duration(w.skewed.Now().Add(w.ahead)) }
