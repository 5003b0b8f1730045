package atomic_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/redlock/atomic"
)

// The typed calls say what the guide's replies say.
func TestTheGuidesReplies(t *testing.T) {
	text, err := os.ReadFile("testdata/guide.golden")
	must(t, err)
	r, plain := onServer(t)
	calls := 0
	for line := range strings.Lines(string(text)) {
		asked, want, found := strings.Cut(line, "->")
		if !found {
			continue
		}
		calls++
		got, err := inGuidesWords(t.Context(), r, plain, strings.Fields(asked))
		if want = strings.TrimSpace(want); err != nil || got != want {
			t.Errorf("%s = %s, %v; the guide says %s", strings.TrimSpace(asked), got, err, want)
		}
	}
	if calls == 0 {
		t.Error("the file has no calls, so this test tests nothing")
	}
}

// inGuidesWords carries out a line of the file and returns the reply that the guide would give.
func inGuidesWords(ctx context.Context, r *atomic.Recipes, plain *redis.Client, line []string) (string, error) {
	number := func(at int) int64 {
		n, err := strconv.ParseInt(line[at], 10, 64)
		if err != nil {
			panic(err) // the file is the test's own
		}
		return n
	}
	switch line[0] {
	case "redis":
		reply, err := plain.Do(ctx, command(strings.Join(line[1:], " "))...).Result()
		return fmt.Sprint(reply), err
	case "counter":
		value, err := r.Increment(ctx, line[1], number(2))
		if full, ok := errors.AsType[*atomic.LimitError](err); ok {
			value, err = full.Count, nil
		}
		return fmt.Sprint(value), err
	case "push":
		pushed, err := r.PushUnique(ctx, line[1], line[2])
		return map[bool]string{true: "1", false: "0"}[pushed], err
	case "hit":
		window, err := r.Hit(ctx, line[1], number(2), time.Duration(number(3))*time.Millisecond)
		if full, ok := errors.AsType[*atomic.LimitError](err); ok {
			return fmt.Sprint(full.Count, " refused"), nil
		}
		return fmt.Sprint(window.Count, " allowed"), err
	case "reserve":
		done, err := r.Reserve(ctx, atomic.Order{Stock: line[1], Log: line[2], ID: line[3], Quantity: number(4)})
		if errors.Is(err, atomic.ErrShort) {
			return "-1", nil
		}
		return fmt.Sprint(done.Left), err
	}
	return "", fmt.Errorf("no recipe %q", line[0])
}
