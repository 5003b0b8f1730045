//go:build !unix

package benchmarks

import "time"

// clientCPU is not known on this platform.
func clientCPU() time.Duration { return 0 }
