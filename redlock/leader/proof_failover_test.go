//go:build unix

package leader_test

import (
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/quorum/quorumtest/redisserver"
)

// The bounds of hand-over and take-over. A dead leader's key runs out a TTL after it was last renewed; then a
// waiter has to notice, and leaves the lock to one who was named for a moment.
const (
	cleanBound = 150 * time.Millisecond
	crashBound = stageTTL + 250*time.Millisecond
)

// Leaders resign, die and stand still, in processes of their own: there are never two that run, nobody acts with
// an old token, and the next one is there in time.
func TestProveFailOver(t *testing.T) {
	s := newStage(t, false, stageTTL)
	onlooker := s.onlooker()
	var clean, crash, requests []time.Duration
	for range scaled(5, 100) {
		hold()
		clean = append(clean, s.resign())
	}
	for range scaled(1, 20) {
		requests = append(requests, s.request(onlooker))
	}
	for range scaled(2, 20) {
		crash = append(crash, s.crash())
	}
	for range scaled(1, 10) {
		n := s.count()
		old := s.pause()
		s.await("the refusal of the leader that stood still", n, func(m moment) bool {
			return m.Kind == "refused" && m.Name == old.Name && m.Token == old.Token
		})
	}
	s.settle()
	v := s.judge()
	t.Logf("clean hand-over: %s", summary(clean))
	t.Logf("resignation by request of another process: %s", summary(requests))
	t.Logf("crash, TTL %v: %s", stageTTL, summary(crash))
	t.Logf("%v", v)
	if v.overlap != 0 || v.stale != 0 || v.falling != 0 {
		t.Errorf("%v: want no overlap, no stale write and rising tokens", v)
	}
	if !proving() {
		return
	}
	if got := quantile(clean, 0.99); got > cleanBound {
		t.Errorf("clean hand-over p99 %v, want at most %v", got, cleanBound)
	}
	if got := quantile(crash, 1); got > crashBound {
		t.Errorf("take-over after a crash %v, want at most %v", got, crashBound)
	}
}

// A minority of the lock's servers, killed and started again with their memory, changes nothing. Ones that forget
// break what the lock needs, and this lab with it.
func TestProveAMinorityOfServersChangesNothing(t *testing.T) {
	const ttl = 3 * time.Second // a busy machine must not lose the lease by itself
	s := newStage(t, false, ttl, redisserver.WithPersistence())
	first := s.leader()
	<-time.After(ttl) // until the lock is on all of them: rivals may have had some at first
	for i := range scaled(1, 6) {
		down := s.nodes[i%4 : i%4+2]
		for _, node := range down {
			must(t, node.Kill())
		}
		<-time.After(ttl * 3 / 2)
		for _, node := range down {
			must(t, node.Restart(t.Context()))
		}
		<-time.After(ttl) // until the lock is on them again
	}
	v := s.judge()
	t.Logf("%v", v)
	if v.overlap != 0 || v.stale != 0 || v.falling != 0 {
		t.Errorf("%v: want no overlap, no stale write and rising tokens", v)
	}
	if now := s.leader(); proving() && (now != first || v.terms != 1) {
		t.Errorf("%v, and %+v leads; want one term, of %+v", v, now, first)
	}
}

// The naive loop breaks each promise under the same faults, so these can break it.
func TestProveTheNaiveLoopFails(t *testing.T) {
	s := newStage(t, true, stageTTL)
	var clean []time.Duration
	for range scaled(5, 50) {
		hold()
		clean = append(clean, s.resign())
	}
	s.pause()
	<-time.After(waking + stageTTL) // both lead meanwhile: one renews the other's key
	v := s.judge()
	t.Logf("after a pause: %v", v)
	t.Logf("clean hand-over: %s", summary(clean))
	if v.overlap == 0 {
		t.Error("L1: the naive loop had never two leaders")
	}
	if v.stale == 0 {
		t.Error("L2: the naive loop has written nothing with an old token")
	}
	if proving() && quantile(clean, 0.99) <= cleanBound {
		t.Errorf("L4: the naive loop hands over in %v", quantile(clean, 0.99))
	}
	n := s.count()
	must(t, s.nodes[0].Kill())
	s.await("the end of a leader whose server is down", n, func(m moment) bool { return m.Kind == "end" }) // L5
	n = s.count()
	must(t, s.nodes[0].Restart(t.Context()))
	s.await("a leader", n, func(m moment) bool { return m.Kind == "start" })
	if v := s.judge(); v.falling == 0 {
		t.Errorf("L3: %v: the naive loop's tokens rise, though its server has forgotten them", v)
	}
}

// hold lets a leader lead, and others wait in line, for a moment.
func hold() { <-time.After(stageTTL / 3) }

// settle waits until somebody leads and every process that stood still has noticed.
func (s *stage) settle() {
	s.t.Helper()
	s.await("the ends of terms that were paused", 0, func(moment) bool {
		open := make(map[string]bool)
		for _, m := range s.moments {
			switch m.Kind {
			case "start":
				open[m.Name] = true
			case "end":
				delete(open, m.Name)
			}
		}
		return len(open) == 1
	})
}
