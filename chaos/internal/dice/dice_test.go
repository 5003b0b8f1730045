package dice_test

import (
	"slices"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/chaos/internal/dice"
)

func TestDiceDependOnEachPart(t *testing.T) {
	seen := make(map[uint64]bool)
	for _, parts := range [][]uint64{{}, {0}, {1}, {0, 0}, {0, 1}, {1, 0}, {1, 1}, {2, 1}} {
		d, again := dice.New(parts...), dice.New(parts...)
		roll := d.Roll()
		if roll != again.Roll() {
			t.Errorf("dice of %v roll differently the second time", parts)
		}
		if seen[roll] {
			t.Errorf("dice of %v roll as others do", parts)
		}
		seen[roll] = true
	}
}

func TestDrawsKeepTheirBounds(t *testing.T) {
	const rolls = 2000
	d := dice.New(7)
	shares, low, high := 0, false, false
	for range rolls {
		if got := d.Between(3*time.Nanosecond, 5*time.Nanosecond); got < 3 || got > 5 {
			t.Fatalf("Between(3, 5) = %d", got)
		} else {
			low, high = low || got == 3, high || got == 5
		}
		if got := d.Pick(3); got < 0 || got > 2 {
			t.Fatalf("Pick(3) = %d", got)
		}
		if got := d.Float(); got < 0 || got >= 1 {
			t.Fatalf("Float() = %v", got)
		}
		if d.Share(0.25) {
			shares++
		}
	}
	if !low || !high {
		t.Errorf("Between leaves out a bound: least %t, most %t", low, high)
	}
	if shares < rolls/5 || shares > rolls*3/10 {
		t.Errorf("Share(0.25) was true in %d of %d rolls", shares, rolls)
	}
	if got := d.UpTo(-time.Second); got != 0 {
		t.Errorf("UpTo(-1s) = %v, want 0", got)
	}
}

func TestSomeAreDifferent(t *testing.T) {
	d := dice.New(1)
	for k := range 6 {
		some := d.Some(k, 5)
		slices.Sort(some)
		if len(slices.Compact(some)) != k || k > 0 && (some[0] < 0 || some[k-1] > 4) {
			t.Errorf("Some(%d, 5) = %v", k, some)
		}
	}
}
