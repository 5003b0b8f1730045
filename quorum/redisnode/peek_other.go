//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package redisnode

// atEnd cannot tell: a request that is sent at the moment at which the server ends the connection fails.
func atEnd(uintptr) bool { return false }
