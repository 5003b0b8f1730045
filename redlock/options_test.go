package redlock_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/memnode"
	"github.com/quorumlock/quorumlock/redlock"
	"github.com/redis/go-redis/v9"
)

func someNodes(n int, names ...string) []quorum.Node {
	clk := clock.Process()
	nodes := make([]quorum.Node, n)
	for i := range nodes {
		name := string(rune('a' + i))
		if i < len(names) {
			name = names[i]
		}
		nodes[i] = memnode.New(name, clk)
	}
	return nodes
}

// wantRules checks that err is one *ConfigError that names every value and rule.
func wantRules(t *testing.T, err error, rules ...string) {
	t.Helper()
	if _, ok := errors.AsType[*redlock.ConfigError](err); !ok {
		t.Fatalf("error %v, want a *ConfigError", err)
	}
	for _, rule := range rules {
		if !strings.Contains(err.Error(), rule) {
			t.Errorf("error %q does not say %q", err, rule)
		}
	}
}

func TestALockerRejectsWhatBreaksARule(t *testing.T) {
	tests := map[string]struct {
		nodes []quorum.Node
		opts  []redlock.Option
		rules []string
	}{
		"no nodes":            {nil, nil, []string{"no nodes"}},
		"a nil node":          {[]quorum.Node{nil}, nil, []string{"node 1 of 1 is nil"}},
		"an even number":      {someNodes(4), nil, []string{"4 nodes", "WithEvenNodes"}},
		"a node twice":        {someNodes(3, "x", "x"), nil, []string{"node x is listed twice"}},
		"too few votes":       {someNodes(5), []redlock.Option{redlock.WithVotes(2)}, []string{"2 votes", "majority, 3"}},
		"too many votes":      {someNodes(5), []redlock.Option{redlock.WithVotes(6)}, []string{"6 votes", "all 5"}},
		"a TTL too short":     {someNodes(1), []redlock.Option{redlock.WithTTL(9 * time.Millisecond)}, []string{"TTL 9ms is under 10ms"}},
		"a TTL too long":      {someNodes(1), []redlock.Option{redlock.WithTTL(31 * time.Second)}, []string{"TTL 31s", "MaxTTL 30s"}},
		"TTL and grace":       {someNodes(1), []redlock.Option{redlock.WithGrace(21 * time.Second)}, []string{"plus grace 21s is over MaxTTL 30s"}},
		"a huge grace":        {someNodes(1), []redlock.Option{redlock.WithGrace(math.MaxInt64)}, []string{"over MaxTTL"}},
		"a negative grace":    {someNodes(1), []redlock.Option{redlock.WithGrace(-1)}, []string{"grace -1ns is negative"}},
		"a drift of one":      {someNodes(1), []redlock.Option{redlock.WithDrift(1, 0)}, []string{"drift rate 1 "}},
		"a drift of NaN":      {someNodes(1), []redlock.Option{redlock.WithDrift(math.NaN(), 0)}, []string{"drift rate NaN"}},
		"a negative step":     {someNodes(1), []redlock.Option{redlock.WithDrift(0, -time.Second)}, []string{"drift step -1s"}},
		"all validity wanted": {someNodes(1), []redlock.Option{redlock.WithMinValidity(10 * time.Second)}, []string{"MinValidity 10s", "9.898s"}},
		"a long minimal hold": {someNodes(1), []redlock.Option{redlock.WithMinHold(time.Minute)}, []string{"MinHold 1m0s", "MaxTTL 30s"}},
		"holds that contradict": {
			someNodes(1),
			[]redlock.Option{redlock.WithMinHold(9 * time.Second), redlock.WithMaxHold(8 * time.Second)},
			[]string{"MaxHold 8s is under MinHold 9s"},
		},
		"a MaxHold that no lease could use": {someNodes(1), []redlock.Option{redlock.WithMaxHold(1)}, []string{"MaxHold 1ns is under MinValidity 5s"}},
		"a reserved namespace":              {someNodes(1), []redlock.Option{redlock.WithNamespace("redlock")}, []string{`namespace "redlock"`, "reserved"}},
		"a long label":                      {someNodes(1), []redlock.Option{redlock.WithHolder(strings.Repeat("x", 129))}, []string{"129 bytes is over 128"}},
		"a label's bytes":                   {someNodes(1), []redlock.Option{redlock.WithHolder("a\nb")}, []string{`"a\nb"`, "control character"}},
		"a long namespace": {
			someNodes(1),
			[]redlock.Option{redlock.WithNamespace(strings.Repeat("x", 300))},
			[]string{"namespace of 300 bytes is over 256"},
		},
		"several at once": {
			someNodes(2),
			[]redlock.Option{redlock.WithTTL(0), redlock.WithVotes(9), redlock.WithMaxHold(-1)},
			[]string{"2 nodes", "TTL 0s", "9 votes", "MaxHold -1ns"},
		},
		"a MaxTTL under the least TTL": {someNodes(1), []redlock.Option{redlock.WithMaxTTL(time.Millisecond)}, []string{"MaxTTL 1ms is under 10ms"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := redlock.NewWithNodes(tc.nodes, tc.opts...)
			wantRules(t, err, tc.rules...)
		})
	}
}

