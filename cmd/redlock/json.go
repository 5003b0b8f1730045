package main

import (
	"encoding/json"
	"io"
	"time"
)

// writeJSON writes one indented document.
func writeJSON(out io.Writer, document any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false) // names are for people and programs, not for pages
	return enc.Encode(document)
}

// writeLine writes one document on one line.
func writeLine(out io.Writer, document any) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	return enc.Encode(document)
}

// A ms is a duration in JSON: milliseconds, with three decimals.
type ms time.Duration

// MarshalJSON writes a number.
func (m ms) MarshalJSON() ([]byte, error) {
	return json.Marshal(float64(time.Duration(m).Round(time.Microsecond).Microseconds()) / 1000)
}
