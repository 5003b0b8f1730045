package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// A verdict is what became of a mutant.
type verdict struct {
	killed bool
	by     string // the test that failed
	seeds  string // how many seeds the simulation needed
	detail string // what was seen, if it was not killed
}

func (v verdict) word() string {
	if v.killed {
		return "killed"
	}
	return "LIVES"
}

// try runs the mutant's tests, one suite after another, until one fails, and then the simulation.
func try(ctx context.Context, m mutant) verdict {
	overlay, clean, err := m.overlay()
	if err != nil {
		return verdict{detail: err.Error()}
	}
	defer clean()
	v := m.tested(ctx, overlay)
	if v.killed && m.seeds != "" {
		v = m.simulated(ctx, overlay, v)
	}
	return v
}

func (m *mutant) tested(ctx context.Context, overlay string) verdict {
	for _, s := range m.tests {
		out, failed := s.run(ctx, overlay)
		if !failed {
			continue
		}
		if test := failedTest(out); test != "" {
			return verdict{killed: true, by: s.pkg + " " + test}
		}
		return verdict{detail: fmt.Sprintf("mutant %q is no variant of the program:\n%s", m.name, out)}
	}
	return verdict{detail: fmt.Sprintf("mutant %q passes %v", m.name, m.tests)}
}

// simulated looks how many seeds the simulation needs, after v has found that tests see the mutant.
func (m *mutant) simulated(ctx context.Context, overlay string, v verdict) verdict {
	simulator, profile, _ := strings.Cut(m.seeds, "/")
	s := suite{pkg: "./chaos", tests: fmt.Sprintf("^TestSimulation$/^%s$/^%s$", simulator, profile)}
	out, failed := s.run(ctx, overlay)
	if !failed {
		return verdict{detail: fmt.Sprintf("mutant %q passes the simulation %s", m.name, m.seeds)}
	}
	v.seeds = "hangs"
	if found := failedSeed.FindStringSubmatch(out); found != nil {
		v.seeds = found[1] + " of " + m.seeds
	}
	return v
}

// overlay writes the broken file and the overlay that puts it in place.
func (m *mutant) overlay() (path string, clean func(), err error) {
	source, err := os.ReadFile(m.file)
	if err != nil {
		return "", nil, err
	}
	broken, err := m.apply(string(source))
	if err != nil {
		return "", nil, err
	}
	dir, err := os.MkdirTemp("", "mutant-")
	if err != nil {
		return "", nil, err
	}
	clean = func() { _ = os.RemoveAll(dir) }
	file := filepath.Join(dir, filepath.Base(m.file))
	path = filepath.Join(dir, "overlay.json")
	real, err := filepath.Abs(m.file)
	if err == nil {
		err = os.WriteFile(file, []byte(broken), 0o600)
	}
	if err == nil {
		var list []byte
		list, err = json.Marshal(map[string]any{"Replace": map[string]string{real: file}})
		if err == nil {
			err = os.WriteFile(path, list, 0o600)
		}
	}
	if err != nil {
		clean()
		return "", nil, err
	}
	return path, clean, nil
}

// run runs the suite with the overlay, and reports whether it failed.
func (s suite) run(ctx context.Context, overlay string) (out string, failed bool) {
	var buf bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", "test", "-overlay", overlay, "-count=1", "-failfast", "-timeout", "60s",
		"-run", s.tests, s.pkg)
	cmd.Stdout, cmd.Stderr = &buf, &buf
	cmd.Env = append(os.Environ(), "REDLOCK_SHRINK=no")
	err := cmd.Run()
	return buf.String(), err != nil
}

var (
	failLine   = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)
	panicLine  = regexp.MustCompile(`(?m)^panic: (test timed out|deadlock)`)
	failedSeed = regexp.MustCompile(`seed (\d+) fails`)
	inTest     = regexp.MustCompile(`(?m)^\s+(Test\S+) \(`)
)

// failedTest finds in go test's output which test failed, and "" if none did: then the variant did not
// build.
func failedTest(out string) string {
	if found := failLine.FindStringSubmatch(out); found != nil {
		return found[1]
	}
	if panicLine.MatchString(out) {
		if found := inTest.FindStringSubmatch(out); found != nil {
			return found[1]
		}
		return "(a test hung)"
	}
	if strings.Contains(out, "panic: ") && !strings.Contains(out, "[build failed]") {
		return "(a test panicked)"
	}
	return ""
}
