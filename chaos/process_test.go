package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// processLoads are what the clients of the tests do in processes of their own, by scenario.
func processLoads() map[string]Load {
	return map[string]Load{
		"mixed": {Work: Contend(allManners())},
		"crash": {Work: func(context.Context, *Client) { panic("the client crashes") }},
		"leave": {Work: func(context.Context, *Client) { os.Exit(0) }}, //nolint:revive // it is what is tested
		"cut": {Work: func(context.Context, *Client) {
			_, _ = os.Stdout.WriteString(`{"at":1,"kind":"acq`)
			os.Exit(0) //nolint:revive // it is what is tested
		}},
	}
}

// allManners is a bit of everything that clients do.
func allManners() Manner {
	return Manner{Wait: 0.5, Hurry: 0.1, Renew: 0.1, Whole: 0.15, Extend: 0.1, Abandon: 0.03}
}

// needsServers skips a test where Redis is merely not installed.
func needsServers(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil && os.Getenv("CI") != "true" {
		t.Skipf("this test needs redis-server (apt install redis-server, brew install redis): %v", err)
	}
}

// needsOneTimeLine skips a test where clients cannot be processes.
func needsOneTimeLine(t *testing.T) {
	t.Helper()
	needsServers(t)
	if errNoTimeLine != nil {
		t.Skip(errNoTimeLine)
	}
}

// onProcesses is what can be judged on real servers: they do not tell of changes.
func onProcesses(b Bounds) []Invariant {
	return slices.DeleteFunc(Default(b), func(i Invariant) bool { return i.Name == OwnerOnly.Name })
}

// mixed is a scenario with a bit of everything that happens to real servers.
func mixed(seed uint64, d time.Duration) Scenario {
	s := Scenario{
		Name:  "mixed",
		About: "real servers die, stand still and are cut off, a minority at a time, and clients stand still",
		Nodes: 5,
		Load:  Load{Clients: 4, Locks: []string{"a", "b"}, TTL: time.Second, Work: Contend(allManners())},
		For:   d,
		Holds: onProcesses(Bounds{Nodes: 5, Lifetime: time.Second, Late: 2 * time.Second}),
		Least: Coverage{Acquired: 1},
	}
	s.Schedule = ProcessFaults(seed, s)
	return s
}

