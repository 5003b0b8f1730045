//go:build !unix

package main

import (
	"os"
	"syscall"
)

// caughtSignals are all that there is here.
var caughtSignals = []os.Signal{os.Interrupt}

// endSignal reports whether a signal asks to end, and the exit code of whoever does.
func endSignal(sig os.Signal) (code int, end bool) {
	return exitSignal + int(syscall.SIGINT), sig == os.Interrupt
}

// signalCode knows no signals here.
func signalCode(*os.ProcessState) (code int, signalled bool) { return 0, false }

// pass does nothing: an interrupt reaches everybody on the console by itself.
func (c *child) pass(os.Signal) {}

// terminate kills, as nothing gentler is there.
func (c *child) terminate() { c.killGroup() }

// killGroup ends the command, but not what it has started.
func (c *child) killGroup() { _ = c.cmd.Process.Kill() }

// groupLives reports nothing: the command has ended when it is asked, and what it started is not known.
func (*child) groupLives() bool { return false }

// A foreground is nothing that could be handed over here.
type foreground struct{}

func newForeground(any) foreground { return foreground{} }

func (foreground) attributes() *syscall.SysProcAttr { return nil }
func (foreground) watchStops() <-chan os.Signal     { return nil }
func (foreground) goOn(int) bool                    { return false }
func (foreground) restore()                         {}
