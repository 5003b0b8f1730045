package fence_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/quorumlock/quorumlock/redlock/fence"
)

func TestCheck(t *testing.T) {
	tests := map[string]struct {
		token, newest uint64
		want          error
	}{
		"the first":                     {34, 0, nil},
		"a later holder":                {35, 34, nil},
		"the same holder again":         {34, 34, nil},
		"an earlier holder":             {33, 34, fence.ErrStale},
		"the largest after the largest": {fence.MaxToken, fence.MaxToken, nil},
		"one under the largest":         {fence.MaxToken - 1, fence.MaxToken, fence.ErrStale},
		"none":                          {0, 34, fence.ErrBadToken},
		"none, where there was none":    {0, 0, fence.ErrBadToken},
		"over the largest":              {fence.MaxToken + 1, 34, fence.ErrBadToken},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if err := fence.Check("x", tc.token, tc.newest); !errors.Is(err, tc.want) {
				t.Errorf("Check(%d, newest %d) = %v, want %v", tc.token, tc.newest, err, tc.want)
			}
		})
	}
}

func TestARefusalSaysWhatToDo(t *testing.T) {
	err := fence.Check("account 42", 33, 34)
	const want = `fence: stale token: "account 42" has seen token 34, newer than 33: the lock has passed to another holder`
	if err == nil || err.Error() != want {
		t.Errorf("error %v\nwant  %s", err, want)
	}
}

// A register is read, and written with what its writer made of it. A write that wipes out one which its
// writer had not read is a lost update.
type register struct {
	version int
	newest  uint64
	guard   func(r *register, token uint64, writing bool) bool // reports whether it is admitted
}

func (r *register) admitted(token uint64) bool {
	if fence.Check("register", token, r.newest) != nil {
		return false
	}
	r.newest = token
	return true
}

// play lets holders, whose tokens are 1, 2 ..., take their steps in the given order: a read, a write, a read,
// a write. It returns how many updates were lost, and how many writes were taken. In the schedule, a holder
// that was refused has stopped.
func (r *register) play(schedule []int) (lost, writes int) {
	type holder struct {
		step, read int
		stopped    bool
	}
	holders := make(map[int]*holder)
	for _, number := range schedule {
		h := holders[number]
		if h == nil {
			h = &holder{}
			holders[number] = h
		}
		writing := h.step%2 == 1
		h.step++
		if h.stopped || !r.guard(r, uint64(number), writing) {
			h.stopped = true
			continue
		}
		if !writing {
			h.read = r.version
			continue
		}
		if h.read != r.version {
			lost++
		}
		writes++
		r.version = 100*number + h.step
	}
	return lost, writes
}

// Every order in which three holders can take four steps each, which is more than any lock whose leases
// overlap can do: with the token presented at reads and writes no update is lost. Without either, some are.
func TestNoOrderOfStepsLosesAnUpdate(t *testing.T) {
	guards := map[string]struct {
		guard func(r *register, token uint64, writing bool) bool
		loses bool
	}{
		"no guard":          {func(*register, uint64, bool) bool { return true }, true},
		"on writes alone":   {func(r *register, token uint64, writing bool) bool { return !writing || r.admitted(token) }, true},
		"on reads alone":    {func(r *register, token uint64, writing bool) bool { return writing || r.admitted(token) }, true},
		"on both":           {func(r *register, token uint64, _ bool) bool { return r.admitted(token) }, false},
		"both, but only up": {func(r *register, token uint64, _ bool) bool { return token > r.newest && r.admitted(token) }, false},
	}
	for name, tc := range guards {
		t.Run(name, func(t *testing.T) {
			schedules, lost, writes := 0, 0, 0
			var extend func(schedule []int, left [3]int)
			extend = func(schedule []int, left [3]int) {
				if left == [3]int{} {
					r := &register{guard: tc.guard}
					l, w := r.play(schedule)
					schedules, lost, writes = schedules+1, lost+l, writes+w
					return
				}
				for i, n := range left {
					if n > 0 {
						next := left
						next[i]--
						extend(append(slices.Clip(schedule), i+1), next)
					}
				}
			}
			extend(nil, [3]int{4, 4, 4})
			t.Logf("%d orders, %d writes taken, %d updates lost", schedules, writes, lost)
			if schedules != 34650 || lost > 0 != tc.loses {
				t.Errorf("%d updates lost in %d orders, want some: %v", lost, schedules, tc.loses)
			}
			// A rule that refuses the holder's own write is safe, and useless.
			if useless := name == "both, but only up"; writes == 0 != useless {
				t.Errorf("%d writes were taken", writes)
			}
		})
	}
}
