package stampede_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/quorum/quorumtest/redisserver"
	"github.com/quorumlock/quorumlock/redlock"
	"github.com/quorumlock/quorumlock/redlock/stampede"
)

// herdVariable makes the test binary one process of a herd. It holds a spec.
const herdVariable = "STAMPEDE_HERD"

// A spec is what a member of a herd is told at its start.
type spec struct {
	Data  string
	Locks []string
}

// An order is one round: every caller asks for the same key.
type order struct {
	Key          string
	Callers      int
	Naive        bool
	Load         time.Duration
	TTL, LockTTL time.Duration
}

// A report is how a round went for one member.
type report struct {
	Failed []string
	Waits  []time.Duration
}

// runMember does what standard input says, line by line, until its end.
func runMember(text string) int {
	var s spec
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return 2
	}
	m := &member{
		client: redis.NewClient(&redis.Options{Addr: s.Data, PoolSize: 20}),
		source: redis.NewClient(&redis.Options{Addr: s.Data, DB: 1}),
	}
	urls := make([]string, len(s.Locks))
	for i, addr := range s.Locks {
		urls[i] = "redis://" + addr
	}
	locker, err := redlock.Open(context.Background(), urls)
	if err != nil {
		return 2
	}
	if m.cache, err = stampede.New[string](m.client, locker); err != nil {
		return 2
	}
	m.client.Ping(context.Background())
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var o order
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return 2
		}
		text, _ := json.Marshal(m.round(o))
		fmt.Println(string(text))
	}
	return 0
}

// A member is one process of a herd.
type member struct {
	client, source *redis.Client
	cache          *stampede.Cache[string]
}

func (m *member) round(o order) report {
	var (
		mu  sync.Mutex
		out report
	)
	herd(o.Callers, func(int) {
		began := time.Now()
		value, err := m.ask(o)
		waited := time.Since(began)
		mu.Lock()
		defer mu.Unlock()
		out.Waits = append(out.Waits, waited)
		if err != nil {
			out.Failed = append(out.Failed, err.Error())
		} else if value != "value of "+o.Key {
			out.Failed = append(out.Failed, fmt.Sprintf("a wrong value: %q", value))
		}
	})
	return out
}

func (m *member) ask(o order) (string, error) {
	load := func(ctx context.Context) (string, error) {
		m.source.Incr(ctx, "loads:"+o.Key)
		m.source.Set(ctx, "loader:"+o.Key, os.Getpid(), time.Hour)
		select {
		case <-time.After(o.Load):
			return "value of " + o.Key, nil
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
	if o.Naive {
		return naive{client: m.client, lockTTL: o.LockTTL, ttl: o.TTL}.get(context.Background(), o.Key, load)
	}
	entry, err := m.cache.GetOrLoad(context.Background(), o.Key,
		func(ctx context.Context, _ *stampede.Load) (string, error) { return load(ctx) },
		stampede.WithTTL(o.TTL), stampede.WithLockTTL(o.LockTTL))
	return entry.Value, err
}

// A pack is the members of a herd as the test sees them.
type pack struct {
	t       *testing.T
	members []*process
	data    *redisserver.Server
	locks   []*redisserver.Server
	client  *redis.Client // of the data
	source  *redis.Client // of what loaders count
}

// A process is one member.
type process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Scanner
}

func newPack(t *testing.T, processes int) *pack {
	t.Helper()
	servers := quorumtest.Fleet(t, 6)
	p := &pack{t: t, data: servers[0], locks: servers[1:]}
	p.client = redis.NewClient(&redis.Options{Addr: p.data.Addr()})
	p.source = redis.NewClient(&redis.Options{Addr: p.data.Addr(), DB: 1})
	t.Cleanup(func() { p.client.Close(); p.source.Close() })
	s := spec{Data: p.data.Addr()}
	for _, lock := range p.locks {
		s.Locks = append(s.Locks, lock.Addr())
	}
	text, err := json.Marshal(s)
	must(t, err)
	for range processes {
		p.members = append(p.members, p.start(string(text)))
	}
	for _, m := range p.members {
		if !m.lines.Scan() || m.lines.Text() != "ready" {
			t.Fatalf("a process did not start: %q", m.lines.Text())
		}
	}
	return p
}

// start runs one member, which ends with its standard input.
func (p *pack) start(text string) *process {
	p.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), herdVariable+"="+text)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	must(p.t, err)
	stdout, err := cmd.StdoutPipe()
	must(p.t, err)
	must(p.t, cmd.Start())
	p.t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 1<<20)
	return &process{cmd: cmd, stdin: stdin, lines: lines}
}

