package chaos

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// parentVariable makes the test binary a program that runs a scenario with a client process and waits to be
// killed.
const parentVariable = "REDLOCK_CHAOS_TEST_PARENT"

// beParent prints the ids of the processes that it has started.
func beParent() {
	s := mixed(1, time.Hour)
	s.Nodes, s.Schedule, s.Load.Clients = 1, nil, 1
	_, _, err := Run(context.Background(), s, &announced{NewSeparateProcesses(1)}, Settings{})
	fmt.Println(err) // it should not come so far
}

// announced prints the processes of a cluster.
type announced struct{ *SeparateProcesses }

func (a *announced) Drive(ctx context.Context, client int, nodes []int, calm <-chan struct{}) error {
	go func() {
		c := a.children[client]
		<-c.begun
		fmt.Println(c.cmd.Process.Pid, a.nodes[0].server.PID())
	}()
	return a.SeparateProcesses.Drive(ctx, client, nodes, calm)
}

func TestProcessesDieWithTheirParent(t *testing.T) {
	needsOneTimeLine(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), parentVariable+"=1", "TMPDIR="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	var client, server int
	if _, scan := fmt.Sscan(line, &client, &server); err != nil || scan != nil {
		t.Errorf("the parent said %q (%v)", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	awaitEnd(t, client)
	awaitEnd(t, server)
}

// awaitEnd waits until the process no longer runs. It is no child of ours, so who reaps it, and when, is the
// system's affair.
func awaitEnd(t *testing.T, pid int) {
	t.Helper()
	if pid <= 0 {
		return
	}
	timeout := time.After(10 * time.Second)
	for {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) || strings.Contains(string(stat), ") Z ") {
			return
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-timeout:
			t.Fatalf("process %d still runs", pid)
		}
	}
}
