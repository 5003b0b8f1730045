// Package redisserver runs real redis-server processes on the loopback interface, for tests and
// demonstrations.
//
// # Guarantee
//
// A started server has said that it is ready and has answered a PING. Its address never changes, also
// over [Server.Kill] and [Server.Restart]. [Server.Close] leaves neither a process nor a folder. A
// server is in a process group of its own, so that the terminal's interrupt does not reach it; on
// Linux it dies with the process that started it, also if that one is killed.
//
// # Assumptions
//
// redis-server is on the PATH; without it every start fails with [ErrNoBinary]. Nobody else takes a
// killed server's port before it is restarted: ports lie below the range from which systems choose
// for themselves.
//
// # Limits
//
// Servers listen on 127.0.0.1 without TLS. Only Linux waits until a paused server has really
// stopped, and other systems than Linux leave the servers of a killed process running.
package redisserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"
)

// ErrNoBinary means that there is no redis-server on the PATH.
var ErrNoBinary = errors.New("redisserver: no redis-server on the PATH")

// startLimit bounds a start if ctx does not: no healthy server needs so long, even on a busy machine.
const startLimit = 30 * time.Second

// A Server is one redis-server process, or the place of one that was killed.
//
// [Start] makes one; its zero value is not usable. Whoever started it closes it. All methods may be
// called from several goroutines.
type Server struct {
	binary, dir, addr string
	args              []string

	mu     sync.Mutex
	proc   *process // the latest process; exited ones stay until a restart
	closed bool
}

// Start runs a server on a free port of 127.0.0.1 in a fresh folder and returns once it answers.
// ctx bounds the start alone, not the server's life.
func Start(ctx context.Context, opts ...Option) (*Server, error) {
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoBinary, err)
	}
	dir, err := os.MkdirTemp("", "redisserver-")
	if err != nil {
		return nil, fmt.Errorf("redisserver: %w", err)
	}
	s := &Server{binary: binary, dir: dir}
	if err := s.startAnywhere(ctx, opts); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// portTries is how many ports a start loses to others before it gives up.
const portTries = 8

// startAnywhere starts on the first port that nobody takes between the look at it and the bind.
func (s *Server) startAnywhere(ctx context.Context, opts []Option) error {
	var err error
	for range portTries {
		var port int
		if port, err = freePort(); err != nil {
			return err
		}
		s.addr = net.JoinHostPort(host, strconv.Itoa(port))
		s.args = arguments(port, s.dir, opts)
		if err = s.run(ctx); !errors.Is(err, errPortTaken) {
			return err
		}
	}
	return err
}

// run starts the process and waits until it answers. The caller holds mu, or is the only one to know
// the server.
func (s *Server) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	proc, err := launch(s.binary, s.args)
	if err != nil {
		return fmt.Errorf("redisserver: %w", err)
	}
	if err := proc.awaitReady(ctx, s.addr); err != nil {
		return errors.Join(err, proc.kill())
	}
	s.proc = proc
	return nil
}

// Addr returns the server's address, "127.0.0.1:port".
func (s *Server) Addr() string { return s.addr }

// PID returns the id of the latest process, be it alive or not.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proc.pid()
}

// Alive reports whether the process exists. A paused one does.
func (s *Server) Alive() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proc.alive()
}

// Pause stops the process where it is, with SIGSTOP: the kernel goes on accepting connections and
// bytes in its name, and everything runs when it is resumed.
func (s *Server) Pause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proc.pause()
}

// Resume lets a paused process run on. A running one does not notice.
func (s *Server) Resume() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proc.resume()
}

// Kill ends the process at once, with SIGKILL, and waits until it is gone: a crash, not a shutdown.
// Killing a server that has exited does nothing.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proc.kill()
}

// Restart runs an exited server again, at the same address and in the same folder, and returns once
// it answers. What it remembers depends on [WithPersistence].
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errors.New("redisserver: restart of a closed server")
	}
	if s.proc.alive() {
		return errors.New("redisserver: restart of a server that still runs")
	}
	return s.run(ctx)
}

// Close kills the process, waits until it is gone and removes its folder. Calls after the first do
// nothing.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return errors.Join(s.proc.kill(), os.RemoveAll(s.dir))
}