// begin tells every member to ask.
func (p *pack) begin(o order) {
	p.t.Helper()
	text, err := json.Marshal(o)
	must(p.t, err)
	for _, m := range p.members {
		_, err := m.stdin.Write(append(text, '\n'))
		must(p.t, err)
	}
}

// end collects what the members say. Those that were killed say nothing.
func (p *pack) end(dead ...int) report {
	p.t.Helper()
	var all report
	for _, m := range p.members {
		if slices.Contains(dead, m.cmd.Process.Pid) {
			continue
		}
		var r report
		if !m.lines.Scan() {
			p.t.Fatal("a process ended in the middle of its work")
		}
		must(p.t, json.Unmarshal(m.lines.Bytes(), &r))
		all.Failed, all.Waits = append(all.Failed, r.Failed...), append(all.Waits, r.Waits...)
	}
	slices.Sort(all.Waits)
	for _, failed := range all.Failed {
		p.t.Errorf("a caller failed: %s", failed)
	}
	return all
}

func (p *pack) round(o order) report {
	p.t.Helper()
	p.begin(o)
	return p.end()
}

func (p *pack) loads(key string) int {
	n, _ := strconv.Atoi(p.source.Get(context.Background(), "loads:"+key).Val())
	return n
}

// calls counts the commands that servers have run, those inside scripts and those of other names not.
func calls(t *testing.T, server *redisserver.Server, names ...string) (n int) {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer c.Close()
	for line := range strings.SplitSeq(c.Info(context.Background(), "commandstats").Val(), "\r\n") {
		name, rest, _ := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
		if slices.Contains(names, name) {
			count, _, _ := strings.Cut(rest, ",")
			k, err := strconv.Atoi(count)
			must(t, err)
			n += k
		}
	}
	return n
}

func (p *pack) lockCalls() (n int) {
	for _, lock := range p.locks {
		n += calls(p.t, lock, "evalsha", "eval")
	}
	return n
}

// tidy fails the test if the data node has a key without end, or something that waits for nobody.
func (p *pack) tidy() {
	p.t.Helper()
	for _, key := range p.client.Keys(context.Background(), "*").Val() {
		if p.client.PTTL(context.Background(), key).Val() == -1 {
			p.t.Errorf("key %q has no TTL", key)
		}
	}
}

const (
	processes = 10
	callers   = 10
)

func TestHerdOfProcesses(t *testing.T) {
	p := newPack(t, processes)
	t.Run("a cold key is loaded once", func(t *testing.T) {
		for i := range scaled(5, 50) {
			o := order{Key: fmt.Sprint("cold", i), Callers: callers, Load: 50 * time.Millisecond, TTL: time.Minute, LockTTL: 5 * time.Second}
			p.round(o)
			if n := p.loads(o.Key); n != 1 {
				t.Errorf("round %d: %d loads, want 1", i, n)
			}
		}
	})
	t.Run("by a loader that is slower than the lock lives", func(t *testing.T) {
		o := order{Key: "slow", Callers: callers, Load: 2 * time.Second, TTL: time.Minute, LockTTL: 500 * time.Millisecond}
		p.round(o)
		if n := p.loads(o.Key); n != 1 {
			t.Errorf("%d loads, want 1", n)
		}
		o.Key, o.Naive = "naively slow", true
		p.round(o)
		if n := p.loads(o.Key); n < 2 {
			t.Errorf("%d loads by the naive cache: it passes, so this proves nothing", n)
		}
	})
	t.Run("and served to all though it lives shorter than its load", func(t *testing.T) {
		o := order{Key: "short", Callers: callers, Load: 500 * time.Millisecond, TTL: 5 * time.Millisecond, LockTTL: 5 * time.Second}
		p.round(o)
		if n := p.loads(o.Key); n != 1 {
			t.Errorf("%d loads, want 1", n)
		}
		o.Key, o.Naive = "naively short", true
		p.round(o)
		if n := p.loads(o.Key); n < 2 {
			t.Errorf("%d loads by the naive cache: it passes, so this proves nothing", n)
		}
	})
	p.tidy()
}