func TestALockerAcceptsTheEdges(t *testing.T) {
	tests := map[string]struct {
		nodes int
		opts  []redlock.Option
	}{
		"one node":              {1, nil},
		"two nodes, if allowed": {2, []redlock.Option{redlock.WithEvenNodes()}},
		"the shortest TTL":      {3, []redlock.Option{redlock.WithTTL(redlock.MinTTL)}},
		"the longest TTL":       {3, []redlock.Option{redlock.WithTTL(redlock.DefaultMaxTTL)}},
		"a TTL over the default bound, if that is raised": {3, []redlock.Option{redlock.WithTTL(time.Hour), redlock.WithMaxTTL(time.Hour)}},
		"votes of all":     {5, []redlock.Option{redlock.WithVotes(5)}},
		"an option of nil": {1, []redlock.Option{nil}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			l, err := redlock.NewWithNodes(someNodes(tc.nodes), tc.opts...)
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestACallRejectsWhatBreaksARule(t *testing.T) {
	l, err := redlock.NewWithNodes(someNodes(3), redlock.WithNamespace("app"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	tests := map[string]struct {
		name  string
		opts  []redlock.AcquireOption
		rules []string
	}{
		"an empty name":  {"", nil, []string{"the name is empty"}},
		"a long name":    {strings.Repeat("x", 509), nil, []string{"of 513 bytes is over 512"}},
		"a TTL too long": {"x", []redlock.AcquireOption{redlock.WithTTL(time.Minute)}, []string{"TTL 1m0s"}},
		"several":        {"", []redlock.AcquireOption{redlock.WithGrace(-1), nil}, []string{"empty", "grace -1ns"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := l.TryAcquire(t.Context(), tc.name, tc.opts...)
			wantRules(t, err, tc.rules...)
			_, err = l.Acquire(t.Context(), tc.name, tc.opts...)
			wantRules(t, err, tc.rules...)
		})
	}
	if lease, err := l.TryAcquire(t.Context(), strings.Repeat("x", 508)); err != nil {
		t.Errorf("a key of exactly 512 bytes: %v", err)
	} else if err := lease.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestTheReservedPrefixIsRefused(t *testing.T) {
	l, err := redlock.NewWithNodes(someNodes(1))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = l.TryAcquire(t.Context(), "redlock:x")
	wantRules(t, err, `"redlock:x" begins with "redlock:", which is reserved`)
}

func TestContextsAreChecked(t *testing.T) {
	l, err := redlock.NewWithNodes(someNodes(1))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	over, cancel := context.WithCancelCause(t.Context())
	why := errors.New("user left")
	cancel(why)
	calls := map[string]func(ctx context.Context) error{
		"TryAcquire": func(ctx context.Context) error { _, err := l.TryAcquire(ctx, "x"); return err },
		"Acquire":    func(ctx context.Context) error { _, err := l.Acquire(ctx, "x"); return err },
		"Status":     func(ctx context.Context) error { _, err := l.Status(ctx, "x"); return err },
		"Resume":     func(ctx context.Context) error { _, err := l.Resume(ctx, "AgABeHk"); return err },
		"Do": func(ctx context.Context) error {
			return l.Do(ctx, "x", func(context.Context, *redlock.Lease) error { t.Error("fn ran"); return nil })
		},
		"Open": func(ctx context.Context) error {
			_, err := redlock.Open(ctx, []string{"redis://127.0.0.1:1"})
			return err
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			wantRules(t, call(nil), "ctx is nil")
			wantIs(t, "with an ended ctx", call(over), context.Canceled)
		})
	}
	if err := l.Do(t.Context(), "x", nil); err == nil {
		t.Error("Do without fn returned nil")
	}
}

func TestOpenRejectsURLsWithoutTellingPasswords(t *testing.T) {
	tests := map[string][]string{
		"another scheme":  {"http://user:hunter2@127.0.0.1"},
		"not a URL":       {"redis://user:hunter2@[::1"},
		"a bad database":  {"redis://user:hunter2@127.0.0.1/abc"},
		"a bad parameter": {"redis://user:hunter2@127.0.0.1?nonsense=1"},
		"a bad port":      {"redis://user:hunter2@127.0.0.1:port"},
		"one of several":  {"redis://127.0.0.1:1", "redis://127.0.0.1:2", "://user:hunter2@"},
		"the same twice":  {"redis://a:hunter2@127.0.0.1:1", "redis://b:hunter2@127.0.0.1:1", "redis://127.0.0.1:2"},
	}
	for name, urls := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := redlock.Open(t.Context(), urls)
			wantRules(t, err)
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error tells the password: %v", err)
			}
		})
	}
}

func TestOpenSucceedsWithAllNodesDown(t *testing.T) {
	l, err := redlock.Open(t.Context(), []string{"redis://127.0.0.1:1", "redis://127.0.0.1:2", "redis://127.0.0.1:3"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = l.TryAcquire(t.Context(), "x")
	wantIs(t, "TryAcquire", err, redlock.ErrNoQuorum)
}

func TestNewRejectsNilOptions(t *testing.T) {
	_, err := redlock.New([]*redis.Options{nil, {Addr: "127.0.0.1:1"}, {Addr: "127.0.0.1:2"}})
	wantRules(t, err, "node 1 of 3")
}
