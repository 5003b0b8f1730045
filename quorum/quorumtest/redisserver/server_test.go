//go:build unix

package redisserver_test

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/quorum/quorumtest/redisserver"
)

// client returns a client that tries once, and no longer than ctx says.
func client(t *testing.T, s *redisserver.Server) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: s.Addr(), ContextTimeoutEnabled: true, MaxRetries: -1})
	t.Cleanup(func() { c.Close() })
	return c
}

// folder asks the server where it keeps its files.
func folder(t *testing.T, c *redis.Client) string {
	t.Helper()
	dir, err := c.ConfigGet(t.Context(), "dir").Result()
	if err != nil {
		t.Fatal(err)
	}
	return dir["dir"]
}

func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

func TestKillAndRestart(t *testing.T) {
	tests := map[string]struct {
		opts []redisserver.Option
		want string
	}{
		"without persistence everything is forgotten": {nil, ""},
		"with persistence everything comes back":      {[]redisserver.Option{redisserver.WithPersistence()}, "kept"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := quorumtest.RedisServer(t, tc.opts...)
			c := client(t, s)
			if err := c.Set(t.Context(), "key", "kept", 0).Err(); err != nil {
				t.Fatal(err)
			}
			addr, pid := s.Addr(), s.PID()
			if err := s.Kill(); err != nil || s.Alive() || !gone(pid) {
				t.Fatalf("after Kill (%v): alive %v, process gone %v", err, s.Alive(), gone(pid))
			}
			if conn, err := net.Dial("tcp", addr); err == nil {
				conn.Close()
				t.Error("somebody listens at a killed server's address")
			}
			if err := s.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			if s.Addr() != addr || s.PID() == pid || !s.Alive() {
				t.Errorf("after Restart: address %s (was %s), pid %d (was %d), alive %v", s.Addr(), addr, s.PID(), pid, s.Alive())
			}
			if got := c.Get(t.Context(), "key").Val(); got != tc.want {
				t.Errorf("GET after the restart = %q, want %q", got, tc.want)
			}
		})
	}
}

func TestPauseHoldsAndResumeRunsWhatCame(t *testing.T) {
	s := quorumtest.RedisServer(t)
	c := client(t, s)
	if err := c.Ping(t.Context()).Err(); err != nil { // a new connection would wait for its greeting
		t.Fatal(err)
	}
	if err := s.Pause(); err != nil {
		t.Fatal(err)
	}
	if !s.Alive() {
		t.Error("a paused server counts as dead")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := c.Incr(ctx, "n").Err(); err == nil {
		t.Error("a paused server answers")
	}
	for range 2 { // pausing and resuming twice is the same as once
		if err := errors.Join(s.Pause(), s.Pause(), s.Resume(), s.Resume()); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := c.Incr(t.Context(), "n").Result(); err != nil || got != 2 {
		t.Errorf("second INCR = %d, %v, want 2: the first one came through while paused", got, err)
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	states := map[string]func(s *redisserver.Server) error{
		"of a running server": func(*redisserver.Server) error { return nil },
		"of a paused server":  (*redisserver.Server).Pause,
		"of a killed server":  (*redisserver.Server).Kill,
	}
	for name, reach := range states {
		t.Run(name, func(t *testing.T) {
			quorumtest.NoLeaks(t)
			s := quorumtest.RedisServer(t)
			c := client(t, s)
			pid, dir := s.PID(), folder(t, c)
			if err := errors.Join(reach(s), s.Close(), s.Close()); err != nil {
				t.Fatal(err)
			}
			if s.Alive() || !gone(pid) {
				t.Errorf("alive %v, process gone %v", s.Alive(), gone(pid))
			}
			if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("folder %s: %v, want it gone", dir, err)
			}
			if s.Restart(t.Context()) == nil {
				t.Error("a closed server can be restarted")
			}
		})
	}
}

func TestRestartRefusesARunningServer(t *testing.T) {
	s := quorumtest.RedisServer(t)
	if s.Restart(t.Context()) == nil {
		t.Error("a running server can be restarted")
	}
	if err := client(t, s).Ping(t.Context()).Err(); err != nil {
		t.Error(err)
	}
}

func TestConfig(t *testing.T) {
	tests := map[string]struct {
		opts        []redisserver.Option
		name, value string
	}{
		"nothing is saved":                  {nil, "save", ""},
		"nothing is appended":               {nil, "appendonly", "no"},
		"persistence syncs each write":      {[]redisserver.Option{redisserver.WithPersistence()}, "appendfsync", "always"},
		"a directive is handed on":          {[]redisserver.Option{redisserver.WithConfig("--maxmemory", "1mb")}, "maxmemory", "1048576"},
		"a directive wins over the default": {[]redisserver.Option{redisserver.WithConfig("--appendonly", "yes")}, "appendonly", "yes"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c := client(t, quorumtest.RedisServer(t, tc.opts...))
			if got := c.ConfigGet(t.Context(), tc.name).Val()[tc.name]; got != tc.value {
				t.Errorf("%s = %q, want %q", tc.name, got, tc.value)
			}
		})
	}
}

func TestAPasswordDoesNotHinderTheStart(t *testing.T) {
	s := quorumtest.RedisServer(t, redisserver.WithConfig("--requirepass", "secret"))
	c := redis.NewClient(&redis.Options{Addr: s.Addr(), Password: "secret"})
	defer c.Close()
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Error(err)
	}
}

func TestFleetHasDistinctServers(t *testing.T) {
	quorumtest.NoLeaks(t)
	seen := map[string]bool{}
	for _, s := range quorumtest.Fleet(t, 5) {
		if seen[s.Addr()] || !s.Alive() {
			t.Errorf("server %s: seen %v, alive %v", s.Addr(), seen[s.Addr()], s.Alive())
		}
		seen[s.Addr()] = true
	}
}

func TestFailedStartsLeaveNothingAndSayWhy(t *testing.T) {
	quorumtest.NoLeaks(t)
	quorumtest.RedisServer(t) // skips where there is no binary
	folders := t.TempDir()
	t.Setenv("TMPDIR", folders)
	_, err := redisserver.StartFleet(t.Context(), 2, redisserver.WithConfig("--no-such-directive", "1"))
	if err == nil || !strings.Contains(err.Error(), "no-such-directive") {
		t.Errorf("error = %v, want the server's own words", err)
	}
	if left, _ := os.ReadDir(folders); len(left) > 0 {
		t.Errorf("folders left: %v", left)
	}
}

func TestAnEndedContextStartsNothing(t *testing.T) {
	quorumtest.NoLeaks(t)
	quorumtest.RedisServer(t) // skips where there is no binary
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s, err := redisserver.Start(ctx); err == nil {
		s.Close()
		t.Error("it started")
	} else if !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want %v", err, context.Canceled)
	}
}

func TestNoBinary(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := redisserver.Start(t.Context()); !errors.Is(err, redisserver.ErrNoBinary) {
		t.Errorf("error = %v, want %v", err, redisserver.ErrNoBinary)
	}
}
