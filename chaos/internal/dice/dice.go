// Package dice draws random numbers that depend on what they are for, and not on who drew before.
//
// A simulation repeats itself only if its draws do. Dice made from a seed and from what names the draw,
// such as a client, a node and a count, roll the same whichever goroutine came first.
package dice

import "time"

// Dice are a source of random numbers that is a plain value: the same start gives the same rolls. They
// are not for secrets.
type Dice uint64

// New returns dice that depend on all parts and on nothing else.
func New(parts ...uint64) Dice {
	var d Dice
	for _, p := range parts {
		d = Dice(d.Roll() ^ p)
	}
	return d
}

// Roll returns 64 random bits. It is SplitMix64.
func (d *Dice) Roll() uint64 {
	*d += 0x9e3779b97f4a7c15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Share reports true for a share of all rolls, from 0 to 1.
func (d *Dice) Share(of float64) bool { return d.Float() < of }

// Float returns a number in [0, 1).
func (d *Dice) Float() float64 { return float64(d.Roll()>>11) / (1 << 53) }

// UpTo returns a duration from 0 to most, and 0 if most is not positive.
func (d *Dice) UpTo(most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	return time.Duration(d.Roll() % (uint64(most) + 1))
}

// Between returns a duration from least to most.
func (d *Dice) Between(least, most time.Duration) time.Duration {
	return least + d.UpTo(most-least)
}

// Pick returns a number from 0 to n-1. n is positive.
func (d *Dice) Pick(n int) int { return int(d.Roll() % uint64(n)) } //nolint:gosec // smaller than n

// Some returns k different numbers from 0 to n-1, in random order. k is at most n.
func (d *Dice) Some(k, n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	for i := range k {
		j := i + d.Pick(n-i)
		all[i], all[j] = all[j], all[i]
	}
	return all[:k]
}
