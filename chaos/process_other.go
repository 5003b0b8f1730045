//go:build !linux

package chaos

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"
)

// errNoTimeLine is why processes cannot share a clock here.
var errNoTimeLine = fmt.Errorf("chaos: clients in processes of their own need CLOCK_MONOTONIC of Linux, and this is %s: %w",
	runtime.GOOS, errors.ErrUnsupported)

var processStart = time.Now()

// monotonic is Go's own monotonic time, which other processes do not share.
func monotonic() time.Duration { return time.Since(processStart) }

func dependent() *syscall.SysProcAttr { return nil }

func stopProcess(*os.Process) error     { return errNoTimeLine }
func continueProcess(*os.Process) error { return errNoTimeLine }
