package fakeredis

import "time"

// dice are a source of random numbers that is a plain value: the same start gives the same rolls.
type dice uint64

// newDice returns dice that depend on all parts and on nothing else.
func newDice(parts ...uint64) dice {
	var d dice
	for _, p := range parts {
		d = dice(d.roll() ^ p)
	}
	return d
}

// roll is SplitMix64.
func (d *dice) roll() uint64 {
	*d += 0x9e3779b97f4a7c15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// share reports true for a share of all rolls.
func (d *dice) share(of float64) bool { return float64(d.roll()>>11)/(1<<53) < of }

// upTo returns a duration from 0 to most.
func (d *dice) upTo(most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	return time.Duration(d.roll() % (uint64(most) + 1))
}
