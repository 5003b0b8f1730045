package redisserver_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/quorum/quorumtest/redisserver"
)

// parent is the environment variable that turns the test binary into a program which starts a server
// and waits to be killed.
const parent = "REDISSERVER_TEST_PARENT"

func TestMain(m *testing.M) {
	if os.Getenv(parent) == "" {
		os.Exit(quorumtest.LeakFree(m))
	}
	// The goroutine takes its thread along when it ends: the server must not mind.
	started := make(chan *redisserver.Server)
	go func() {
		runtime.LockOSThread()
		s, err := redisserver.Start(context.Background())
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		started <- s
	}()
	fmt.Println((<-started).PID())
	select {}
}

func TestServersDieWithTheirParent(t *testing.T) {
	quorumtest.RedisServer(t) // skips where there is no binary
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), parent+"=1", "TMPDIR="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	var pid int
	if _, scan := fmt.Sscan(line, &pid); err != nil || scan != nil {
		t.Fatalf("the parent said %q (%v)", line, err)
	}
	if gone(pid) {
		t.Error("the server did not outlive the goroutine that started it")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	awaitEnd(t, pid)
}

// awaitEnd waits until the process no longer runs. It is no child of ours, so who reaps it, and
// when, is the system's affair.
func awaitEnd(t *testing.T, pid int) {
	t.Helper()
	timeout := time.After(10 * time.Second)
	for !gone(pid) && !zombie(pid) {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-timeout:
			t.Fatalf("process %d still runs", pid)
		}
	}
}

func zombie(pid int) bool {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return strings.Contains(string(stat), ") Z ")
}
