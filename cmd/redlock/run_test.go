package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/redlock"
)

func TestLookUp(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("PATH", folder)
	write := func(name string, mode os.FileMode) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, text := write("good", 0o755), write("text", 0o644)
	tests := map[string]struct {
		command, want string
		code          int
	}{
		"on the PATH":          {"good", good, 0},
		"with its folder":      {good, good, 0},
		"not on the PATH":      {"nowhere", "", 127},
		"not in its folder":    {filepath.Join(folder, "nowhere"), "", 127},
		"an empty name":        {"", "", 127},
		"not executable":       {text, "", 126},
		"a folder":             {folder, "", 126},
		"on the PATH, no file": {"text", "", 127}, // as a shell says that has looked for others of that name
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := lookUp(tc.command)
			if tc.code == 126 && strings.HasSuffix(explain(err), "<nil>") || got != tc.want || exitCode(err) != tc.code {
				t.Errorf("lookUp(%q) = %q, %v with code %d; want %q, code %d", tc.command, got, err, exitCode(err), tc.want, tc.code)
			}
		})
	}
}

func TestWithVariable(t *testing.T) {
	got := withVariable([]string{"A=1", "REDLOCK_NAME=outer", "REDLOCK_NAMES=2"}, nameVariable, "in=ner")
	if want := []string{"A=1", "REDLOCK_NAMES=2", "REDLOCK_NAME=in=ner"}; !slices.Equal(got, want) {
		t.Errorf("withVariable = %q, want %q", got, want)
	}
}

func TestNotAcquired(t *testing.T) {
	held := &redlock.HeldError{Name: "x", Holder: "host:1", RetryAfter: 1234 * time.Millisecond}
	gaveUp := fmt.Errorf("redlock: gave up: %w; the last one: %w", context.DeadlineExceeded, held)
	tests := map[string]struct {
		err  error
		code int
		text string
	}{
		"held":                  {held, 75, `not acquired: "x" is held by host:1, for up to 1.2s more unless it is renewed`},
		"held by who knows who": {&redlock.HeldError{Name: "x"}, 75, `not acquired: "x" is held by somebody`},
		"contended":             {&redlock.HeldError{Name: "x", Split: true}, 75, `not acquired: "x" is contended, and nobody has a majority yet`},
		"waited in vain":        {gaveUp, 75, `not acquired: "x" is held by host:1, for up to 1.2s more unless it is renewed`},
		"no quorum":             {fmt.Errorf("%w: a\nb", redlock.ErrNoQuorum), 75, "not acquired: no quorum: a; b"},
		"never answered at all": {context.DeadlineExceeded, 75, "not acquired: context deadline exceeded"},
		"a rule":                {&redlock.ConfigError{Err: errors.New("the name is empty")}, 2, "the name is empty"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			err := notAcquired(tc.err)
			if exitCode(err) != tc.code || explain(err) != tc.text {
				t.Errorf("notAcquired(%v) is %q with code %d, want %q with code %d", tc.err, explain(err), exitCode(err), tc.text, tc.code)
			}
		})
	}
}

func TestUsage(t *testing.T) {
	t.Setenv("REDLOCK_NODES", "")
	tests := map[string]struct {
		args []string
		code int
		want string // part of what is said on standard error, or on standard output with code 0
	}{
		"nothing":                      {nil, 2, `expected one of "demo"`},
		"no such command":              {[]string{"lock"}, 2, "unexpected argument lock"},
		"help":                         {[]string{"--help"}, 0, "Commands:"},
		"help of a command":            {[]string{"run", "--help"}, 0, "Examples:\n\n    export"},
		"help needs nothing else":      {[]string{"status", "-h"}, 0, "Examples:"},
		"version":                      {[]string{"version"}, 0, "redlock "},
		"version for programs":         {[]string{"version", "--json"}, 0, `"version": `},
		"no nodes":                     {[]string{"status", "x"}, 2, "no nodes: name them with --nodes or REDLOCK_NODES"},
		"no name":                      {[]string{"status", "--nodes", "a:1"}, 2, `expected "<name>"`},
		"an empty name":                {[]string{"status", "--nodes", "a:1", ""}, 2, "the name is empty"},
		"a reserved name":              {[]string{"release", "--force", "--nodes", "a:1", "redlock:x"}, 2, `begins with "redlock:"`},
		"release without force":        {[]string{"release", "--nodes", "a:1", "x"}, 2, "add --force"},
		"release an empty name":        {[]string{"release", "--force", "--nodes", "a:1", ""}, 2, "the name is empty"},
		"release a long name":          {[]string{"release", "--force", "--nodes", "a:1", strings.Repeat("x", 513)}, 2, "of 513 bytes is over 512"},
		"the same node twice":          {[]string{"status", "--nodes", "a:1,b:1,a:1", "x"}, 2, "a:1"},
		"run nothing":                  {[]string{"run", "--nodes", "a:1", "x"}, 2, `expected "<command> ..."`},
		"run without --":               {[]string{"run", "--nodes", "a:1", "x", "ls", "-l"}, 2, "unknown flag -l"},
		"run with an even number":      {[]string{"run", "--nodes", "a:1,b:1", "x", "--", "sh"}, 2, "2 nodes: an even number survives no more failures than 1 would"},
		"run with a TTL too long":      {[]string{"run", "--nodes", "a:1", "--ttl", "1m", "x", "--", "sh"}, 2, "--ttl 1m0s is over --max-ttl 30s"},
		"run with a TTL too short":     {[]string{"run", "--nodes", "a:1", "--ttl", "1ms", "x", "--", "sh"}, 2, "TTL 1ms is under 10ms"},
		"run with a hold too long":     {[]string{"run", "--nodes", "a:1", "--min-hold", "1m", "x", "--", "sh"}, 2, "--min-hold 1m0s is over --max-ttl 30s"},
		"run with negative times":      {[]string{"run", "--nodes", "a:1", "--wait=-1s", "--kill-after=-2s", "x", "--", "sh"}, 2, "--wait -1s is negative; --kill-after -2s is negative"},
		"run with an odd wish":         {[]string{"run", "--nodes", "a:1", "--on-lost", "cry", "x", "--", "sh"}, 2, "--on-lost"},
		"run what is not there":        {[]string{"run", "--nodes", "a:1", "x", "--", "/no/such"}, 127, `"/no/such": no such command`},
		"run, explained for programs":  {[]string{"run", "--json", "--nodes", "a:1", "x", "--", "/no/such"}, 127, `{"event":"failed","name":"x","error":"\"/no/such\": no such command","exit":127}`},
		"a demo too short":             {[]string{"demo", "--for", "10ms"}, 2, "--for 10ms is not from 1s to 10m0s"},
		"a password where it is wrong": {[]string{"status", "x", "redis://:secret@h"}, 2, "unexpected argument ***@h"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var out, errs strings.Builder
			code := run(t.Context(), tc.args, strings.NewReader(""), &out, &errs)
			said := errs.String()
			if tc.code == 0 {
				said = out.String()
			}
			if code != tc.code || !strings.Contains(said, tc.want) {
				t.Errorf("redlock %q: code %d, want %d with %q\n%s%s", tc.args, code, tc.code, tc.want, out.String(), errs.String())
			}
			if lines := strings.Count(errs.String(), "\n"); tc.code != 0 && lines != 1 {
				t.Errorf("redlock %q says %d lines, want one:\n%s", tc.args, lines, errs.String())
			}
		})
	}
}

