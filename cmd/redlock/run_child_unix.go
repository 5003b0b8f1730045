//go:build unix

package main

import (
	"errors"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// caughtSignals are passed on, except for two that nobody gets: TSTP, since whoever holds a lock and is
// suspended loses it, and PIPE, since the lock is released also if nobody reads what redlock says.
var caughtSignals = []os.Signal{
	syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT,
	syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH, syscall.SIGCONT,
	syscall.SIGTSTP, syscall.SIGPIPE,
}

// endSignal reports whether a signal asks to end, and the exit code of whoever does.
func endSignal(sig os.Signal) (code int, end bool) {
	number, _ := sig.(syscall.Signal) // as all signals of unix are
	switch number {
	case syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT:
		return exitSignal + int(number), true
	}
	return 0, false
}

// signalCode is the exit code of a process that a signal has ended, if one has.
func signalCode(state *os.ProcessState) (code int, signalled bool) {
	status, ok := state.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		return 0, false
	}
	return exitSignal + int(status.Signal()), true
}

// pass hands a signal on. Those that ask to end are for all that the command has started too: a
// terminal would do the same, and nobody is left behind without a lock.
func (c *child) pass(sig os.Signal) {
	switch code, end := endSignal(sig); {
	case end:
		c.signalGroup(syscall.Signal(code - exitSignal))
	case sig != syscall.SIGTSTP && sig != syscall.SIGPIPE:
		_ = c.cmd.Process.Signal(sig) // it may just have ended
	}
}

// terminate asks the command and all that it started to end, also those that are stopped.
func (c *child) terminate() {
	c.signalGroup(syscall.SIGTERM)
	c.signalGroup(syscall.SIGCONT)
}

// killGroup ends the command and all that it started.
func (c *child) killGroup() { c.signalGroup(syscall.SIGKILL) }

func (c *child) signalGroup(sig syscall.Signal) {
	_ = syscall.Kill(-c.cmd.Process.Pid, sig) // nobody may be left
}

// groupLives reports whether the command, or something that it started, is there.
func (c *child) groupLives() bool {
	err := syscall.Kill(-c.cmd.Process.Pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

// A foreground is the terminal from which redlock was started, if that was in the foreground: the
// command gets it, to read from it and to be interrupted by it. The zero value is none.
type foreground struct{ file *os.File }

// newForeground returns the terminal that stdin is.
func newForeground(stdin any) foreground {
	file, ok := stdin.(*os.File)
	if !ok {
		return foreground{}
	}
	group, err := unix.IoctlGetInt(int(file.Fd()), unix.TIOCGPGRP)
	if err != nil || group != syscall.Getpgrp() {
		return foreground{}
	}
	return foreground{file}
}

// attributes put the child into a process group of its own.
func (f foreground) attributes() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(a)
	if f.file != nil {
		a.Foreground, a.Ctty = true, int(f.file.Fd())
	}
	return a
}

// watchStops tells when a child of this process was stopped. Without a terminal nobody minds: whoever
// stops a process on purpose wants it stopped.
func (f foreground) watchStops() <-chan os.Signal {
	if f.file == nil {
		return nil
	}
	stops := make(chan os.Signal, 1)
	signal.Notify(stops, syscall.SIGCHLD)
	return stops
}

// goOn continues a child that the terminal has stopped.
func (f foreground) goOn(pid int) bool {
	if f.file == nil || !isStopped(pid) {
		return false
	}
	return syscall.Kill(-pid, syscall.SIGCONT) == nil
}

// restore makes redlock's group the terminal's foreground again, as the shell expects it.
func (f foreground) restore() {
	if f.file == nil {
		return
	}
	signal.Ignore(syscall.SIGTTOU) // which whoever does this from the background gets
	_ = unix.IoctlSetPointerInt(int(f.file.Fd()), unix.TIOCSPGRP, syscall.Getpgrp())
	signal.Reset(syscall.SIGTTOU)
}
