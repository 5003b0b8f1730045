package main

import (
	"errors"
	"fmt"
	"testing"

	"github.com/quorumlock/quorumlock/redlock"
)

func TestTable(t *testing.T) {
	got := table{{"NODE", "STATE", "WHY"}, {"a:1", "held"}, {"größer:1", "error", "it"}}.String()
	want := "NODE      STATE  WHY\na:1       held\ngrößer:1  error  it\n"
	if got != want {
		t.Errorf("table is\n%swant\n%s", got, want)
	}
}

func TestPrintable(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"plain text stays":       {"host:1", "host:1"},
		"so does any alphabet":   {"Bücher 本", "Bücher 本"},
		"a terminal is not told": {"\x1b[2Jhost", `"\x1b[2Jhost"`},
		"lines do not break":     {"a\nb", `"a\nb"`},
		"bytes that are no text": {"\xff", `"\xff"`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := printable(tc.in); got != tc.want {
				t.Errorf("printable(%q) = %q, want %q", tc.in, got, tc.want)
			}
		})
	}
}

func TestReason(t *testing.T) {
	err := fmt.Errorf("wrapped: %w", &redlock.NodeError{Node: "a:1", Err: errors.New("refused")})
	if got := reason(err); got != "refused" {
		t.Errorf("reason(%v) = %q, want %q", err, got, "refused")
	}
	if got := reason(errors.New("odd")); got != "odd" {
		t.Errorf("reason of another error = %q, want %q", got, "odd")
	}
}
