package plot

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
)

func chart() Chart {
	return Chart{
		ID: "c", Title: `a < "b"`, X: Axis{Label: "callers", Scale: Log, Ticks: []float64{1, 8, 64}},
		Y: Axis{Label: "time", Scale: Log, Format: Micros},
		Series: []Series{
			{Name: "one & only", Points: []Point{{1, 10, 9, 12}, {8, 100, 0, 0}, {64, 0, 0, 0}, {64, math.NaN(), 0, 0}}},
			{Name: "empty", Class: 1, Dashed: true},
		},
		Bands: []Band{{From: 1, To: 8, Label: "sick"}},
	}
}

func TestFigureIsWellFormed(t *testing.T) {
	figure := chart().Figure()
	decoder := xml.NewDecoder(strings.NewReader(figure))
	seen := make(map[string]int)
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, figure)
		}
		element, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		for _, a := range element.Attr {
			seen[a.Name.Local+"="+a.Value]++
		}
	}
	for attribute, want := range map[string]int{
		"id=c": 1, `aria-label=a < "b"`: 1, "data-series=one & only": 1, "data-legend=one & only": 1, "class=band": 1,
		"data-points=2": 1, "data-points=0": 1, "class=spread": 1,
		"class=mark": 2 + 2, // two points have a place, and two legends
	} {
		if seen[attribute] != want {
			t.Errorf("%s: %d times, want %d", attribute, seen[attribute], want)
		}
	}
}

func TestTicks(t *testing.T) {
	tests := map[string]struct {
		axis   Axis
		values []float64
		want   []float64
	}{
		"within a decade":    {Axis{Scale: Log}, []float64{120, 700}, []float64{100, 200, 500, 1000}},
		"many decades":       {Axis{Scale: Log}, []float64{3, 70_000}, []float64{1, 10, 100, 1000, 10_000, 100_000}},
		"from nought":        {Axis{}, []float64{1.7}, []float64{0, 0.5, 1, 1.5, 2}},
		"large":              {Axis{}, []float64{430}, []float64{0, 100, 200, 300, 400, 500}},
		"of its own":         {Axis{Ticks: []float64{1, 3, 5}}, []float64{1, 5}, []float64{1, 3, 5}},
		"shares":             {Axis{Scale: Nines}, []float64{0.001, 0.99}, []float64{0, 0.5, 0.9, 0.99}},
		"nothing to show":    {Axis{}, nil, []float64{0, 0.2, 0.4, 0.6, 0.8, 1}},
		"only what has none": {Axis{Scale: Log}, []float64{0, -1, math.NaN()}, []float64{1, 2}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := tc.axis.fit(tc.values).ticks
			near := func(a, b float64) bool { return math.Abs(a-b) < 1e-6*math.Max(1, math.Abs(b)) }
			if !slices.EqualFunc(got, tc.want, near) {
				t.Errorf("fit(%v).ticks = %v, want %v", tc.values, got, tc.want)
			}
		})
	}
}

// Every value that has a place is inside of the frame.
func TestValuesAreInside(t *testing.T) {
	for _, scale := range []Scale{Linear, Log, Nines} {
		values := []float64{0.001, 0.3, 0.5, 0.99}
		f := Axis{Scale: scale}.fit(values)
		for _, v := range values {
			if at := f.at(v); !(at >= -1e-9 && at <= 1+1e-9) {
				t.Errorf("scale %d: %v is at %v, want between 0 and 1", scale, v, at)
			}
		}
	}
}

func TestForPeople(t *testing.T) {
	for got, want := range map[string]string{
		Number(0): "0", Number(0.05): "0.05", Number(12.34): "12.3", Number(123.4): "123", Number(1500): "1.5k",
		Number(20_000): "20k", Number(1e6): "1M", Number(512): "512", Number(8): "8", Number(100): "100",
		Micros(5): "5 µs", Micros(1500): "1.5 ms", Micros(5e6): "5 s", Percent(0.999): "99.9 %", Percent(0): "0 %",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