// takeover kills the loader's process, and returns how long the others then waited.
func (p *pack) takeover(key string, lockTTL time.Duration) time.Duration {
	p.t.Helper()
	o := order{Key: key, Callers: callers, Load: 50 * time.Millisecond, TTL: time.Minute, LockTTL: lockTTL}
	first := o
	first.Load = time.Hour
	pid := 0
	// The loader that is to die is alone at first, so that it is known who it is.
	victim := p.members[0]
	text, err := json.Marshal(first)
	must(p.t, err)
	_, err = victim.stdin.Write(append(text, '\n'))
	must(p.t, err)
	await(p.t, "a load has begun", func() bool {
		pid, _ = strconv.Atoi(p.source.Get(context.Background(), "loader:"+key).Val())
		return pid == victim.cmd.Process.Pid
	})
	p.members = p.members[1:]
	p.begin(o)
	await(p.t, "the others wait", func() bool {
		return p.client.PubSubNumSub(context.Background(), "rl:{"+key+"}:n").Val()["rl:{"+key+"}:n"] == int64(len(p.members))
	})
	must(p.t, victim.cmd.Process.Kill())
	died := time.Now()
	p.end()
	return time.Since(died)
}

func TestADeadLoaderIsReplaced(t *testing.T) {
	p := newPack(t, 4)
	took := p.takeover("k", time.Second)
	t.Logf("served %v after the loader's death, of which the new load took 50ms", took)
	if n := p.loads("k"); n != 2 {
		t.Errorf("%d loads, want 2: that of the dead process and one more", n)
	}
	if took > 10*time.Second { // a busy machine adds to it; TestProve has the figure
		t.Errorf("served %v after the loader's death, with a lock TTL of 1s", took)
	}
	p.tidy()
}

func TestProveStampedeFigures(t *testing.T) {
	if !proving() {
		t.Skip("figures are measured with REDLOCK_PROVE=1")
	}
	p := newPack(t, processes)
	rounds, before := 50, p.lockCalls()
	var waits []time.Duration
	for i := range rounds {
		o := order{Key: fmt.Sprint("cold", i), Callers: callers, Load: 50 * time.Millisecond, TTL: time.Minute, LockTTL: 5 * time.Second}
		waits = append(waits, p.round(o).Waits...)
		if n := p.loads(o.Key); n != 1 {
			t.Errorf("round %d: %d loads, want 1", i, n)
		}
	}
	slices.Sort(waits)
	each := float64(p.lockCalls()-before) / float64(rounds)
	t.Logf("50 ms loader, %d rounds of %d callers: 1 load each; p50 %v, p99 %v, max %v; %.1f script calls on all lock nodes a round",
		rounds, processes*callers, waits[len(waits)/2], waits[len(waits)*99/100], waits[len(waits)-1], each)
	if limit := float64(2*len(p.locks) + processes); each > limit {
		t.Errorf("%.1f script calls a round, want at most %v", each, limit)
	}
	o := order{Key: "slow", Callers: callers, Load: 7 * time.Second, TTL: time.Minute, LockTTL: 5 * time.Second}
	before = p.lockCalls()
	slow := p.round(o).Waits
	t.Logf("7 s loader: %d load, the slowest caller waited %v; %d script calls on all lock nodes", p.loads("slow"), slow[len(slow)-1], p.lockCalls()-before)
	if n := p.loads("slow"); n != 1 {
		t.Errorf("%d loads, want 1", n)
	}
	if most := slow[len(slow)-1]; most > 7100*time.Millisecond {
		t.Errorf("the slowest caller waited %v, want at most 7.1s", most)
	}
	p.tidy()
}

func TestProveTakeover(t *testing.T) {
	if !proving() {
		t.Skip("figures are measured with REDLOCK_PROVE=1")
	}
	const lockTTL, load = 2 * time.Second, 50 * time.Millisecond
	var worst time.Duration
	p := newPack(t, 8)
	for i := range 6 {
		worst = max(worst, p.takeover(fmt.Sprint("k", i), lockTTL)-load)
	}
	t.Logf("6 loaders killed: the next load began at most %v after the kill, with a lock TTL of %v", worst, lockTTL)
	if worst > lockTTL+250*time.Millisecond {
		t.Errorf("%v, want at most %v", worst, lockTTL+250*time.Millisecond)
	}
}
