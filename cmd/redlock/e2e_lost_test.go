//go:build unix

package main

import (
	"encoding/json"
	"io"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

func TestRunEndsTheCommandWithTheLease(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	tests := map[string]struct {
		script string
		want   string // on standard output
	}{
		"asked to end":                          {`trap 'echo asked; exit 0' TERM; echo ready; while :; do sleep 0.01; done`, "asked\n"},
		"killed if it does not hear":            {`trap '' TERM; echo ready; while :; do sleep 0.01; done`, ""},
		"killed with what it started":           {`trap '' TERM; (while :; do sleep 0.01; done) & echo ready; wait`, ""},
		"what it started is killed without it":  {`(trap '' TERM; while :; do sleep 0.01; done) & echo ready; wait`, ""},
		"asked to end though it stands stopped": {`trap 'echo asked; exit 0' TERM; echo ready; kill -STOP $$; while :; do sleep 0.01; done`, "asked\n"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := f.shell(t, tc.script, "--ttl", "6s", "--kill-after", "100ms")
			p.line(p.stdout)
			f.takeAway(t)
			// All that was started has the standard output, so this waits for the last of them.
			stdout, stderr, code := p.end()
			if code != exitLost || stdout != tc.want || strings.Count(stderr, "redlock: lease lost") != 1 {
				t.Errorf("exit code %d, standard output %q, want %q\n%s", code, stdout, tc.want, stderr)
			}
		})
	}
}

func TestRunOnlyWarns(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	p := f.shell(t, `echo ready; read line; exit 9`, "--ttl", "6s", "--on-lost", "warn")
	p.line(p.stdout)
	f.takeAway(t)
	if warning := p.line(p.stderr); !strings.Contains(warning, "goes on without the lock") {
		t.Errorf("warned with %q", warning)
	}
	if _, err := io.WriteString(p.stdin, "end\n"); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := p.end(); code != 9 || stderr != "" {
		t.Errorf("exit code %d, want 9: %s", code, stderr)
	}
}

func TestRunTellsProgramsOfALoss(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	p := f.shell(t, `echo ready; exec sleep 600`, "--ttl", "6s", "--json")
	p.line(p.stdout)
	f.takeAway(t)
	_, stderr, _ := p.end()
	var events []string
	for line := range strings.Lines(stderr) {
		var n note
		if err := json.Unmarshal([]byte(line), &n); err != nil || n.Name != t.Name() {
			t.Errorf("line %q: %v", line, err)
		}
		events = append(events, n.Event)
	}
	if got := strings.Join(events, " "); got != "acquired lost exited" {
		t.Errorf("events are %s:\n%s", got, stderr)
	}
}

// A command must not go on when nobody watches its lease any more.
func TestRunTakesItsCommandAlong(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends a child with its parent")
	}
	t.Parallel()
	f := newFleet(t)
	p := f.shell(t, "echo ready; exec cat")
	p.line(p.stdout)
	p.stdin = leftOpen{p.stdin} // the command would end by itself if it were closed
	p.signal(syscall.SIGKILL)
	if stdout, _, _ := p.end(); stdout != "" { // it ends when the command has closed its output
		t.Errorf("standard output is %q", stdout)
	}
}

type leftOpen struct{ io.WriteCloser }

func (leftOpen) Close() error { return nil }
