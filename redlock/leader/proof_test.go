//go:build unix

package leader_test

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/quorum/quorumtest/redisserver"
	"github.com/quorumlock/quorumlock/redlock"
	"github.com/quorumlock/quorumlock/redlock/leader"
	"github.com/redis/go-redis/v9"
)

// The proofs run the claims of the package on real servers, with candidates in processes of their own, and beside
// them the loop that one finds in many programs. Under "make test" they run small and assert facts only; under
// "make prove" they run in full, assert the figures too, and print them.

const (
	stageTTL = time.Second
	patience = 30 * time.Second
	// waking is the time that a process which stood still has to notice what time it is. Until then it may
	// take itself for the leader: that is what fencing is for.
	waking = stageTTL / 2
)

// A stage is the servers of the lock, one for the leaders' data, and three candidates.
type stage struct {
	t       *testing.T
	naive   bool
	ttl     time.Duration
	nodes   []*redisserver.Server
	data    *redisserver.Server
	actors  map[string]*actor
	mu      sync.Mutex
	changed chan struct{}
	moments []moment
}

// An actor is a candidate's process.
type actor struct {
	name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	read  chan struct{} // closed once it has nothing more to tell
}

func newStage(t *testing.T, naive bool, ttl time.Duration, nodes ...redisserver.Option) *stage {
	t.Helper()
	s := &stage{t: t, naive: naive, ttl: ttl, actors: make(map[string]*actor), changed: make(chan struct{})}
	s.nodes, s.data = quorumtest.Fleet(t, 5, nodes...), quorumtest.RedisServer(t)
	t.Cleanup(s.end)
	for _, name := range []string{"a", "b", "c"} {
		s.enter(name)
	}
	return s
}

// enter starts a candidate.
func (s *stage) enter(name string) {
	s.t.Helper()
	spec := candidateSpec{Name: name, Data: s.data.Addr(), TTL: s.ttl, Naive: s.naive}
	for _, node := range s.nodes {
		spec.Nodes = append(spec.Nodes, node.Addr())
	}
	text, err := json.Marshal(spec)
	if err != nil {
		s.t.Fatal(err)
	}
	a := &actor{name: name, cmd: exec.Command(os.Args[0]), read: make(chan struct{})} //nolint:gosec // this program
	a.cmd.Env = append(os.Environ(), candidateVariable+"="+string(text))
	a.cmd.Stderr = os.Stderr
	if a.stdin, err = a.cmd.StdinPipe(); err != nil {
		s.t.Fatal(err)
	}
	stdout, err := a.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := a.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.actors[name] = a
	go s.listen(a, stdout)
}

// listen notes what a candidate tells.
func (s *stage) listen(a *actor, stdout io.Reader) {
	defer close(a.read)
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		var m moment
		if json.Unmarshal(lines.Bytes(), &m) == nil {
			s.note(m)
		}
	}
}

func (s *stage) note(m moment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moments = append(s.moments, m)
	close(s.changed)
	s.changed = make(chan struct{})
}

// await waits for a moment, and returns the first one from the n-th on that is wanted.
func (s *stage) await(what string, n int, wanted func(moment) bool) moment {
	s.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		s.mu.Lock()
		late, changed := s.moments[n:], s.changed
		i := slices.IndexFunc(late, wanted)
		s.mu.Unlock()
		if i >= 0 {
			return late[i]
		}
		select {
		case <-changed:
		case <-timeout.C:
			s.t.Fatalf("waited %v in vain for %s; the latest: %+v", patience, what, s.moments[max(len(s.moments)-10, 0):])
		}
	}
}

// count is how many moments there are.
func (s *stage) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.moments)
}

// leader waits until somebody leads and somebody else waits for that, and returns the leader's start.
func (s *stage) leader() moment {
	s.t.Helper()
	var now moment
	s.await("a leader, and one who waits", 0, func(moment) bool {
		leads, wait := s.reigning()
		now = leads
		return leads.Kind != "" && wait > 0
	})
	return now
}

// reigning is the start of who leads, the one that began last if there are several, and how many others are known
// to wait. The caller holds mu.
func (s *stage) reigning() (leads moment, wait int) {
	waiting := make(map[string]bool)
	for _, m := range s.moments {
		switch m.Kind {
		case "waiting":
			waiting[m.Name] = m.Name != leads.Name
		case "start":
			leads, waiting[m.Name] = m, false
		case "end":
			waiting[m.Name] = false
			if m.Name == leads.Name {
				leads = moment{}
			}
		}
	}
	for _, waits := range waiting {
		if waits {
			wait++
		}
	}
	return leads, wait
}

// others is a start of somebody else than that leader.
func others(than moment) func(moment) bool {
	return func(m moment) bool { return m.Kind == "start" && m.Name != than.Name }
}

// resign lets the leader give up, and returns how long nobody leads: from the end of one context to the start
// of the next.
func (s *stage) resign() time.Duration {
	s.t.Helper()
	old, n := s.leader(), s.count()
	if _, err := io.WriteString(s.actors[old.Name].stdin, "resign\n"); err != nil {
		s.t.Fatal(err)
	}
	end := s.await("the end of a term", n, func(m moment) bool { return m.Kind == "end" && m.Name == old.Name })
	next := s.await("a successor", n, others(old))
	return time.Duration(next.At - end.At)
}

// request lets this process ask the leader to give up, and returns how long that takes.
func (s *stage) request(e *leader.Elector) time.Duration {
	s.t.Helper()
	old, n, asked := s.leader(), s.count(), time.Now()
	must(s.t, e.RequestResign(s.t.Context()))
	took := time.Since(asked)
	s.await("the end of a term", n, func(m moment) bool { return m.Kind == "end" && m.Name == old.Name })
	s.await("a successor", n, others(old))
	return took
}

