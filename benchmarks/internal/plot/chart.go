package plot

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// A Chart is one picture.
type Chart struct {
	ID, Title string
	Note      string // what one has to know to read it
	X, Y      Axis
	Series    []Series
	Bands     []Band
	Small     bool // one of several in a row
	NoMarks   bool // for curves of many points
}

// A Series is one line.
type Series struct {
	Name   string
	Class  int // the same for one name in all charts of a page
	Dashed bool
	Points []Point
}

// A Point is a value, and how far it spread if Low and High are not both 0. One without a place is a gap in the
// line.
type Point struct{ X, Y, Low, High float64 }

// A Band is a stretch of the X axis in which something special was going on.
type Band struct {
	From, To float64
	Label    string
}

// A frame is where a chart's data go, in the units of its SVG.
type frame struct{ width, height, left, right, top, bottom float64 }

func (c Chart) frame() frame {
	if c.Small {
		return frame{width: 400, height: 236, left: 74, right: 12, top: 12, bottom: 44}
	}
	return frame{width: 620, height: 360, left: 78, right: 16, top: 14, bottom: 48}
}

func (f frame) x(t float64) float64 { return f.left + t*(f.width-f.left-f.right) }
func (f frame) y(t float64) float64 { return f.height - f.bottom - t*(f.height-f.top-f.bottom) }

// SVG draws the chart.
func (c Chart) SVG() string {
	f := c.frame()
	x, y := c.X.fit(c.values(func(p Point) []float64 { return []float64{p.X} })), c.Y.fit(c.values(spread))
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %.0f %.0f" role="img" aria-label="%s">`, f.width, f.height, html.EscapeString(c.Title))
	c.drawBands(&b, f, x)
	drawGrid(&b, f, x, y)
	for _, s := range c.Series {
		c.drawSeries(&b, f, x, y, s)
	}
	b.WriteString("</svg>")
	return b.String()
}

// values are all that an axis has to show.
func (c Chart) values(of func(Point) []float64) []float64 {
	var all []float64
	for _, s := range c.Series {
		for _, p := range s.Points {
			all = append(all, of(p)...)
		}
	}
	return all
}

func spread(p Point) []float64 {
	if p.Low == 0 && p.High == 0 {
		return []float64{p.Y}
	}
	return []float64{p.Low, p.Y, p.High}
}

func (c Chart) drawBands(b *strings.Builder, f frame, x fitted) {
	for _, band := range c.Bands {
		left, right := f.x(x.at(band.From)), f.x(x.at(band.To))
		fmt.Fprintf(b, `<rect class="band" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`, left, f.top, right-left, f.height-f.top-f.bottom)
		fmt.Fprintf(b, `<text class="band-label" x="%.1f" y="%.1f">%s</text>`, left+5, f.top+13, html.EscapeString(band.Label))
	}
}