// Whatever goes wrong, programs are told in one document, with the code that they get.
func TestErrorsForPrograms(t *testing.T) {
	t.Setenv("REDLOCK_NODES", "")
	tests := map[string]struct {
		args []string
		code int
		want string // part of the error
	}{
		"no such command":            {[]string{"lock", "--json"}, 2, "unexpected argument lock"},
		"no such flag":               {[]string{"demo", "--json", "--fast"}, 2, "unknown flag --fast"},
		"demo: a rule":               {[]string{"demo", "--for", "1ms", "--json"}, 2, "--for 1ms is not from"},
		"status: no name":            {[]string{"status", "--json=true"}, 2, `expected "<name>"`},
		"status: no nodes":           {[]string{"status", "--json", "x"}, 2, "no nodes"},
		"status: a bad node":         {[]string{"status", "--json", "--nodes", "a", "x"}, 2, "neither a URL nor host:port"},
		"status: a bad name":         {[]string{"status", "--json", "--nodes", "a:1", "redlock:x"}, 2, `begins with "redlock:"`},
		"status: a password":         {[]string{"status", "--json", "x", "redis://:secret@h"}, 2, "unexpected argument ***@h"},
		"release: no force":          {[]string{"release", "--json", "--nodes", "a:1", "x"}, 2, "add --force"},
		"release: no nodes":          {[]string{"release", "--json", "--force", "x"}, 2, "no nodes"},
		"release: a bad name":        {[]string{"release", "--json", "--force", "--nodes", "a:1", ""}, 2, "the name is empty"},
		"run: no command":            {[]string{"run", "--json", "x"}, 2, `expected "<command> ..."`},
		"run: a rule":                {[]string{"run", "--json", "--ttl", "1m", "x", "--", "sh"}, 2, "--ttl 1m0s is over"},
		"run: no nodes":              {[]string{"run", "--json", "x", "--", "sh"}, 2, "no nodes"},
		"run: a bad node":            {[]string{"run", "--json", "--nodes", "a", "x", "--", "sh"}, 2, "neither a URL nor host:port"},
		"run: an even number":        {[]string{"run", "--json", "--nodes", "a:1,b:1", "x", "--", "sh"}, 2, "an even number"},
		"run: a setting":             {[]string{"run", "--json", "--nodes", "a:1", "--ttl", "1ms", "x", "--", "sh"}, 2, "TTL 1ms is under"},
		"run: the command not there": {[]string{"run", "--json", "--nodes", "a:1", "x", "--", "/no/such"}, 127, "no such command"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var out, errs strings.Builder
			code := run(t.Context(), tc.args, strings.NewReader(""), &out, &errs)
			var told failure
			if err := json.Unmarshal([]byte(errs.String()), &told); err != nil || out.Len() > 0 {
				t.Fatalf("redlock %q: %v\n%s%s", tc.args, err, out.String(), errs.String())
			}
			if code != tc.code || told.Exit != code || !strings.Contains(told.Error, tc.want) || strings.Count(errs.String(), "\n") != 1 {
				t.Errorf("redlock %q: code %d, want %d with %q; told %s", tc.args, code, tc.code, tc.want, errs.String())
			}
		})
	}
}

func TestForPrograms(t *testing.T) {
	for args, want := range map[string]bool{
		"status x":                   false,
		"status --json x":            true,
		"status x --json":            true,
		"status --json=true x":       true,
		"status --json=false x":      false,
		"status --json --json=0 x":   false,
		"status --json=what x":       true,
		"status --jsonx x":           false,
		"run x -- prog --json":       false,
		"run --json x -- prog":       true,
		"run x --json=false -- prog": false,
	} {
		if got := forPrograms(strings.Fields(args)); got != want {
			t.Errorf("forPrograms(%q) = %t, want %t", args, got, want)
		}
	}
}
