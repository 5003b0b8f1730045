package main

import (
	"os"
	"os/exec"
	"runtime"
	"time"
)

// A child is the command that runs.
type child struct {
	cmd      *exec.Cmd
	ended    chan struct{}    // closed once it is reaped
	stopped  <-chan os.Signal // something was stopped, maybe the child; nil if nobody minds
	terminal foreground
}

// startChild starts the command. One goroutine owns it until it is reaped, on one locked thread: where
// a child dies with its parent, it does so with the thread that made it.
func startChild(cmd *exec.Cmd) (*child, error) {
	c := &child{cmd: cmd, ended: make(chan struct{}), terminal: newForeground(cmd.Stdin)}
	cmd.SysProcAttr = c.terminal.attributes()
	c.stopped = c.terminal.watchStops()
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(c.ended)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in its state
		}
	}()
	return c, <-started
}

// goOn continues the child if it was stopped, and reports whether it was.
func (c *child) goOn() bool { return c.terminal.goOn(c.cmd.Process.Pid) }

// restoreTerminal takes the terminal back from the child.
func (c *child) restoreTerminal() { c.terminal.restore() }

// exitCode is what a shell would say of the child, once it has ended.
func (c *child) exitCode() int {
	if code, signalled := signalCode(c.cmd.ProcessState); signalled {
		return code
	}
	return c.cmd.ProcessState.ExitCode()
}

// groupPoll is how often is looked whether everything that the command started has gone.
const groupPoll = 10 * time.Millisecond

// awaitGroup waits until nothing is left of a command that is to end, and kills what is there when
// kill says so. With a nil kill nothing is to end.
func (c *child) awaitGroup(kill <-chan time.Time) {
	if kill == nil {
		return
	}
	look := time.NewTicker(groupPoll)
	defer look.Stop()
	for c.groupLives() {
		select {
		case <-kill:
			c.killGroup()
			return
		case <-look.C:
		}
	}
}
