//go:build unix

package benchmarks

import (
	"syscall"
	"time"
)

// clientCPU is the CPU time that this process, without its children, has used.
func clientCPU() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0 // it cannot fail for the process itself
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
