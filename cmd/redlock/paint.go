package main

import (
	"strings"
	"unicode/utf8"
)

// A style is how a terminal shows a text: the parameters of its SGR sequence.
type style string

const (
	plain  style = ""
	bold   style = "1"
	dim    style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
)

// hues tell workers apart.
var hues = [...]style{"36", "35", "33", "32", "34", "96", "95", "93"}

// A span is a text in one style.
type span struct {
	style style
	text  string
}

// A line is what stands in one row. All its characters are one column wide.
type line []span

// cut returns the line, shortened to width columns.
func (l line) cut(width int) line {
	var short line
	for _, s := range l {
		runes := []rune(s.text)
		if len(runes) >= width {
			return append(short, span{s.style, string(runes[:max(width, 0)])})
		}
		short = append(short, s)
		width -= len(runes)
	}
	return short
}

// paint returns the line for a terminal, with colours or without.
func (l line) paint(colours bool) string {
	var b strings.Builder
	for _, s := range l {
		if !colours || s.style == plain || s.text == "" {
			b.WriteString(s.text)
			continue
		}
		b.WriteString("\x1b[" + string(s.style) + "m" + s.text + "\x1b[0m")
	}
	return b.String()
}

// pad returns s, filled up with blanks to width columns.
func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(width-utf8.RuneCountInString(s), 0))
}
