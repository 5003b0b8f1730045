package redlock_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/quorum/quorumtest/faultproxy"
	"github.com/quorumlock/quorumlock/quorum/quorumtest/redisserver"
)

// What a storm does to nodes.
const (
	paused = "paused"
	killed = "killed"
	cutOff = "cut off from some processes"
)

// A storm makes trouble for a minority of nodes at a time, as a seed has it.
type storm struct {
	lab  *lab
	ways [][]*faultproxy.Proxy // by process, and by node
	dice *rand.Rand
	made map[string]int
}

// blow makes trouble until ctx ends, of each kind once at least, and leaves all nodes well.
func (s *storm) blow(ctx context.Context) error {
	for turn := 0; turn < 3 || ctx.Err() == nil; {
		var ends []func() error
		for _, node := range s.dice.Perm(5)[:1+s.dice.IntN(2)] {
			kind := []string{paused, killed, cutOff}[turn%3]
			turn++
			end, err := s.begin(kind, node)
			if err != nil {
				return err
			}
			s.made[kind]++
			ends = append(ends, end)
		}
		<-time.After(time.Duration(20+s.dice.IntN(200)) * time.Millisecond)
		for _, end := range ends {
			if err := end(); err != nil {
				return err
			}
		}
		<-time.After(time.Duration(s.dice.IntN(50)) * time.Millisecond)
	}
	return nil
}

// begin makes one trouble, and returns what ends it.
func (s *storm) begin(kind string, node int) (end func() error, err error) {
	server := s.lab.servers[node]
	switch kind {
	case paused:
		return server.Resume, server.Pause()
	case killed:
		return func() error { return server.Restart(context.Background()) }, server.Kill()
	}
	cut := slices.DeleteFunc(slices.Clone(s.ways), func([]*faultproxy.Proxy) bool { return s.dice.IntN(2) == 0 })
	for _, way := range cut {
		way[node].Hold(faultproxy.Both)
	}
	return func() error {
		for _, way := range cut {
			way[node].Heal()
		}
		return nil
	}, nil
}

// String says how often what was done. Call it once blow has returned.
func (s *storm) String() string {
	var words []string
	for _, kind := range slices.Sorted(maps.Keys(s.made)) {
		words = append(words, fmt.Sprintf("%d times %s", s.made[kind], kind))
	}
	return strings.Join(words, ", ")
}

// waysOf makes each of n processes a proxy of its own to each node.
func (l *lab) waysOf(n int) [][]*faultproxy.Proxy {
	l.t.Helper()
	ways := make([][]*faultproxy.Proxy, n)
	for i := range ways {
		for node, server := range l.servers {
			proxy, err := faultproxy.Start(server.Addr(), uint64(i*len(l.servers)+node)) //nolint:gosec // it is not negative
			must(l.t, err)
			l.t.Cleanup(func() { _ = proxy.Close() })
			ways[i] = append(ways[i], proxy)
		}
	}
	return ways
}

// Eight processes take one lock again and again while a minority of nodes is sick: each lease has a greater
// token than all before it. Where the clocks of the processes agree, the time alone sees to most of that; where
// they are wrong, only the nodes' counters do.
func TestProveTokensFollowTheOrderOfLeases(t *testing.T) {
	again(t)
	for name, off := range map[string][]time.Duration{
		"clocks that agree":     {0},
		"clocks that are wrong": {0, time.Hour, -time.Hour, -50 * 365 * 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) { tokensFollowLeases(t, off) })
	}
}

// tokensFollowLeases lets the processes' clocks be off by that, in turn.
func tokensFollowLeases(t *testing.T, off []time.Duration) {
	t.Helper()
	const processes, seed = 8, 6
	lab := newLab(t, 5, redisserver.WithPersistence())
	s := &storm{lab: lab, ways: lab.waysOf(processes), dice: rand.New(rand.NewPCG(seed, 0)), made: make(map[string]int)}
	var jobs []job
	for i, way := range s.ways {
		j := job{Kind: "take leases", Name: "one", TTL: 5 * time.Second, Off: off[i%len(off)]}
		for _, proxy := range way {
			j.Nodes = append(j.Nodes, "redis://"+proxy.Addr())
		}
		jobs = append(jobs, j)
	}
	c := newCrew(t, jobs)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	blown := make(chan error, 1)
	go func() { blown <- s.blow(ctx) }()
	var a account
	start := time.Now()
	for len(a.leases) < scaled(150, 10_000) {
		a.add(c.next())
	}
	took, made := time.Since(start), len(a.leases)
	stop()
	must(t, <-blown)
	c.dismiss(a.add)
	t.Logf("%d leases by %d processes in %v (seed %d); nodes were %v; %d attempts failed",
		made, processes, took.Round(time.Millisecond), seed, s, len(a.missed))
	a.judge(t)
	for _, kind := range []string{paused, killed, cutOff} {
		if s.made[kind] == 0 {
			t.Errorf("no node was %s: too little is shown", kind)
		}
	}
}

// An account is what a crew tells of its leases.
type account struct {
	leases             []report
	missed             []string
	acquired, levelled uint64
}

func (a *account) add(r report) {
	switch r.What {
	case leased:
		a.leases = append(a.leases, r)
	case missed:
		a.missed = append(a.missed, r.Err)
	case tallied:
		a.acquired += r.Acquired
		a.levelled += r.Levelled
	}
}

// judge demands that tokens increase. Of a lease that had ended before its time was noted, that time says
// nothing, so it counts for repeats alone.
func (a *account) judge(t *testing.T) {
	t.Helper()
	seen, holders := make(map[uint64]int), make(map[int]int)
	for _, r := range a.leases {
		seen[r.Token]++
		holders[r.Member]++
	}
	repeats := len(a.leases) - len(seen)
	inOrder := slices.DeleteFunc(slices.Clone(a.leases), func(r report) bool { return !r.Valid })
	slices.SortFunc(inOrder, func(x, y report) int { return int(x.Got.Sub(y.Got)) })
	backwards := 0
	for i := 1; i < len(inOrder); i++ {
		if before, after := inOrder[i-1], inOrder[i]; after.Token <= before.Token {
			backwards++
			t.Errorf("process %d was given token %d after process %d was given %d", after.Member, after.Token, before.Member, before.Token)
		}
	}
	t.Logf("tokens: %d repeats, %d not greater than that of the lease before, %d leases over before their time was noted",
		repeats, backwards, len(a.leases)-len(inOrder))
	t.Logf("%.2f %% of %d acquires took one round trip, while nodes were sick", share(a.acquired-a.levelled, a.acquired), a.acquired)
	switch {
	case repeats > 0 || seen[0] > 0:
		t.Errorf("%d repeats, %d leases without a token", repeats, seen[0])
	case len(inOrder) < len(a.leases)*9/10:
		t.Errorf("the order of %d of %d leases is known: too little is shown", len(inOrder), len(a.leases))
	case len(holders) < 8:
		t.Errorf("%d of 8 processes had leases: too little is shown", len(holders))
	case a.acquired != uint64(len(a.leases)):
		t.Errorf("%d leases were counted, and %d told of", a.acquired, len(a.leases))
	}
	if len(a.missed) > 0 {
		t.Logf("the first failed attempt: %s", a.missed[0])
	}
}
