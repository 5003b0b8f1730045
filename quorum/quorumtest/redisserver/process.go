package redisserver

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// A process is one run of the binary.
type process struct {
	cmd    *exec.Cmd
	out    *tail
	exited chan struct{} // closed once the process is reaped
}

// launch starts the binary. One goroutine owns the process from start to reaping.
func launch(binary string, args []string) (*process, error) {
	p := &process{cmd: exec.Command(binary, args...), out: newTail(), exited: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.cmd.SysProcAttr = ownGroup()
	p.cmd.WaitDelay = time.Second // a forked child of the server may hold its output open
	started := make(chan error, 1)
	go p.live(started)
	return p, <-started
}

// live starts the process and waits for its end on one locked thread: Linux kills the child when the
// *thread* that made it exits, so that thread has to outlive it.
func (p *process) live(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.exited)
	err := p.cmd.Start()
	started <- err
	if err == nil {
		_ = p.cmd.Wait() // how it ended is in its output, if anybody asks
	}
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) alive() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// kill ends the process, also a stopped one, and waits until it is reaped.
func (p *process) kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return p.failed("kill", err)
	}
	<-p.exited
	return nil
}

// failed wraps err with what was tried and the process's last words.
func (p *process) failed(what string, err error) error {
	return fmt.Errorf("redisserver: %s: %w\n%s", what, err, p.out)
}
