//go:build unix && !linux

package main

import "syscall"

// dieWithParent does nothing: no other system ends a child with its parent.
func dieWithParent(*syscall.SysProcAttr) {}

// isStopped is not known without the risk of reaping the child.
func isStopped(int) bool { return false }
