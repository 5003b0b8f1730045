package stampede

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// A frame is a value as the data node keeps it:
//
//	byte  0      version
//	byte  1      flags
//	bytes 2-9    mark: which load, or which Put, it came from
//	bytes 10-17  how long it is fresh, in milliseconds
//	bytes 18-25  how long it is kept, in milliseconds
//	bytes 26-33  how long the load took, in microseconds
//	the rest     payload
//
// Integers are big-endian. The age of a value is what it is kept for less the TTL that the server has left for
// it, so no client's clock matters. Scripts compare bytes 2 to 9.
type frame struct {
	absent  bool // the source has no such value
	mark    uint64
	fresh   time.Duration
	hard    time.Duration
	delta   time.Duration
	payload []byte
}

const (
	frameVersion = 1
	flagAbsent   = 1
	frameHeader  = 34

	// unnumbered marks what no lease with a token stands behind: the other bits are random.
	unnumbered = 1 << 63
)

var errFrame = errors.New("not a value of this package")

func (f frame) encode() []byte {
	out := make([]byte, frameHeader, frameHeader+len(f.payload))
	out[0] = frameVersion
	if f.absent {
		out[1] = flagAbsent
	}
	binary.BigEndian.PutUint64(out[2:], f.mark)
	binary.BigEndian.PutUint64(out[10:], uint64(max(f.fresh.Milliseconds(), 0))) //nolint:gosec // not negative
	binary.BigEndian.PutUint64(out[18:], uint64(max(f.hard.Milliseconds(), 0)))  //nolint:gosec // not negative
	binary.BigEndian.PutUint64(out[26:], uint64(max(f.delta.Microseconds(), 0))) //nolint:gosec // not negative
	return append(out, f.payload...)
}

func decodeFrame(data []byte) (frame, error) {
	if len(data) < frameHeader {
		return frame{}, fmt.Errorf("%w: %d bytes, want at least %d", errFrame, len(data), frameHeader)
	}
	if data[0] != frameVersion || data[1]&^flagAbsent != 0 {
		return frame{}, fmt.Errorf("%w: version %d with flags %#x, want version %d", errFrame, data[0], data[1], frameVersion)
	}
	return frame{
		absent:  data[1]&flagAbsent != 0,
		mark:    binary.BigEndian.Uint64(data[2:]),
		fresh:   span(data[10:], time.Millisecond),
		hard:    span(data[18:], time.Millisecond),
		delta:   span(data[26:], time.Microsecond),
		payload: data[frameHeader:],
	}, nil
}

// span reads a duration. What no duration can hold becomes the longest that one can.
func span(data []byte, unit time.Duration) time.Duration {
	n := binary.BigEndian.Uint64(data)
	return time.Duration(min(n, uint64(math.MaxInt64/int64(unit)))) * unit //nolint:gosec // it is in the range
}

// markOf is what scripts see of a stored value: the empty string if there is none.
func markOf(data []byte) string {
	if len(data) <= 2 {
		return ""
	}
	return string(data[2:min(len(data), 10)])
}

// tokenOf is the token behind a mark, or 0.
func tokenOf(mark uint64) uint64 {
	if mark&unnumbered != 0 {
		return 0
	}
	return mark
}
