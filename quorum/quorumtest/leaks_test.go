package quorumtest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
)

// A fakeT is a test that may fail without failing the one that watches it.
type fakeT struct {
	testing.TB
	cleanups []func()
	errors   []string
}

func (f *fakeT) Helper()           {}
func (f *fakeT) Cleanup(fn func()) { f.cleanups = append(f.cleanups, fn) }
func (f *fakeT) Errorf(format string, args ...any) {
	f.errors = append(f.errors, fmt.Sprintf(format, args...))
}

// end does what the framework does at the end of a test.
func (f *fakeT) end() {
	for _, cleanup := range slices.Backward(f.cleanups) {
		cleanup()
	}
}

func linger(until chan struct{}) { <-until }

func TestNoLeaks(t *testing.T) {
	tests := map[string]struct {
		test func(f *fakeT, until chan struct{})
		want string
	}{
		"nothing started":              {func(*fakeT, chan struct{}) {}, ""},
		"one left behind":              {func(_ *fakeT, until chan struct{}) { go linger(until) }, "1 more created by"},
		"two left behind by a loop":    {func(_ *fakeT, until chan struct{}) { lingerTwice(until) }, "2 more created by"},
		"one that ends a little later": {func(*fakeT, chan struct{}) { go func() { <-time.After(time.Second) }() }, ""},
		"one that ends by a later clean-up": {func(f *fakeT, _ chan struct{}) {
			stop := make(chan struct{})
			go linger(stop)
			f.Cleanup(func() { close(stop) })
		}, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			// In a bubble the check's patience takes no time.
			synctest.Test(t, func(t *testing.T) {
				f, until := &fakeT{TB: t}, make(chan struct{})
				defer close(until)
				quorumtest.NoLeaks(f)
				tc.test(f, until)
				f.end()
				if got := strings.Join(f.errors, "\n"); (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
					t.Errorf("the check said %q, want %q in it", got, tc.want)
				}
			})
		})
	}
}

func lingerTwice(until chan struct{}) {
	for range 2 {
		go linger(until)
	}
}

func TestNoLeaksForgivesWhatWasThereBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until := make(chan struct{})
		lingerTwice(until)
		f := &fakeT{TB: t}
		quorumtest.NoLeaks(f)
		close(until)
		f.end()
		if len(f.errors) > 0 {
			t.Errorf("the check said %q", f.errors)
		}
	})
}

// A fakeM is a package's tests.
type fakeM func() int

func (f fakeM) Run() int { return f() }

func TestLeakFree(t *testing.T) {
	tests := map[string]struct {
		run  func(until chan struct{}) int
		code int
		want string
	}{
		"nothing started":                {func(chan struct{}) int { return 0 }, 0, ""},
		"one left behind":                {func(until chan struct{}) int { go linger(until); return 0 }, 1, "1 more created by"},
		"two left behind by a loop":      {func(until chan struct{}) int { lingerTwice(until); return 0 }, 1, "quorumtest_test.lingerTwice at "},
		"one that ends a little later":   {func(chan struct{}) int { go func() { <-time.After(time.Second) }(); return 0 }, 0, ""},
		"tests that failed":              {func(chan struct{}) int { return 2 }, 2, ""},
		"tests that failed and left one": {func(until chan struct{}) int { go linger(until); return 2 }, 2, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				until := make(chan struct{})
				defer close(until)
				var report strings.Builder
				code := quorumtest.LeakFreeTelling(fakeM(func() int { return tc.run(until) }), &report)
				if got := report.String(); code != tc.code || (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
					t.Errorf("exit code %d, want %d; it said %q, want %q in it", code, tc.code, got, tc.want)
				}
			})
		})
	}
}
