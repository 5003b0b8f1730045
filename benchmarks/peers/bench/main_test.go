package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quorumlock/quorumlock/benchmarks"
	"github.com/quorumlock/quorumlock/quorum/quorumtest"
)

// The tests' own process may have to play another role.
func TestMain(m *testing.M) {
	if played, code := play(); played {
		os.Exit(code)
	}
	os.Exit(quorumtest.LeakFree(m))
}

func TestBenchWritesResults(t *testing.T) {
	quorumtest.RedisServer(t) // or skip
	folder, again := t.TempDir(), t.TempDir()
	if err := run(t.Context(), []string{"-plan", "tiny", "-only", "hand-off,endure", "-out", folder}); err != nil {
		t.Fatal(err)
	}
	r, err := benchmarks.ReadResults(filepath.Join(folder, benchmarks.JSONFile))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Load) != 0 || len(r.HandOff) != 2*6 || len(r.Endure) != 1 {
		t.Errorf("measured %d loads, %d hand-offs, %d endurances", len(r.Load), len(r.HandOff), len(r.Endure))
	}
	for _, h := range r.HandOff {
		for _, round := range h.Rounds {
			if round.Overlaps != 0 {
				t.Errorf("%s: %+v", h.Subject, round)
			}
		}
	}
	if err := run(t.Context(), []string{"-page", filepath.Join(folder, benchmarks.JSONFile), "-out", again}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{benchmarks.JSONFile, benchmarks.TextFile, benchmarks.PageFile} {
		first, err1 := os.ReadFile(filepath.Join(folder, name))
		second, err2 := os.ReadFile(filepath.Join(again, name))
		if err1 != nil || err2 != nil || !bytes.Equal(first, second) {
			t.Errorf("%s laid out anew is not the same: %v, %v", name, err1, err2)
		}
	}
}

func TestBenchRefuses(t *testing.T) {
	for want, args := range map[string][]string{
		`no plan is called "huge"`:     {"-plan", "huge"},
		`no scenario is called "lode"`: {"-plan", "tiny", "-only", "lode"},
		"no such file":                 {"-page", filepath.Join(t.TempDir(), "missing")},
		"not defined":                  {"-fast"},
	} {
		if err := run(t.Context(), append(args, "-out", t.TempDir())); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("bench %q: %v, want %q", args, err, want)
		}
	}
}

// What the README tells to type is what the Makefile has, and runs this program.
func TestTheReadmesCommands(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for line := range strings.Lines(string(readme)) {
		command, _, _ := strings.Cut(line, "#")
		args, ok := strings.CutPrefix(strings.TrimSpace(command), "make bench")
		if !ok {
			continue
		}
		found++
		plan := "full"
		if args != "" {
			_, plan, _ = strings.Cut(args, "PLAN=")
		}
		dry := exec.CommandContext(t.Context(), "make", append([]string{"-n", "-C", root, "bench"}, strings.Fields(args)...)...)
		out, err := dry.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "go run ./bench -plan "+plan+" ") {
			t.Errorf("make bench%s: %v\n%s", args, err, out)
		}
		if _, err := choose(plan); err != nil {
			t.Error(err)
		}
	}
	if found == 0 {
		t.Error("the README does not say how to run the benchmarks")
	}
}
