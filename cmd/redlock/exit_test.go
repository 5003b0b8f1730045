package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/quorumlock/quorumlock/redlock"
)

func TestExitCode(t *testing.T) {
	tests := map[string]struct {
		err  error
		want int
	}{
		"nothing went wrong":                             {nil, 0},
		"somebody else has the lock":                     {&redlock.HeldError{Name: "x"}, 75},
		"too few nodes, wrapped":                         {fmt.Errorf("x: %w", redlock.ErrNoQuorum), 75},
		"the lease was lost":                             {fmt.Errorf("x: %w", redlock.ErrLost), 76},
		"a setting breaks a rule":                        {&redlock.ConfigError{Err: errors.New("x")}, 2},
		"an argument is wrong":                           {usageError(errors.New("x")), 2},
		"a code of its own wins":                         {exitWith(127, redlock.ErrLost), 127},
		"a code without an error":                        {exitWith(3, nil), 3},
		"code 0 without an error":                        {exitWith(0, nil), 0},
		"anything else":                                  {context.Canceled, 1},
		"joined errors count by the first that is known": {errors.Join(errors.New("x"), redlock.ErrNoQuorum), 75},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := exitCode(tc.err); got != tc.want {
				t.Errorf("exitCode(%v) = %d, want %d", tc.err, got, tc.want)
			}
		})
	}
}

func TestExplain(t *testing.T) {
	tests := map[string]struct {
		err  error
		want string
	}{
		"nothing":                        {nil, ""},
		"a silent end":                   {exitWith(76, nil), ""},
		"the library's name is not told": {errors.New("redlock: held"), "held"},
		"several lines become one":       {errors.Join(errors.New("a"), errors.New("b")), "a; b"},
		"a password":                     {errors.New("dial redis://me:secret@h:1: no"), "dial redis://***@h:1: no"},
		"a password with an @":           {errors.New("dial redis://me:sec@ret@h:1: no"), "dial redis://***@h:1: no"},
		"a password with a blank":        {errors.New("dial redis://me:sec ret@h:1: no"), "dial redis://***@h:1: no"},
		"a password on another line":     {errors.New("a://b\nredis://:secret@h"), "a://b; redis://***@h"},
		"an @ in a name is no password":  {errors.New(`"deploy@eu" is held`), `"deploy@eu" is held`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := explain(tc.err); got != tc.want {
				t.Errorf("explain(%q) = %q, want %q", tc.err, got, tc.want)
			}
		})
	}
}

func TestUsageErrorsHidePasswords(t *testing.T) {
	for _, argument := range []string{"redis://:secret@h:1", ":secret@h:1", "secret@h", "rediss://u:a/secret@h/0"} {
		text := explain(usageError(fmt.Errorf("unexpected argument %s", argument)))
		if strings.Contains(text, "secret") {
			t.Errorf("usage error for %q tells the password: %s", argument, text)
		}
	}
}
