package clock

import (
	"time"

	"golang.org/x/sys/unix"
)

// System returns the clock of this machine, which counts the time asleep.
//
// On Linux it is CLOCK_BOOTTIME: monotonic, slewed but never stepped, and running on through a
// suspend. Its origin is the boot of the machine. Reading it costs a system call. Elsewhere it is
// the larger of monotonic and wall time elapsed; see the portable clock's limits in the source.
func System() Clock {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return ofThisProcess()
	}
	return boottime{}
}

type boottime struct{}

func (boottime) Now() Instant {
	var ts unix.Timespec
	// System has tried this call on this kernel: it has no other way to fail.
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts)
	return Instant(ts.Nano())
}

func (boottime) NewTimer(d time.Duration) Timer { return goTimer{time.NewTimer(d)} }
