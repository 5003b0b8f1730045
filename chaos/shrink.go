package chaos

import (
	"slices"
	"time"
)

// Shrink returns a small part of a schedule with which a run still fails: one of which no single fault can be
// left out, and none be made half as long. fails plays a schedule; it has to give the same answer twice,
// and is called about as often as there are faults, times the logarithm of that. A schedule that does not
// fail is returned as it is.
func Shrink(schedule Schedule, fails func(Schedule) bool) Schedule {
	if !fails(schedule) {
		return schedule
	}
	return shorten(thin(slices.Clone(schedule), fails), fails)
}

// thin leaves out as many faults as it can: first large pieces, then smaller ones, down to single faults.
func thin(schedule Schedule, fails func(Schedule) bool) Schedule {
	for size := (len(schedule) + 1) / 2; size > 0 && len(schedule) > 0; {
		smaller, found := withoutPiece(schedule, size, fails)
		switch {
		case found:
			schedule = smaller
			size = min(size, len(schedule))
		case size == 1:
			return schedule
		default:
			size = (size + 1) / 2
		}
	}
	return schedule
}

// withoutPiece leaves out one piece of so many faults.
func withoutPiece(schedule Schedule, size int, fails func(Schedule) bool) (Schedule, bool) {
	for from := 0; from < len(schedule); from += size {
		rest := slices.Concat(schedule[:from], schedule[min(from+size, len(schedule)):])
		if fails(rest) {
			return rest, true
		}
	}
	return nil, false
}

// shorten halves the length of each fault as long as the run fails.
func shorten(schedule Schedule, fails func(Schedule) bool) Schedule {
	for i := range schedule {
		for schedule[i].For > 2*time.Millisecond {
			shorter := slices.Clone(schedule)
			shorter[i].For /= 2
			if !fails(shorter) {
				break
			}
			schedule = shorter
		}
	}
	return schedule
}
