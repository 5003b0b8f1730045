package main

import (
	"slices"
	"testing"
	"time"
)

const s = time.Second

func TestOverlaps(t *testing.T) {
	a := hold{worker: 0, from: 0, to: 10 * s}
	b := hold{worker: 1, from: 2 * s, to: 3 * s}
	c := hold{worker: 2, from: 5 * s, to: 12 * s}
	d := hold{worker: 3, from: 11 * s, to: 13 * s}
	tests := map[string]struct {
		holds []hold
		want  []overlap
	}{
		"nothing happened":                            {nil, nil},
		"one hold":                                    {[]hold{a}, nil},
		"one after the other":                         {[]hold{b, c}, nil},
		"one begins the moment the other ends":        {[]hold{{0, 0, s, true}, {1, s, 2 * s, true}}, nil},
		"one begins a nanosecond earlier":             {[]hold{{0, 0, s, true}, {1, s - 1, 2 * s, true}}, []overlap{{hold{0, 0, s, true}, hold{1, s - 1, 2 * s, true}}}},
		"one within the other":                        {[]hold{a, b}, []overlap{{a, b}}},
		"the order of the list does not matter":       {[]hold{b, a}, []overlap{{a, b}}},
		"one that met the first, though not the last": {[]hold{a, b, c}, []overlap{{a, b}, {a, c}}},
		"a chain":                               {[]hold{d, c, a}, []overlap{{a, c}, {c, d}}},
		"the same worker twice is one too many": {[]hold{{4, 0, 2 * s, true}, {4, s, 3 * s, true}}, []overlap{{hold{4, 0, 2 * s, true}, hold{4, s, 3 * s, true}}}},
		"at the same moment":                    {[]hold{{0, 0, s, true}, {1, 0, s, true}}, []overlap{{hold{0, 0, s, true}, hold{1, 0, s, true}}}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := overlaps(tc.holds); !slices.Equal(got, tc.want) {
				t.Errorf("overlaps(%v) = %v, want %v", tc.holds, got, tc.want)
			}
		})
	}
}

func TestHandOvers(t *testing.T) {
	tests := map[string]struct {
		holds []hold
		want  []time.Duration
	}{
		"the first is handed over by nobody": {[]hold{{0, s, 2 * s, true}}, nil},
		"from release to acquisition":        {[]hold{{0, 0, s, true}, {1, 3 * s, 4 * s, true}}, []time.Duration{2 * s}},
		"in the order of time":               {[]hold{{1, 3 * s, 4 * s, true}, {0, 0, s, true}, {2, 5 * s, 6 * s, true}}, []time.Duration{2 * s, s}},
		"a loss is no release":               {[]hold{{0, 0, s, false}, {1, 3 * s, 4 * s, true}, {2, 4 * s, 5 * s, true}}, []time.Duration{0}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := handOvers(tc.holds); !slices.Equal(got, tc.want) {
				t.Errorf("handOvers(%v) = %v, want %v", tc.holds, got, tc.want)
			}
		})
	}
}

func TestPercentile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(100 - i)
	}
	tests := map[string]struct {
		values []time.Duration
		p      float64
		want   time.Duration
	}{
		"of nothing":            {nil, 0.5, 0},
		"of one":                {[]time.Duration{7}, 0.99, 7},
		"the lower of two":      {[]time.Duration{9, 1}, 0.5, 1},
		"the middle of three":   {[]time.Duration{9, 1, 5}, 0.5, 5},
		"p50 of hundred":        {hundred, 0.50, 50},
		"p99 of hundred":        {hundred, 0.99, 99},
		"all of hundred":        {hundred, 1, 100},
		"p99 of few is the max": {[]time.Duration{3, 1, 2}, 0.99, 3},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := percentile(tc.values, tc.p); got != tc.want {
				t.Errorf("percentile(%v, %v) = %d, want %d", tc.values, tc.p, got, tc.want)
			}
		})
	}
}

func TestStartedWithin(t *testing.T) {
	holds := []hold{{from: 0, to: 5 * s}, {from: s}, {from: 2 * s}, {from: 3 * s}}
	if got := startedWithin(holds, s, 3*s); got != 2 {
		t.Errorf("startedWithin(%v, 1s, 3s) = %d, want 2", holds, got)
	}
}
