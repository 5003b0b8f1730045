// Package plot draws line charts as SVG: axes with units, bands, series with spreads, and a legend, in elements
// that a page's style sheet colours.
//
// Colours are not in here: series i has class "si", from s0 on, and everything else classes that say what it is,
// so that one page looks right on dark and on light. Shapes of marks differ from series to series for those who
// tell colours badly. The output is well-formed XML, refers to nothing outside of itself, and names no font.
//
// # Limits
//
// Points that an axis cannot show (not positive on a logarithmic one, or not a number) are gaps in their line.
package plot
