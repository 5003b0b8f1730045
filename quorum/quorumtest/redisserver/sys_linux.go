package redisserver

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// ownGroup keeps the terminal's interrupt away from the child, and lets it die with its parent.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// awaitStopped returns once every thread of the child stands still: the signal alone is only a
// promise. WNOWAIT leaves the news for the next caller, and nothing is reaped, since exits are not
// asked for.
func awaitStopped(pid int) error {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WSTOPPED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
