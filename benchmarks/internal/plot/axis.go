package plot

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A Scale is how values become places on an axis.
type Scale uint8

// The scales.
const (
	Linear Scale = iota // from 0
	Log                 // by powers of ten
	Nines               // of a share: as much room from 90 to 99 % as from 99 to 99.9 %
)

// An Axis is one of the two.
type Axis struct {
	Label  string // with the unit
	Scale  Scale
	Ticks  []float64            // where the axis has values of its own; otherwise they are chosen
	Format func(float64) string // Number if it is nil
	Max    float64              // of a linear axis that ends there, or 0
}

func (a Axis) format(v float64) string {
	if a.Format == nil {
		return Number(v)
	}
	return a.Format(v)
}

// A fitted axis knows its range.
type fitted struct {
	axis      Axis
	low, high float64 // already transformed
	ticks     []float64
}

// fit chooses range and ticks so that all values have a place.
func (a Axis) fit(values []float64) fitted {
	values = slices.DeleteFunc(append(slices.Clone(values), a.Ticks...), func(v float64) bool {
		return math.IsNaN(a.transform(v)) || math.IsInf(a.transform(v), 0)
	})
	if len(values) == 0 {
		values = []float64{1} // an empty chart has axes too
	}
	low, high := slices.Min(values), slices.Max(values)
	f := fitted{axis: a, ticks: a.Ticks}
	switch {
	case a.Scale == Log && len(a.Ticks) == 0:
		f.ticks = decades(low, high)
		low, high = min(low, f.ticks[0]), max(high, f.ticks[len(f.ticks)-1])
	case a.Scale == Nines:
		f.ticks = nines(high)
		low, high = 0, f.ticks[len(f.ticks)-1]
	case a.Scale == Linear && len(a.Ticks) == 0:
		f.ticks = round(max(high, a.Max))
		low, high = 0, max(high, a.Max)
		if a.Max == 0 {
			high = f.ticks[len(f.ticks)-1]
		}
		f.ticks = slices.DeleteFunc(f.ticks, func(t float64) bool { return t > high })
	}
	f.low, f.high = a.transform(low), a.transform(high)
	if f.high == f.low {
		f.low, f.high = f.low-0.5, f.high+0.5
	}
	if len(a.Ticks) > 0 { // marks at the ends want room
		margin := (f.high - f.low) * 0.04
		f.low, f.high = f.low-margin, f.high+margin
	}
	return f
}

func (a Axis) transform(v float64) float64 {
	switch {
	case a.Scale == Log && v > 0:
		return math.Log10(v)
	case a.Scale == Log:
		return math.NaN()
	case a.Scale == Nines:
		return -math.Log10(1 - v)
	}
	return v
}

// at is the place of a value: 0 at the low end of the axis, 1 at the high one, NaN if it has none.
func (f fitted) at(v float64) float64 {
	return (f.axis.transform(v) - f.low) / (f.high - f.low)
}

// decades are ticks around the values: powers of ten, with steps between them if there are few.
func decades(low, high float64) []float64 {
	first, last := math.Floor(math.Log10(low)), math.Ceil(math.Log10(high))
	steps := []float64{1}
	if last-first <= 2 {
		steps = []float64{1, 2, 5}
	}
	var ticks []float64
	for e := first; e <= last; e++ {
		for _, step := range steps {
			ticks = append(ticks, step*math.Pow(10, e))
		}
	}
	// What lies wholly outside is left out, but one tick at each end.
	for len(ticks) > 2 && ticks[1] <= low {
		ticks = ticks[1:]
	}
	for len(ticks) > 2 && ticks[len(ticks)-2] >= high {
		ticks = ticks[:len(ticks)-1]
	}
	return ticks
}

func nines(high float64) []float64 {
	ticks := []float64{0, 0.5, 0.9}
	for q := 0.99; len(ticks) < 6 && ticks[len(ticks)-1] < high-1e-9; q = 1 - (1-q)/10 {
		ticks = append(ticks, q)
	}
	return ticks
}

// round are about five ticks from 0 to above high, at numbers that are easy to read.
func round(high float64) []float64 {
	if high <= 0 {
		high = 1
	}
	step := math.Pow(10, math.Floor(math.Log10(high/4)))
	for _, by := range []float64{2, 2.5, 2} { // 1, 2, 5, 10
		if high/step <= 6 {
			break
		}
		step *= by
	}
	var ticks []float64
	for v := 0.0; v < high+step; v += step {
		ticks = append(ticks, v)
	}
	return ticks
}

// Number is a number for people: 1234 is 1.2k.
func Number(v float64) string {
	switch size := math.Abs(v); {
	case size >= 1e6:
		return trimmed(v/1e6) + "M"
	case size >= 1e4, size >= 1e3 && math.Mod(size, 100) == 0:
		return trimmed(v/1e3) + "k"
	case size >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return trimmed(v)
}

// trimmed is v with three digits at most.
func trimmed(v float64) string {
	digits := 2
	for size := math.Abs(v); size >= 10 && digits > 0; size /= 10 {
		digits--
	}
	if math.Abs(v) < 0.1 && v != 0 {
		digits = 3
	}
	text := strconv.FormatFloat(v, 'f', digits, 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// Micros is a time in microseconds for people.
func Micros(us float64) string {
	switch {
	case us >= 1e6:
		return trimmed(us/1e6) + " s"
	case us >= 1e3:
		return trimmed(us/1e3) + " ms"
	}
	return trimmed(us) + " µs"
}

// Percent is a share for people.
func Percent(share float64) string {
	return fmt.Sprintf("%.4g %%", share*100)
}
