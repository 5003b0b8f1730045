package quorumtest

import (
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// leakPatience is how long a goroutine that was told to end may take. Some are joined by nobody,
// such as those of a network poll.
const leakPatience = 5 * time.Second

// NoLeaks fails the test if, once everything registered for cleaning up after this call is done,
// more goroutines of some origin are alive than now. The origin is the line of the go statement, so
// that a goroutine which replaces an equal one is no leak. Tests that use it do not run in parallel
// with others.
func NoLeaks(t testing.TB) {
	t.Helper()
	before := goroutines()
	t.Cleanup(func() {
		if leaked := settle(before); len(leaked) > 0 {
			t.Errorf("goroutines left behind:\n\n%s", strings.Join(leaked, "\n\n"))
		}
	})
}

// LeakFree runs all tests of a package and returns their exit code, or 1 if they all passed and, by the
// measure of NoLeaks, goroutines of theirs are alive afterwards, which it tells of on standard error. It is
// for TestMain, and covers what NoLeaks cannot: tests that run in parallel, and examples.
//
//	func TestMain(m *testing.M) { os.Exit(quorumtest.LeakFree(m)) }
func LeakFree(m interface{ Run() int }) int { return leakFree(m, os.Stderr) }

func leakFree(m interface{ Run() int }, report io.Writer) int {
	before := goroutines()
	if code := m.Run(); code != 0 {
		return code // a test that was broken off is reason enough for what it left
	}
	leaked := settle(before)
	if len(leaked) == 0 {
		return 0
	}
	_, _ = fmt.Fprintf(report, "goroutines left behind by the tests:\n\n%s\n", strings.Join(leaked, "\n\n"))
	return 1
}

// settle waits until no origin has more goroutines than before, or returns those that stay.
func settle(before map[string][]string) []string {
	timeout := time.NewTimer(leakPatience)
	defer timeout.Stop()
	pause := time.NewTicker(5 * time.Millisecond)
	defer pause.Stop()
	for {
		leaked := extra(before, goroutines())
		if len(leaked) == 0 {
			return nil
		}
		select {
		case <-pause.C:
		case <-timeout.C:
			return leaked
		}
	}
}

// extra returns the stacks of the origins that have grown. All of an origin's are shown, since the
// old and the new cannot be told apart.
func extra(before, after map[string][]string) []string {
	var leaked []string
	for _, origin := range slices.Sorted(maps.Keys(after)) {
		if n := len(after[origin]) - len(before[origin]); n > 0 {
			leaked = append(leaked, fmt.Sprintf("%d more %s", n, origin))
			leaked = append(leaked, after[origin]...)
		}
	}
	return leaked
}

// goroutines returns the stacks of all goroutines that were made by a go statement outside of the
// test framework and the runtime, by the place of that statement.
func goroutines() map[string][]string {
	byOrigin := make(map[string][]string)
	for stack := range strings.SplitSeq(allStacks(), "\n\n") {
		if origin := createdBy(stack); origin != "" {
			byOrigin[origin] = append(byOrigin[origin], stack)
		}
	}
	return byOrigin
}

func allStacks() string {
	for size := 1 << 16; ; size *= 2 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, true); n < size {
			return string(buf[:n])
		}
	}
}

// notOurs start goroutines that outlive tests by design.
var notOurs = []string{"testing.", "runtime.", "os/signal.", "internal/", "testing/"}

// createdBy returns the line of the go statement behind a goroutine's stack, and "" for those that
// are nobody's leak.
func createdBy(stack string) string {
	_, creator, found := strings.Cut(stack, "created by ")
	if !found { // the main goroutine
		return ""
	}
	for _, prefix := range notOurs {
		if strings.HasPrefix(creator, prefix) {
			return ""
		}
	}
	function, place, _ := strings.Cut(creator, "\n")
	function, _, _ = strings.Cut(function, " in goroutine ")
	place, _, _ = strings.Cut(strings.TrimSpace(place), " +0x")
	return fmt.Sprintf("created by %s at %s", function, place)
}
