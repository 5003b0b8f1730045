package main

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// dieWithParent lets the child not outlive redlock, which alone knows whether it still has the lock.
func dieWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }

// isStopped reports whether the child has been stopped since the last call. It reaps nothing.
func isStopped(pid int) bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, pid, &info, unix.WSTOPPED|unix.WNOHANG, nil)
	return err == nil && info.Signo != 0
}
