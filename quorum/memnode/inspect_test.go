package memnode_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/memnode"
)

func TestAuditSeesEveryChangeAndNothingElse(t *testing.T) {
	var log []string
	clk := clock.Process()
	node := memnode.New("mem-1", clk, memnode.WithAudit(func(c memnode.Change) {
		kept := "for a while"
		if c.Kept == 0 {
			kept = "no more"
		}
		log = append(log, fmt.Sprintf("%v %s: had %q, kept %s", c.Op.Kind, c.Op.Key, c.Before, kept))
	}))
	defer node.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	ops := []quorum.Op{
		op(quorum.Inspect), op(quorum.Extend), op(quorum.Acquire), op(quorum.Release),
		{Kind: quorum.Acquire, Key: "k", Value: "mine", TTL: time.Hour},
		{Kind: quorum.Extend, Key: "k", Value: "mine", TTL: time.Minute}, // no longer: no change
		{Kind: quorum.Extend, Key: "k", Value: "theirs", TTL: 2 * time.Hour},
		{Kind: quorum.Release, Key: "k", Value: "mine"},
	}
	ops[3].TTL = time.Second
	node.Ask(ctx, ops)
	node.Put("other", "planted", 0)
	node.Wipe()

	want := []string{
		`acquire k: had "", kept for a while`,
		`release k: had "mine", kept for a while`,
		`acquire k: had "mine", kept for a while`,
		`release k: had "mine", kept no more`,
		`unknown other: had "", kept for a while`,
		`unknown other: had "planted", kept no more`,
	}
	if !slices.Equal(log, want) {
		t.Errorf("changes:\n%q\nwant:\n%q", log, want)
	}
}

func TestKeysAreSortedAndSeeThroughFaults(t *testing.T) {
	in(t, func(b *bench) {
		b.Put("b", "2", 0)
		b.Put("a", "1", time.Minute)
		b.Put("c", "3", time.Second)
		b.Cut()
		b.wait(time.Second)
		want := []memnode.Held{
			{Key: "a", Value: "1", Remaining: 59 * time.Second},
			{Key: "b", Value: "2", Remaining: quorum.NoExpiry},
		}
		if got := b.Keys(); !slices.Equal(got, want) {
			b.Errorf("keys = %v, want %v", got, want)
		}
	})
}

// Keys that nobody asks for again must not pile up: their number after many short leases is what a
// few sweeps leave, not what was ever stored.
func TestDeadKeysAreThrownOut(t *testing.T) {
	in(t, func(b *bench) {
		for i := range 10_000 {
			o := quorum.Op{Kind: quorum.Acquire, Key: fmt.Sprint(i), Value: "v", TTL: time.Millisecond}
			b.want(quorum.Mine, o)
			if i%100 == 0 {
				b.wait(time.Millisecond)
			}
		}
		if got := b.Stored(); got > 500 {
			b.Errorf("%d entries are stored, of which at most 100 are alive", got)
		}
	})
}

func TestClusterNamesItsNodes(t *testing.T) {
	var names []string
	for _, node := range memnode.Cluster(3, clock.Process()) {
		names = append(names, node.Name())
		t.Cleanup(func() { node.Close() })
	}
	if want := []string{"mem-1", "mem-2", "mem-3"}; !slices.Equal(names, want) {
		t.Errorf("names = %q, want %q", names, want)
	}
}
