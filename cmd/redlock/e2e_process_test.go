//go:build unix

package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/quorum/quorumtest/redisserver"
	"github.com/quorumlock/quorumlock/redlock"
)

// A process is a redlock that runs by itself.
type process struct {
	*testing.T
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	stderr *bufio.Reader
}

// start runs redlock. The test ends it if it does not end by itself.
func start(t *testing.T, environ []string, args ...string) *process {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, args...)
	cmd.Env = append(os.Environ(), asCommand+"=1", "GORACE=atexit_sleep_ms=0")
	cmd.Env = append(cmd.Env, environ...)
	p := &process{T: t, cmd: cmd}
	p.stdin = must(cmd.StdinPipe())
	p.stdout = bufio.NewReader(must(cmd.StdoutPipe()))
	p.stderr = bufio.NewReader(must(cmd.StderrPipe()))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return p
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// line reads the next line of r.
func (p *process) line(r *bufio.Reader) string {
	p.Helper()
	line, err := r.ReadString('\n')
	if err != nil {
		rest, _ := io.ReadAll(p.stderr)
		p.Fatalf("%q instead of a line: %v\n%s", line, err, rest)
	}
	return strings.TrimSuffix(line, "\n")
}

func (p *process) signal(sig syscall.Signal) {
	p.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.Fatal(err)
	}
}

// end waits for the end, and returns what was still to be read and the exit code.
func (p *process) end() (stdout, stderr string, code int) {
	p.Helper()
	_ = p.stdin.Close()
	errs := make(chan string, 1)
	go func() {
		rest, _ := io.ReadAll(p.stderr)
		errs <- string(rest)
	}()
	out, _ := io.ReadAll(p.stdout)
	stderr = <-errs
	err := p.cmd.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		p.Fatal(err)
	}
	return string(out), stderr, p.cmd.ProcessState.ExitCode()
}

// lineTo writes lines until nobody reads them any more: a shell runs its trap when its read returns.
func (p *process) lineTo(w io.Writer) {
	p.Helper()
	for range time.Tick(time.Millisecond) {
		if _, err := io.WriteString(w, "\n"); err != nil {
			return
		}
	}
}

// A fleet is what the other tests lock on.
type fleet struct {
	*testing.T
	servers []*redisserver.Server
	environ []string
	locker  *redlock.Locker
}

func newFleet(t *testing.T, opts ...redisserver.Option) *fleet {
	t.Helper()
	f := &fleet{T: t, servers: quorumtest.Fleet(t, 3, opts...)}
	var urls []string
	for _, s := range f.servers {
		urls = append(urls, "redis://"+s.Addr())
	}
	locker, err := redlock.Open(t.Context(), urls, redlock.WithHolder("the test"),
		redlock.WithTTL(20*time.Second)) // which gives nodes the most time to answer, a second
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = locker.Close() })
	f.locker, f.environ = locker, []string{"REDLOCK_NODES=" + strings.Join(urls, ",")}
	return f
}

// start runs redlock on the fleet.
func (f *fleet) start(t *testing.T, args ...string) *process {
	t.Helper()
	return start(t, f.environ, args...)
}

// shell runs a script under the lock that is called like the test.
func (f *fleet) shell(t *testing.T, script string, flags ...string) *process {
	t.Helper()
	// Machines may be slow: the longer the TTL, the longer nodes have to answer, a second with this one.
	args := append([]string{"run", "--wait", "1m", "--ttl", "20s"}, flags...)
	return f.start(t, append(args, t.Name(), "--", "sh", "-c", script)...)
}

// hold takes the lock that is called like the test.
func (f *fleet) hold(t *testing.T) *redlock.Lease {
	t.Helper()
	lease, err := f.locker.Acquire(t.Context(), t.Name())
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

// checkFree sees that the test's lock is free, by taking it.
func (f *fleet) checkFree(t *testing.T) {
	t.Helper()
	if err := f.hold(t).Release(t.Context()); err != nil {
		t.Error(err)
	}
}

// clients counts who is connected to the first server.
func (f *fleet) clients(t *testing.T) int {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: f.servers[0].Addr()})
	defer client.Close()
	list, err := client.ClientList(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(list, "\n")
}

// awaitClient waits until somebody more is connected than there were before.
func (f *fleet) awaitClient(t *testing.T, before int) {
	t.Helper()
	for range time.Tick(5 * time.Millisecond) {
		if f.clients(t) > before {
			return
		}
	}
}

// takeAway releases the test's lock by force, if need be several times: nodes may answer late.
func (f *fleet) takeAway(t *testing.T) {
	t.Helper()
	for {
		switch stdout, stderr, code := f.start(t, "release", "--force", t.Name()).end(); code {
		case 0:
			return
		case exitNotAcquired:
		default:
			t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
		}
	}
}
