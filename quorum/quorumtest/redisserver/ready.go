package redisserver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// errPortTaken means that somebody took the port before the server could.
var errPortTaken = errors.New("the port was taken")

// awaitReady returns once the process has said that it is ready and answers. Its own word comes
// first, since a server of somebody else might answer at an address that this one failed to bind.
func (p *process) awaitReady(ctx context.Context, addr string) error {
	select {
	case <-p.out.ready:
	case <-p.exited:
		return p.failed("start", p.exitReason())
	case <-ctx.Done():
		return p.failed("start", ctx.Err())
	}
	if err := p.awaitPing(ctx, addr); err != nil {
		return p.failed("ping", err)
	}
	return nil
}

func (p *process) exitReason() error {
	if strings.Contains(p.out.String(), "Address already in use") {
		return errPortTaken
	}
	return errors.New("the server exited")
}

// awaitPing asks until there is an answer.
func (p *process) awaitPing(ctx context.Context, addr string) error {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-pause.C:
		case <-p.exited:
			return p.exitReason()
		case <-ctx.Done():
			return ctx.Err()
		}
		if ping(ctx, addr) == nil {
			return nil
		}
		pause.Reset(5 * time.Millisecond)
	}
}

// ping succeeds if the server answers anything but that it is still loading: one that wants a
// password answers with an error.
func ping(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // it was read from: nothing is lost
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	if strings.HasPrefix(line, "-LOADING") {
		return fmt.Errorf("server says %q", line)
	}
	return nil
}