// drawGrid draws the axes.
func drawGrid(b *strings.Builder, f frame, x, y fitted) {
	for _, t := range y.ticks {
		at := f.y(y.at(t))
		fmt.Fprintf(b, `<line class="grid" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, f.left, at, f.width-f.right, at)
		fmt.Fprintf(b, `<text class="tick y" x="%.1f" y="%.1f">%s</text>`, f.left-7, at+4, html.EscapeString(y.axis.format(t)))
	}
	base := f.height - f.bottom
	fmt.Fprintf(b, `<line class="axis" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, f.left, base, f.width-f.right, base)
	for _, t := range x.ticks {
		at := f.x(x.at(t))
		fmt.Fprintf(b, `<line class="axis" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, at, base, at, base+4)
		fmt.Fprintf(b, `<text class="tick x" x="%.1f" y="%.1f">%s</text>`, at, base+17, html.EscapeString(x.axis.format(t)))
	}
	fmt.Fprintf(b, `<text class="label x" x="%.1f" y="%.1f">%s</text>`, f.x(0.5), f.height-6, html.EscapeString(x.axis.Label))
	fmt.Fprintf(b, `<text class="label y" transform="translate(13 %.1f) rotate(-90)">%s</text>`, f.y(0.5), html.EscapeString(y.axis.Label))
}

// drawSeries draws a line, its marks and their spreads. Every point can be pointed at for its values.
func (c Chart) drawSeries(b *strings.Builder, f frame, x, y fitted, s Series) {
	dashed := ""
	if s.Dashed {
		dashed = " dashed"
	}
	var line, marks strings.Builder
	drawn, joined := 0, false
	for _, p := range s.Points {
		px, py := f.x(x.at(p.X)), f.y(y.at(p.Y))
		if math.IsNaN(px) || math.IsNaN(py) {
			joined = false
			continue
		}
		if !joined {
			fmt.Fprintf(&line, "M%.1f %.1f", px, py)
		}
		fmt.Fprintf(&line, "L%.1f %.1f", px, py) // also to where it is: a point between gaps is a dot then
		drawn++
		joined = true
		if c.NoMarks {
			continue
		}
		if low, high := f.y(y.at(p.Low)), f.y(y.at(p.High)); p.High > p.Low && !math.IsNaN(low) {
			fmt.Fprintf(&marks, `<line class="spread" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, px, low, px, high)
		}
		fmt.Fprintf(&marks, `<path class="mark" d="%s" transform="translate(%.1f %.1f)"><title>%s: %s, %s</title></path>`, shape(s.Class), px, py,
			html.EscapeString(s.Name), html.EscapeString(x.axis.format(p.X)), html.EscapeString(y.axis.format(p.Y)))
	}
	fmt.Fprintf(b, `<g class="series s%d%s" data-series="%s" data-points="%d">`, s.Class, dashed, html.EscapeString(s.Name), drawn)
	if drawn > 0 {
		fmt.Fprintf(b, `<path class="line" d="%s"><title>%s</title></path>%s`, line.String(), html.EscapeString(s.Name), marks.String())
	}
	b.WriteString("</g>")
}

// shape is the outline of a mark, around 0 0.
func shape(class int) string {
	shapes := []string{
		"M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
		"M-3.6 -3.6h7.2v7.2h-7.2z",
		"M0 -4.8L4.4 3.4H-4.4z",
		"M0 -5L5 0L0 5L-5 0z",
		"M0 4.8L4.4 -3.4H-4.4z",
	}
	return shapes[class%len(shapes)]
}

// Legend is the list of the series, as HTML.
func (c Chart) Legend() string {
	var b strings.Builder
	b.WriteString(`<ul class="legend">`)
	for _, s := range c.Series {
		dashed := ""
		if s.Dashed {
			dashed = " dashed"
		}
		mark := ""
		if !c.NoMarks {
			mark = `<path class="mark"` + attribute("d", shape(s.Class)) + ` transform="translate(13 7)"/>`
		}
		fmt.Fprintf(&b, `<li class="series s%d%s" data-legend="%s"><svg viewBox="0 0 26 14" aria-hidden="true"><path class="line" d="M1 7H25"/>%s</svg>%s</li>`,
			s.Class, dashed, html.EscapeString(s.Name), mark, html.EscapeString(s.Name))
	}
	b.WriteString("</ul>")
	return b.String()
}

// Figure is the chart with its title, legend and note, as HTML.
func (c Chart) Figure() string {
	size := "chart"
	if c.Small {
		size = "chart small"
	}
	note := ""
	if c.Note != "" {
		note = `<p class="note">` + html.EscapeString(c.Note) + `</p>`
	}
	return `<figure` + attribute("class", size) + attribute("id", c.ID) + `><figcaption>` + html.EscapeString(c.Title) + `</figcaption>` +
		c.Legend() + c.SVG() + note + `</figure>`
}

// attribute is an attribute of an element, with the blank before it.
func attribute(name, value string) string {
	return " " + name + `="` + html.EscapeString(value) + `"`
}
