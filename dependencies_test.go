package quorumlock_test

import (
	"flag"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const dependenciesFile = "testdata/redlock-deps.golden"

var update = flag.Bool("update", false, "write golden files anew instead of comparing with them")

// Whoever imports the lock gets these modules with it, in these versions. The list is a file so
// that a change of it is seen and wanted: accept one with `make golden`.
func TestLockDependencies(t *testing.T) {
	got := lockDependencies(t)
	if *update {
		if err := os.WriteFile(dependenciesFile, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(dependenciesFile)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("modules that package redlock depends on:\n%s\nwant, by %s:\n%s\nIf that is meant, run: make golden",
			got, dependenciesFile, want)
	}
}

// lockDependencies returns the modules beneath package redlock, one "path version" a line. It asks
// for one platform, as some modules are there for one system only, and without the workspace,
// whose other modules would raise the versions.
func lockDependencies(t *testing.T) string {
	t.Helper()
	// A cached result of this test holds only while the files that the test itself opened stay the
	// same; what go list reads does not count.
	if _, err := os.ReadFile("go.mod"); err != nil {
		t.Fatal(err)
	}
	const line = "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}"
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", line, "./redlock")
	list.Env = append(os.Environ(), "GOWORK=off", "GOOS=linux", "GOARCH=amd64")
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatalf("%v: %v", list, err)
	}
	modules := make(map[string]bool)
	for module := range strings.Lines(string(out)) {
		if module != "\n" {
			modules[module] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(modules)), "")
}
