package chaos

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// errNoTimeLine is nil, since all processes of this machine read the same clock with monotonic.
var errNoTimeLine error

// monotonic is the machine's time since it was started, without the time asleep: one time line for all
// processes.
func monotonic() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err) // every Linux has this clock
	}
	return time.Duration(ts.Nano())
}

// dependent keeps the terminal's interrupt away from the child, and lets it die with its parent.
func dependent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// stopProcess lets the child stand still, and returns once it does: the signal alone is only a promise.
// WNOWAIT leaves the news for the next caller.
func stopProcess(child *os.Process) error {
	if err := child.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for {
		err := unix.Waitid(unix.P_PID, child.Pid, nil, unix.WSTOPPED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// continueProcess lets it go on.
func continueProcess(child *os.Process) error { return child.Signal(syscall.SIGCONT) }
