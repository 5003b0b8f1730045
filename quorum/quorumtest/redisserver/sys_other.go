//go:build !unix

package redisserver

import (
	"errors"
	"syscall"
)

func ownGroup() *syscall.SysProcAttr { return nil }

func (p *process) pause() error  { return p.failed("pause", errors.ErrUnsupported) }
func (p *process) resume() error { return p.failed("resume", errors.ErrUnsupported) }
