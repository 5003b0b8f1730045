package redisnode_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/quorum/quorumtest/redisserver"
)

func TestPasswordIsNotEchoed(t *testing.T) {
	server := quorumtest.RedisServer(t, redisserver.WithConfig(
		"--rename-command", "HELLO", "HELLO2", "--rename-command", "AUTH", "AUTH2"))
	node := open(t, &redis.Options{Addr: server.Addr(), Username: "alice", Password: "hunter2"})
	answer := ask(t, node, patience, acquire("key"))
	wantError(t, answer, "ERR", true, "unknown command")
	if strings.Contains(fmt.Sprintf("%v %+v", answer.Err, errors.Unwrap(answer.Err)), "hunter2") {
		t.Errorf("error holds the password: %v", answer.Err)
	}
}

func TestOnConnectIsKept(t *testing.T) {
	server := quorumtest.RedisServer(t)
	broken := errors.New("broken")
	var fail error
	var ran int
	node := open(t, &redis.Options{Addr: server.Addr(), OnConnect: func(ctx context.Context, cn *redis.Conn) error {
		ran++
		if fail != nil {
			return fail
		}
		return cn.Ping(ctx).Err()
	}})
	fail = fmt.Errorf("my hook: %w", broken)
	answer := ask(t, node, patience, acquire("key"))
	wantError(t, answer, "", false, "my hook: broken")
	if !errors.Is(answer.Err, broken) {
		t.Errorf("error %v is not the hook's", answer.Err)
	}
	fail = nil
	wantVerdict(t, ask(t, node, patience, acquire("key")), quorum.Mine)
	if ran != 2 {
		t.Errorf("OnConnect ran %d times, want 2", ran)
	}
}

// Dialers that client libraries and users bring may not care about ctx.
func TestDialerThatIgnoresItsContext(t *testing.T) {
	quorumtest.NoLeaks(t)
	hold := make(chan struct{})
	node := open(t, &redis.Options{Addr: "nowhere", Dialer: func(context.Context, string, string) (net.Conn, error) {
		<-hold
		ours, _ := net.Pipe()
		return ours, nil
	}})
	answer := ask(t, node, 20*time.Millisecond, acquire("key"))
	wantError(t, answer, "", false, "no connection was ready")
	if !errors.Is(answer.Err, context.DeadlineExceeded) {
		t.Errorf("error %v is not a DeadlineExceeded", answer.Err)
	}
	close(hold)
}

func TestCloseEndsDials(t *testing.T) {
	quorumtest.NoLeaks(t)
	dialing := make(chan struct{})
	node := open(t, &redis.Options{Addr: "nowhere", Dialer: func(ctx context.Context, _, _ string) (net.Conn, error) {
		close(dialing)
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	var asking sync.WaitGroup
	asking.Go(func() { wantVerdict(t, ask(t, node, patience, acquire("key")), quorum.Failed) })
	<-dialing
	must(t, node.Close())
	asking.Wait()
	wantVerdict(t, ask(t, node, patience, acquire("key")), quorum.Failed)
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "redis.sock")
	server := quorumtest.RedisServer(t, redisserver.WithConfig("--unixsocket", path))
	node := open(t, &redis.Options{Addr: path, DB: 2})
	wantVerdict(t, ask(t, node, patience, acquire("key")), quorum.Mine)
	if want := path + "/2"; node.Name() != want {
		t.Errorf("Name() = %q, want %q", node.Name(), want)
	}
	must(t, server.Kill())
	wantError(t, ask(t, node, time.Second, acquire("key")), "", false, "connect")
}
