package quorumtest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
)

// Skipf and Fatal end a fake test by a panic that names the way out.
func (f *fakeT) Skipf(format string, args ...any) { panic("skipped: " + fmt.Sprintf(format, args...)) }
func (f *fakeT) Fatal(args ...any)                { panic("failed: " + fmt.Sprint(args...)) }

func TestWithoutRedisTestsAreSkippedButFailInCI(t *testing.T) {
	for ci, want := range map[string]string{"": "skipped: ", "false": "skipped: ", "true": "failed: "} {
		t.Run("CI="+ci, func(t *testing.T) {
			t.Setenv("PATH", t.TempDir())
			t.Setenv("CI", ci)
			defer func() {
				if got := fmt.Sprint(recover()); !strings.HasPrefix(got, want) || !strings.Contains(got, "redis-server") {
					t.Errorf("the test ended by %q, want %q and what is missing", got, want)
				}
			}()
			quorumtest.RedisServer(&fakeT{TB: t})
		})
	}
}

func TestServersLiveAsLongAsTheTest(t *testing.T) {
	quorumtest.NoLeaks(t)
	f := &fakeT{TB: t}
	defer func() {
		if why := recover(); why != nil {
			t.Skip(why)
		}
	}()
	fleet := quorumtest.Fleet(f, 2)
	for _, s := range fleet {
		if !s.Alive() {
			t.Errorf("server %s is not alive", s.Addr())
		}
	}
	f.end()
	for _, s := range fleet {
		if s.Alive() {
			t.Errorf("server %s outlives its test", s.Addr())
		}
	}
}
