//go:build unix

package main

import (
	"errors"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/quorumlock/quorumlock/redlock"
)

func TestRunEndsAsItsCommand(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	bad := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(bad, []byte("\x7fELF"), 0o755); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		command []string
		want    int
		says    string
	}{
		"success":                  {[]string{"true"}, 0, ""},
		"failure":                  {[]string{"sh", "-c", "exit 3"}, 3, ""},
		"killed":                   {[]string{"sh", "-c", "kill -KILL $$"}, 137, ""},
		"a code like one of ours":  {[]string{"sh", "-c", "exit 75"}, 75, ""},
		"not there":                {[]string{"/no/such"}, 127, "no such command"},
		"found, but not a program": {[]string{bad}, 126, "cannot be executed"},
		"flags are its own":        {[]string{"sh", "-c", `[ "$1 $2" = "-- --ttl" ]`, "sh", "--", "--ttl"}, 0, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"run", "--wait", "1m", "--ttl", "20s", t.Name(), "--"}, tc.command...)
			stdout, stderr, code := f.start(t, args...).end()
			if code != tc.want || stdout != "" || !strings.Contains(stderr, tc.says) || (tc.says == "") != (stderr == "") {
				t.Errorf("exit code %d, want %d, with %q\n%s%s", code, tc.want, tc.says, stdout, stderr)
			}
			f.checkFree(t)
		})
	}
}

func TestRunHoldsTheLockMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	p := f.shell(t, `echo "$REDLOCK_NAME"; cat; echo oops >&2`)
	if got := p.line(p.stdout); got != t.Name() {
		t.Errorf("the command sees the lock as %q, want %q", got, t.Name())
	}
	if _, err := f.locker.TryAcquire(t.Context(), t.Name()); !errors.Is(err, redlock.ErrHeld) {
		t.Errorf("while the command runs, an attempt ends with %v", err)
	}
	if _, err := io.WriteString(p.stdin, "hello\n"); err != nil {
		t.Fatal(err)
	}
	if stdout, stderr, code := p.end(); code != 0 || stdout != "hello\n" || stderr != "oops\n" {
		t.Errorf("exit code %d, %q on standard output, %q on standard error", code, stdout, stderr)
	}
	f.checkFree(t)
}

func TestRunKeepsTheLockForMinHold(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	if _, stderr, code := f.shell(t, "exit 4", "--min-hold", "30s").end(); code != 4 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	if _, err := f.locker.TryAcquire(t.Context(), t.Name()); !errors.Is(err, redlock.ErrHeld) {
		t.Errorf("after the command, an attempt ends with %v", err)
	}
}

func TestRunOnAHeldLock(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	t.Run("is told at once", func(t *testing.T) {
		defer f.hold(t).Release(t.Context())
		stdout, stderr, code := f.shell(t, "echo ran", "--wait", "0s").end()
		if code != exitNotAcquired || stdout != "" || !strings.Contains(stderr, "is held by the test") {
			t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
		}
	})
	t.Run("is told after waiting", func(t *testing.T) {
		defer f.hold(t).Release(t.Context())
		if stdout, stderr, code := f.shell(t, "echo ran", "--wait", "200ms").end(); code != exitNotAcquired || stdout != "" {
			t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
		}
	})
	t.Run("gets it when it is released", func(t *testing.T) {
		lease := f.hold(t)
		p := f.shell(t, "echo ran")
		if err := lease.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if stdout, stderr, code := p.end(); code != 0 || stdout != "ran\n" {
			t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
		}
	})
	t.Run("tells programs", func(t *testing.T) {
		defer f.hold(t).Release(t.Context())
		_, stderr, _ := f.shell(t, "echo ran", "--wait", "0s", "--json").end()
		if !strings.HasPrefix(stderr, `{"event":"not_acquired"`) || !strings.HasSuffix(stderr, `"exit":75}`+"\n") || strings.Count(stderr, "\n") != 1 {
			t.Errorf("said %s", stderr)
		}
	})
}

func TestRunWithoutQuorum(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	for _, s := range f.servers[:2] {
		if err := s.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	stdout, stderr, code := f.shell(t, "echo ran", "--wait", "0s").end()
	if code != exitNotAcquired || stdout != "" || !strings.Contains(stderr, "no quorum") || strings.Count(stderr, "\n") != 1 {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	stdout, stderr, code = f.start(t, "status", "x").end()
	if code != exitNotAcquired || !strings.Contains(stdout, "cannot be told: 2 of 3 nodes failed") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	stdout, stderr, code = f.start(t, "release", "--force", "x").end()
	if code != exitNotAcquired || !strings.Contains(stdout, "may still be held") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}

func TestRunPassesSignalsOn(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH} {
		t.Run(sig.String(), func(t *testing.T) {
			if signal.Ignored(sig) {
				t.Skipf("%v is ignored here, as under nohup, and so it is by every child", sig)
			}
			number := strconv.Itoa(int(sig))
			p := f.shell(t, `trap 'exit 9' `+number+`; echo ready; while read line; do :; done; exit 8`)
			p.line(p.stdout)
			p.signal(sig)
			p.lineTo(p.stdin)
			if _, stderr, code := p.end(); code != 9 {
				t.Errorf("exit code %d, want the 9 of the command's trap: %s", code, stderr)
			}
			f.checkFree(t)
		})
	}
}

func TestRunDiesWithItsCommandOfASignal(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	p := f.shell(t, `echo ready; exec sleep 600`)
	p.line(p.stdout)
	p.signal(syscall.SIGTERM)
	if _, stderr, code := p.end(); code != exitSignal+int(syscall.SIGTERM) {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	f.checkFree(t)
}

func TestRunStopsWaitingForASignal(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	defer f.hold(t).Release(t.Context())
	clients := f.clients(t)
	p := f.shell(t, "echo ran")
	f.awaitClient(t, clients)
	p.signal(syscall.SIGTERM)
	if stdout, stderr, code := p.end(); code != exitSignal+int(syscall.SIGTERM) || stdout != "" {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}
