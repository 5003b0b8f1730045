package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
)

// Whatever the tests of this package start, they end.
func TestMain(m *testing.M) { os.Exit(quorumtest.LeakFree(m)) }

// The program in the README is this one.
func TestTheReadmeShowsThisProgram(t *testing.T) {
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(source), "package main")
	program := "package main" + body
	if !strings.Contains(string(readme), "```go\n"+program+"```") {
		t.Errorf("the README does not show this program:\n%s", program)
	}
}

func TestQuickstartRuns(t *testing.T) {
	var urls []string
	for _, server := range quorumtest.Fleet(t, 3) {
		urls = append(urls, "redis://"+server.Addr())
	}
	run := exec.CommandContext(t.Context(), "go", "run", ".")
	run.Env = append(os.Environ(), "REDLOCK_NODES="+strings.Join(urls, ","))
	out, err := run.CombinedOutput()
	if err != nil || !strings.Contains(string(out), `alone with "nightly-report"`) {
		t.Errorf("error %v, output:\n%s", err, out)
	}
}
