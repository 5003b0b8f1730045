//go:build unix

package main

import (
	"encoding/json"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
)

// checkGone sees that a demo has left neither a folder nor a server.
func checkGone(t *testing.T, temp string, nodes []string) {
	t.Helper()
	left, err := os.ReadDir(temp)
	if err != nil || len(left) > 0 {
		t.Errorf("the demo has left %v (%v)", left, err)
	}
	if len(nodes) != demoNodes {
		t.Errorf("nodes are %q, want %d", nodes, demoNodes)
	}
	for _, node := range nodes {
		if conn, err := net.Dial("tcp", node); err == nil {
			_ = conn.Close()
			t.Errorf("somebody still listens at %s", node)
		}
	}
}

// needServers skips where there is no redis-server, as Fleet does.
func needServers(t *testing.T) { quorumtest.Fleet(t, 1) }

func TestDemoOnServers(t *testing.T) {
	t.Parallel()
	needServers(t)
	temp := t.TempDir()
	stdout, stderr, code := start(t, []string{"TMPDIR=" + temp}, "demo", "--for", "5s", "--json").end()
	var p report
	if err := json.Unmarshal([]byte(stdout), &p); err != nil {
		t.Fatalf("no JSON: %v\n%s%s", err, stdout, stderr)
	}
	if code != 0 || p.Overlaps != 0 || p.Acquisitions == 0 || p.Nodes != kindServers || stderr != "" {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	for _, f := range p.Faults {
		if !f.Fired {
			t.Errorf("fault did not fire: %+v", f)
		}
	}
	checkGone(t, temp, p.NodeNames)
}

func TestDemoCleansUpWhenInterrupted(t *testing.T) {
	t.Parallel()
	needServers(t)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			temp := t.TempDir()
			p := start(t, []string{"TMPDIR=" + temp}, "demo", "--for", "1m")
			_, list, _ := strings.Cut(p.line(p.stdout), "(")
			list, _, _ = strings.Cut(list, ")")
			p.line(p.stdout) // something has happened, if only that a second is over
			p.signal(sig)
			stdout, stderr, code := p.end()
			if code != 0 || !strings.Contains(stdout, "Ended ") {
				t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
			}
			checkGone(t, temp, strings.Split(list, ", "))
		})
	}
}
