//go:build unix

package redisserver

import "syscall"

func (p *process) pause() error {
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return p.failed("pause", err)
	}
	if err := awaitStopped(p.pid()); err != nil {
		return p.failed("pause", err)
	}
	return nil
}

func (p *process) resume() error {
	if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		return p.failed("resume", err)
	}
	return nil
}
