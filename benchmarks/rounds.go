package benchmarks

import "slices"

// interleave calls measure once per round and subject. The order rotates from round to round, so that nobody
// always comes first, or always behind the same other one.
func interleave(rounds, subjects int, measure func(round, subject int) error) error {
	for round := range rounds {
		for i := range subjects {
			if err := measure(round, (round+i)%subjects); err != nil {
				return err
			}
		}
	}
	return nil
}

func mapped[T any, N any](values []T, of func(T) N) []N {
	out := make([]N, len(values))
	for i, v := range values {
		out[i] = of(v)
	}
	return out
}

// MedianOf is the middle of the values, or the mean of the two in the middle; 0 of none.
func MedianOf[N ~int64 | ~float64](values []N) N {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	switch {
	case n == 0:
		return 0
	case n%2 == 1:
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}