// onlooker is an Elector in this process that campaigns for nothing.
func (s *stage) onlooker() *leader.Elector {
	s.t.Helper()
	var urls []string
	for _, node := range s.nodes {
		urls = append(urls, "redis://"+node.Addr())
	}
	locker, err := redlock.Open(s.t.Context(), urls)
	must(s.t, err)
	s.t.Cleanup(func() { _ = locker.Close() })
	e, err := leader.New(locker, role)
	must(s.t, err)
	return e
}

// crash kills the leader, and returns how long nobody leads. A new process takes its place.
func (s *stage) crash() time.Duration {
	s.t.Helper()
	old, n := s.leader(), s.count()
	a := s.actors[old.Name]
	must(s.t, a.cmd.Process.Kill())
	died := stamp()
	next := s.await("a successor", n, others(old))
	<-a.read
	_ = a.cmd.Wait() // it was killed
	s.note(moment{Name: old.Name, Kind: "end", Token: old.Token, At: died})
	s.enter(old.Name)
	return time.Duration(next.At - died)
}

// pause stops the leader until somebody else leads and has acted, and lets it go on. It returns who that was.
func (s *stage) pause() moment {
	s.t.Helper()
	old, n := s.leader(), s.count()
	process := s.actors[old.Name].cmd.Process
	must(s.t, process.Signal(syscall.SIGSTOP))
	s.note(moment{Name: old.Name, Kind: "stop", Token: old.Token, At: stamp()})
	next := s.await("a successor", n, others(old))
	s.awaitJournal(next.Token)
	s.note(moment{Name: old.Name, Kind: "continue", Token: old.Token, At: stamp() + int64(waking)})
	must(s.t, process.Signal(syscall.SIGCONT))
	return old
}

// awaitJournal waits until a leader has acted.
func (s *stage) awaitJournal(token uint64) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); !slices.Contains(s.journal(), token); {
		if time.Now().After(deadline) {
			s.t.Fatalf("the leader with token %d does nothing", token)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// journal is the tokens of all writes that were accepted, in their order.
func (s *stage) journal() []uint64 {
	s.t.Helper()
	client := redis.NewClient(&redis.Options{Addr: s.data.Addr()})
	defer func() { _ = client.Close() }()
	lines, err := client.LRange(s.t.Context(), journal, 0, -1).Result()
	if err != nil {
		s.t.Fatal(err)
	}
	tokens := make([]uint64, len(lines))
	for i, line := range lines {
		if tokens[i], err = strconv.ParseUint(line, 10, 64); err != nil {
			s.t.Fatal(err)
		}
	}
	return tokens
}

// end lets all candidates end, also those that stand still.
func (s *stage) end() {
	for _, a := range s.actors {
		_ = a.cmd.Process.Signal(syscall.SIGCONT)
		_ = a.stdin.Close()
		select {
		case <-a.read:
		case <-time.After(patience):
			s.t.Errorf("candidate %s does not end", a.name)
			_ = a.cmd.Process.Kill()
		}
		_ = a.cmd.Wait() // a killed one has been waited for
	}
}

// A verdict is what the moments and the journal come to.
type verdict struct {
	terms   int
	overlap time.Duration // L1: two live contexts in processes that run
	stale   int           // L2: accepted writes with a token below one accepted before
	refused int           // L2: refused ones
	falling int           // L3: terms with a token that is not greater than the one before
}

func (v verdict) String() string {
	return fmt.Sprintf("%d terms, overlap of leaders %v, stale writes accepted %d and refused %d, tokens that do not rise %d",
		v.terms, v.overlap.Round(time.Millisecond), v.stale, v.refused, v.falling)
}

// judge looks at all that has happened so far.
func (s *stage) judge() verdict {
	s.t.Helper()
	tokens := s.journal()
	s.mu.Lock()
	defer s.mu.Unlock()
	var v verdict
	newest := uint64(0)
	for _, token := range tokens {
		if token < newest {
			v.stale++
		}
		newest = max(newest, token)
	}
	moments := slices.Clone(s.moments)
	slices.SortStableFunc(moments, func(a, b moment) int { return cmp.Compare(a.At, b.At) })
	live := make(map[string]bool)    // leads, and runs
	reign := make(map[string]uint64) // the tokens of live contexts
	var last moment
	var before int64
	moments = append(moments, moment{At: max(stamp(), moments[len(moments)-1].At)})
	for _, m := range moments {
		if len(live) > 1 {
			v.overlap += time.Duration(m.At - before)
		}
		before = m.At
		switch m.Kind {
		case "start":
			if v.terms++; v.terms > 1 && m.Token <= last.Token {
				v.falling++
			}
			last, live[m.Name], reign[m.Name] = m, true, m.Token
		case "end":
			delete(live, m.Name)
			delete(reign, m.Name)
		case "stop":
			delete(live, m.Name)
		case "continue":
			if reign[m.Name] == m.Token {
				live[m.Name] = true
			}
		case "refused":
			v.refused++
		}
	}
	return v
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// quantile returns the q-quantile of durations, by nearest rank.
func quantile(durations []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(durations))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func summary(durations []time.Duration) string {
	round := func(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }
	return fmt.Sprintf("p50 %v, p99 %v, max %v (%d times)", round(quantile(durations, 0.5)),
		round(quantile(durations, 0.99)), round(slices.Max(durations)), len(durations))
}
