//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package redisnode

import "golang.org/x/sys/unix"

// atEnd reports whether the next read of a socket would find its end, or an error.
func atEnd(fd uintptr) bool {
	var b [1]byte
	n, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	switch err {
	case nil:
		return n == 0
	case unix.EAGAIN, unix.EINTR:
		return false
	}
	return true
}
