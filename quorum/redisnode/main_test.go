package redisnode_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
)

// A journal records what the client library would print to standard error.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) Printf(_ context.Context, format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

// TestMain fails a run during which anything would have been printed: a library is silent, whatever
// happens to its nodes. Nor may a goroutine be left.
func TestMain(m *testing.M) {
	var printed journal
	redis.SetLogger(&printed)
	code := quorumtest.LeakFree(m)
	if len(printed.lines) > 0 {
		fmt.Fprintf(os.Stderr, "the client library printed %q\n", printed.lines)
		code = 1
	}
	os.Exit(code)
}
