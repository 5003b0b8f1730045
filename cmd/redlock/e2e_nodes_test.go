//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/quorum/quorumtest/redisserver"
	"github.com/quorumlock/quorumlock/redlock"
)

func TestStatusAndRelease(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	lease := f.hold(t)
	if stdout, stderr, code := f.start(t, "status", t.Name()).end(); code != 0 || !strings.Contains(stdout, "is held by the test: 3 of 3 nodes") {
		t.Errorf("status: exit code %d\n%s%s", code, stdout, stderr)
	}
	stdout, _, _ := f.start(t, "status", "--json", t.Name()).end()
	var d statusDocument
	if err := json.Unmarshal([]byte(stdout), &d); err != nil || d.Verdict != verdictHeld || d.Holder != "the test" || len(d.Nodes) != 3 {
		t.Errorf("status --json: %v, %+v", err, d)
	}
	stdout, _, _ = f.start(t, "release", "--force", "--json", t.Name()).end()
	var r removal
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || !r.done() || len(r.TakenFrom) != 1 || r.TakenFrom[0] != "the test" {
		t.Errorf("release --json: %v, %+v", err, r)
	}
	if err := lease.Extend(t.Context()); !errors.Is(err, redlock.ErrLost) {
		t.Errorf("the holder's extension ends with %v", err)
	}
	if stdout, stderr, code := f.start(t, "status", t.Name()).end(); code != 0 || !strings.Contains(stdout, "is free: 3 of 3") {
		t.Errorf("status: exit code %d\n%s%s", code, stdout, stderr)
	}
	if stdout, stderr, code := f.start(t, "release", "--force", t.Name()).end(); code != 0 || !strings.Contains(stdout, "was free already") {
		t.Errorf("release: exit code %d\n%s%s", code, stdout, stderr)
	}
}

// Whether the password is right or wrong, nobody gets to see it.
func TestPasswordsAreNotTold(t *testing.T) {
	t.Parallel()
	const password = "Xsecret9Z"
	servers := quorumtest.Fleet(t, 3, redisserver.WithConfig("--requirepass", password))
	for _, used := range []string{password, "wrong" + password} {
		var urls []string
		for _, s := range servers {
			urls = append(urls, "redis://:"+used+"@"+s.Addr())
		}
		list := strings.Join(urls, ",")
		for _, args := range [][]string{
			{"status", "x"},
			{"status", "--json", "x"},
			{"run", "x", "--", "true"},
			{"run", "--json", "x", "--", "true"},
			{"run", "--wait", "300ms", "x", "--", "true"},
			{"release", "--force", "x"},
			{"release", "--force", "--json", "x"},
			{"status", "--help"},
			{"status"},
			{"status", "x", "y"},
			{"status", "x", urls[0]},
			{"status", urls[0]},
			{"release", "--force", urls[0]},
			{"release", urls[0]},
			{"status", urls[0], "x"},
		} {
			args = append(args[:1:1], append([]string{"--nodes", list}, args[1:]...)...)
			var out, errs bytes.Buffer
			code := run(t.Context(), args, strings.NewReader(""), &out, &errs)
			if all := out.String() + errs.String(); strings.Contains(all, password) {
				t.Errorf("redlock %s (exit code %d) tells the password:\n%s", args[0], code, all)
			}
		}
	}
}
