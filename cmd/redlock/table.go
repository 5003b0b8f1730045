package main

import (
	"errors"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/quorumlock/quorumlock/redlock"
)

// A table is rows of cells. Rows may be shorter than the first.
type table [][]string

// String lays the table out in columns.
func (t table) String() string {
	var widths []int
	for _, row := range t {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range t {
		var l strings.Builder
		for i, cell := range row {
			l.WriteString(pad(cell, widths[i]+2))
		}
		b.WriteString(strings.TrimRight(l.String(), " ") + "\n")
	}
	return b.String()
}

// printable returns what others wrote onto a node in a form that does nothing to a terminal.
func printable(s string) string {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

// someone names a holder that may be unknown.
func someone(holder string) string {
	if holder == "" {
		return "somebody"
	}
	return printable(holder)
}

// reason is why a node failed, without the node's name, which stands beside it.
func reason(err error) string {
	if node, ok := errors.AsType[*redlock.NodeError](err); ok {
		err = node.Err
	}
	return explain(err)
}
