//go:build !linux

package clock

// System returns the clock of this machine, which counts the time asleep.
//
// On this platform it is the larger of monotonic and wall time elapsed between two looks at it: a
// suspend shows as wall time that the monotonic clock missed. A wall clock that is set forward
// therefore ends leases early, which is safe; one set back changes nothing. A suspend during which
// the wall clock was also set back by as much goes unseen.
func System() Clock { return ofThisProcess() }