// playWell runs the scenario and wants it to hold.
func playWell(t *testing.T, s Scenario, cluster Cluster, seed uint64) (Report, History) {
	t.Helper()
	report, h, err := Run(t.Context(), s, cluster, Settings{Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := report.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", text.String())
	if !report.OK() {
		t.Errorf("the run of seed %d did not hold", seed)
	}
	return report, h
}

// wantEveryFault wants that each planned fault has begun and ended on each victim.
func wantEveryFault(t *testing.T, s Scenario, h History) {
	t.Helper()
	for _, kind := range []Kind{FaultBegan, FaultEnded} {
		got, want := make(map[FaultKind]int), make(map[FaultKind]int)
		for _, f := range s.Schedule {
			want[f.Kind] += max(len(f.Nodes), 1) * max(len(f.Clients), 1)
		}
		for _, e := range h {
			if e.Kind == kind {
				got[e.Fault]++
			}
		}
		for fault, n := range want {
			if got[fault] != n {
				t.Errorf("%s of %s: %d, want %d", kind, fault, got[fault], n)
			}
		}
	}
}

// wantTokens wants that every lease has told its token, which the judges have looked at then.
func wantTokens(t *testing.T, r Report) {
	t.Helper()
	if r.Covered.Numbered != r.Covered.Acquired || r.Covered.Acquired == 0 {
		t.Errorf("%d of %d leases have a token", r.Covered.Numbered, r.Covered.Acquired)
	}
	if !slices.ContainsFunc(r.Verdicts, func(v Verdict) bool { return v.Invariant == TokenOrder.Name }) {
		t.Error("nobody has judged the order of tokens")
	}
	t.Logf("%d leases with a token, %d levelled", r.Covered.Numbered, r.Covered.Levelled)
}

func TestSeparateProcesses(t *testing.T) {
	needsOneTimeLine(t)
	const seed = 1
	s := mixed(seed, 3*time.Second)
	cluster := NewSeparateProcesses(seed)
	r, h := playWell(t, s, cluster, seed)
	wantEveryFault(t, s, h)
	wantTokens(t, r)
	for client := range s.Load.Clients {
		if !slices.ContainsFunc(h, func(e Event) bool { return e.Kind == Acquired && e.Client == ClientName(client) }) {
			t.Logf("%s acquired nothing", ClientName(client))
		}
		if cluster.children[client].cmd.ProcessState == nil {
			t.Errorf("the process of %s was not waited for", ClientName(client))
		}
	}
	for _, n := range cluster.nodes {
		if n.server.Alive() {
			t.Errorf("server %s is alive", n.name)
		}
	}
}

func TestClientsOfThisProcess(t *testing.T) {
	needsServers(t)
	const seed = 2
	s := mixed(seed, 2*time.Second)
	r, h := playWell(t, s, NewProcesses(seed), seed)
	wantEveryFault(t, s, h)
	wantTokens(t, r)
}

// Judges of real servers see what they have to: a majority that forgets breaks the lock.
func TestServersThatForgetAreCaught(t *testing.T) {
	needsServers(t)
	s := mixed(0, 3*time.Second)
	s.Name, s.About = "forgetful", "a majority forgets a lock the moment it was acquired"
	s.Calm = time.Second
	s.Load.Locks, s.Load.Work = []string{"a"}, Contend(Manner{Hold: time.Second, Rest: 10 * time.Millisecond})
	s.Breaks, s.Holds = []Invariant{MutualExclusion}, []Invariant{WellFormed}
	s.Schedule = nil
	for at := range 5 {
		s.Schedule = append(s.Schedule, Fault{
			Kind: Wipe, At: time.Duration(at) * s.For / 5, On: Acquired, Nodes: []int{0, 1, 2},
		})
	}
	playWell(t, s, NewProcesses(3), 3)
}

func TestWhatProcessesCannotDo(t *testing.T) {
	for _, kind := range []FaultKind{ClockRate, ClockStep, ClientRate, SuspendClient, Duplicate} {
		t.Run(string(kind), func(t *testing.T) {
			f := Fault{Kind: kind, Nodes: []int{0}, Clients: []int{0}, Amount: 1.1, For: time.Second}
			if _, err := NewProcesses(1).Inject(t.Context(), f); !errors.Is(err, ErrCannot) {
				t.Errorf("Inject: %v, want ErrCannot", err)
			}
			s := mixed(1, time.Second)
			s.Schedule = Schedule{f}
			if _, _, err := Run(t.Context(), s, NewSeparateProcesses(1), Settings{}); !errors.Is(err, ErrCannot) {
				t.Errorf("Run: %v, want ErrCannot, before anything is started", err)
			}
		})
	}
}

// A client that is gone before its time would look like one that has nothing to do.
func TestClientsThatEndTooEarly(t *testing.T) {
	needsOneTimeLine(t)
	for name, want := range map[string]string{
		"crash":   "the client crashes",
		"leave":   "it ended in the middle of its work",
		"cut":     "its last event is cut off",
		"unknown": "no load for scenario",
	} {
		t.Run(name, func(t *testing.T) {
			s := mixed(1, 500*time.Millisecond)
			s.Name, s.Nodes, s.Schedule, s.Calm = name, 1, nil, time.Millisecond
			_, _, err := Run(t.Context(), s, NewSeparateProcesses(1), Settings{})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Run: %v, want an error with %q", err, want)
			}
		})
	}
}

func TestACommandThatIsNotThere(t *testing.T) {
	needsOneTimeLine(t)
	s := mixed(1, 100*time.Millisecond)
	s.Nodes, s.Calm = 1, time.Millisecond
	s.Schedule = Schedule{{Kind: StopClient, Clients: []int{0}, For: time.Millisecond}}
	_, _, err := Run(t.Context(), s, NewSeparateProcesses(1, "/nowhere/at/all"), Settings{})
	if err == nil || !strings.Contains(err.Error(), "starting c1") {
		t.Errorf("Run: %v, want an error of the start", err)
	}
}

// startProcesses starts nodes for one client, outside of a run.
func startProcesses(t *testing.T) (*Processes, *Recorder) {
	t.Helper()
	needsServers(t)
	p := NewProcesses(1)
	r := NewRecorder(p.Now, nil)
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := p.Start(t.Context(), mixed(1, time.Second), r); err != nil {
		t.Fatal(err)
	}
	return p, r
}

func inject(t *testing.T, c Cluster, f Fault) (mend func()) {
	t.Helper()
	end, err := c.Inject(t.Context(), f)
	if err != nil {
		t.Fatalf("%v: %v", f, err)
	}
	return func() {
		t.Helper()
		if err := end(); err != nil {
			t.Errorf("the end of %v: %v", f, err)
		}
	}
}

// through is the way of the first client to the first node.
func through(t *testing.T, p *Processes) *redis.Client {
	t.Helper()
	m, err := p.Join(0, []int{0})
	if err != nil {
		t.Fatal(err)
	}
	m.Redis[0].MaxRetries, m.Redis[0].ContextTimeoutEnabled = -1, true
	c := redis.NewClient(m.Redis[0])
	t.Cleanup(func() { c.Close() })
	return c
}

// set tries for a moment.
func set(t *testing.T, c *redis.Client, key string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	return c.Set(ctx, key, "x", time.Minute).Err()
}

// found is what the servers keep.
func found(t *testing.T, p *Processes) []string {
	t.Helper()
	events, err := p.glance(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, e := range events {
		keys = append(keys, e.Name)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

func met(r *Recorder, kind FaultKind) bool {
	return slices.ContainsFunc(r.History(), func(e Event) bool { return e.Kind == FaultMet && e.Fault == kind })
}

// What a fault breaks is broken while it lasts, also if two of its kind overlap, and whole after it.
func TestFaultsOfProcesses(t *testing.T) {
	for _, kind := range []FaultKind{Kill, KillWiped, Pause, Stall, CutAsks, CutReply, Cut, DropReply} {
		t.Run(string(kind), func(t *testing.T) {
			p, r := startProcesses(t)
			c := through(t, p)
			if err := c.Set(t.Context(), "before", "x", 0).Err(); err != nil {
				t.Fatal(err)
			}
			f := Fault{Kind: kind, Nodes: []int{0}, For: time.Second}
			first, second := inject(t, p, f), inject(t, p, f)
			if set(t, c, "during") == nil {
				t.Error("nothing was broken")
			}
			first()
			if set(t, c, "overlap") == nil {
				t.Error("nothing was broken after the end of the first fault")
			}
			second()
			if err := c.Set(t.Context(), "after", "x", 0).Err(); err != nil {
				t.Errorf("it is still broken: %v", err)
			}
			if kind != KillWiped && !met(r, kind) {
				t.Error("nobody was told that it was met")
			}
			keys := found(t, p)
			if !slices.Contains(keys, "after") {
				t.Errorf("keys %q: want the last one", keys)
			}
			if remembers := slices.Contains(keys, "before"); remembers == (kind == KillWiped) {
				t.Errorf("keys %q: the first one is among them: %v", keys, remembers)
			}
		})
	}
}

func TestFaultsThatOnlySlowDown(t *testing.T) {
	for _, kind := range []FaultKind{Delay, SlowReply} {
		t.Run(string(kind), func(t *testing.T) {
			p, r := startProcesses(t)
			c := through(t, p)
			if err := c.Ping(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			const by = 20 * time.Millisecond
			mend := inject(t, p, Fault{Kind: kind, Nodes: []int{0}, By: by})
			start := time.Now()
			if err := c.Ping(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took < by {
				t.Errorf("it took %v, want at least %v", took, by)
			}
			mend()
			if !met(r, kind) {
				t.Error("nobody was told that it was met")
			}
		})
	}
}

func TestFaultsThatAreOverAtOnce(t *testing.T) {
	p, r := startProcesses(t)
	c := through(t, p)
	if err := c.Set(t.Context(), "before", "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	inject(t, p, Fault{Kind: Reset, Nodes: []int{0}})()
	if !met(r, Reset) {
		t.Error("the open connection was not reset")
	}
	if got := found(t, p); !slices.Equal(got, []string{"before"}) {
		t.Errorf("keys %q after a reset", got)
	}
	inject(t, p, Fault{Kind: Wipe, Nodes: []int{0}})()
	if got := found(t, p); len(got) > 0 {
		t.Errorf("keys %q after a wipe", got)
	}
}

// A server that is killed while it stands still comes back, and stands still if the pause is not over.
func TestFaultsOfSeveralKindsOverlap(t *testing.T) {
	p, _ := startProcesses(t)
	c := through(t, p)
	if err := c.Set(t.Context(), "before", "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	of := func(kind FaultKind) Fault { return Fault{Kind: kind, Nodes: []int{0}} }
	resume := inject(t, p, of(Pause))
	inject(t, p, of(Wipe))()
	revive := inject(t, p, of(Kill))
	revive()
	if set(t, c, "during") == nil {
		t.Error("the server answers before its pause is over")
	}
	resume()
	if got := found(t, p); slices.Contains(got, "before") {
		t.Errorf("keys %q: the server was to forget what was before", got)
	}
}

// A server that cannot be looked at could hide an orphan.
func TestLookNeedsEveryServer(t *testing.T) {
	p, _ := startProcesses(t)
	mend := inject(t, p, Fault{Kind: Kill, Nodes: []int{4}})
	defer mend()
	if err := p.Look(t.Context()); err == nil || !strings.Contains(err.Error(), "n5") {
		t.Errorf("Look: %v, want an error of n5", err)
	}
}

// A look tells of what is still there after a TTL, and of nothing that runs out until then.
func TestLookTellsWhatStays(t *testing.T) {
	p, r := startProcesses(t)
	c := through(t, p)
	for key, ttl := range map[string]time.Duration{
		"brief": 500 * time.Millisecond, "long": time.Minute, "endless": 0, "redlock:record": 0,
	} {
		if err := c.Set(t.Context(), key, "mine", ttl).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]bool)
	for _, e := range r.History() {
		if e.Kind != Found {
			continue
		}
		if e.Value != "mine" || e.Node != "n1" || (e.Remaining < 0) != (e.Name == "endless") {
			t.Errorf("found %+v", e)
		}
		got[e.Name] = true
	}
	if len(got) != 2 || !got["long"] || !got["endless"] {
		t.Errorf("found %v, want the key that lives long and the one without a TTL", got)
	}
}

// stops is a scenario in which the only client is stopped twice at once.
func stops() Scenario {
	s := mixed(1, 2*time.Second)
	s.Load.Clients, s.Nodes, s.Calm = 1, 1, time.Second
	s.Holds = []Invariant{WellFormed}
	s.Schedule = Schedule{
		{Kind: StopClient, On: Acquired, Clients: []int{0}, For: 600 * time.Millisecond},
		{Kind: StopClient, On: Acquired, Clients: []int{0}, For: 300 * time.Millisecond},
	}
	return s
}

func TestStoppedClientOfThisProcess(t *testing.T) {
	needsServers(t)
	_, h := playWell(t, stops(), NewProcesses(1), 1)
	wantEveryFault(t, stops(), h)
}

// A process that is stopped writes nothing until it goes on.
func TestStoppedProcessesStandStill(t *testing.T) {
	needsOneTimeLine(t)
	cluster := &timedStops{SeparateProcesses: NewSeparateProcesses(1)}
	_, h := playWell(t, stops(), cluster, 1)
	wantEveryFault(t, stops(), h)
	if len(cluster.stops) != 2 {
		t.Fatalf("%d stops, want 2", len(cluster.stops))
	}
	for _, stop := range cluster.stops {
		for _, e := range h {
			if e.Client != "" && e.Fault == "" && stop.from < e.At && e.At < stop.to {
				t.Errorf("%s of %s at %v, but it stood still from %v to %v", e.Kind, e.Client, e.At, stop.from, stop.to)
			}
		}
	}
}

// timedStops notes from when to when a fault was surely there.
type timedStops struct {
	*SeparateProcesses

	mu    sync.Mutex
	stops []pause
}

func (c *timedStops) Inject(ctx context.Context, f Fault) (mend func() error, err error) {
	end, err := c.SeparateProcesses.Inject(ctx, f)
	from := c.Now()
	return func() error {
		c.mu.Lock()
		c.stops = append(c.stops, pause{from: from, to: c.Now()})
		c.mu.Unlock()
		return end()
	}, err
}

func TestProcessFaultsLeaveAMajority(t *testing.T) {
	for seed := range uint64(50) {
		s := mixed(seed, time.Minute)
		if other := ProcessFaults(seed, s); !slices.EqualFunc(s.Schedule, other, func(a, b Fault) bool { return a.String() == b.String() }) {
			t.Fatalf("seed %d gives two schedules", seed)
		}
		if err := s.orDefault().validate(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		var sick Fault
		for _, f := range s.Schedule {
			if kinds[f.Kind] != nodes && len(f.Clients) > 0 {
				continue
			}
			if len(f.Nodes) > 2 || f.At < sick.At+sick.For {
				t.Errorf("seed %d: %q and %q take more than a minority", seed, sick, f)
			}
			sick = f
		}
	}
}

// TestProveProcesses is the long run: five real servers, four client processes, a bit of everything.
func TestProveProcesses(t *testing.T) {
	if os.Getenv("REDLOCK_PROVE") == "" {
		t.Skip("takes 10 minutes: make prove")
	}
	needsOneTimeLine(t)
	seed, d := proveSettings(t)
	s := mixed(seed, d)
	s.Holds = onProcesses(Bounds{Nodes: 5, Lifetime: s.Load.TTL, Late: 2 * time.Second, Idle: 5 * time.Second})
	s.Calm = 30 * time.Second
	s.Least = Coverage{Acquired: int(d / time.Second), Contended: int(d / (2 * time.Second)), Faults: make(map[FaultKind]int)}
	for _, f := range s.Schedule {
		s.Least.Faults[f.Kind] = 1
	}
	_, h := playWell(t, s, NewSeparateProcesses(seed), seed)
	wantEveryFault(t, s, h)
	wantEveryClientServed(t, s, h)
	t.Logf("%d CPUs, %d planned faults, %d events", runtime.NumCPU(), len(s.Schedule), len(h))
	if path := os.Getenv("REDLOCK_HISTORY"); path != "" {
		writeHistory(t, path, h)
	}
}

// wantEveryClientServed wants that each client gets locks once the faults are over: a fleet that serves others is
// of no use to a client that cannot reach it any more.
func wantEveryClientServed(t *testing.T, s Scenario, h History) {
	t.Helper()
	healed, _ := healing(h)
	for client := range s.Load.Clients {
		var acquired, refused int
		var last string
		for _, e := range h {
			switch {
			case e.At < healed || e.Client != ClientName(client):
			case e.Kind == Acquired:
				acquired++
			case e.Kind == Refused:
				refused, last = refused+1, e.Err
			}
		}
		if acquired == 0 {
			t.Errorf("%s got nothing in a healthy fleet, and was refused %d times, the last time with: %s",
				ClientName(client), refused, last)
		}
	}
}

// proveSettings reads REDLOCK_FOR, and the first seed of REDLOCK_SEEDS.
func proveSettings(t *testing.T) (seed uint64, d time.Duration) {
	t.Helper()
	seed, d = 42, 10*time.Minute
	if text := os.Getenv("REDLOCK_SEEDS"); text != "" {
		if _, err := fmt.Sscan(text, &seed); err != nil {
			t.Fatalf("REDLOCK_SEEDS: %v", err)
		}
	}
	if text := os.Getenv("REDLOCK_FOR"); text != "" {
		var err error
		if d, err = time.ParseDuration(text); err != nil {
			t.Fatalf("REDLOCK_FOR: %v", err)
		}
	}
	return seed, d
}

func writeHistory(t *testing.T, path string, h History) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := h.WriteTo(file); err != nil {
		t.Fatal(err)
	}
}
