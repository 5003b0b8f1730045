package redisnode_test

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/quorum/redisnode"
)

// A scene is a server on which one key is held, with an ear for it.
type scene struct {
	*testing.T
	addr  string
	plain *redis.Client
	node  *redisnode.Node
	heard chan quorum.Announcement
	stop  func()
}

const lock = "the lock"

func newScene(t *testing.T, addr string) *scene {
	opts := &redis.Options{Addr: addr}
	s := &scene{T: t, addr: addr, plain: plainClient(t, opts), node: open(t, opts), heard: make(chan quorum.Announcement, 100)}
	s.want(hold("holder"), quorum.Mine)
	s.stop = s.node.Announcements(lock, func(a quorum.Announcement) { s.heard <- a })
	t.Cleanup(s.stop)
	s.hears(quorum.Listening, "")
	return s
}

func hold(value string) quorum.Op {
	return quorum.Op{Kind: quorum.Acquire, Key: lock, Value: value, TTL: time.Minute}
}

func free(value string) quorum.Op {
	return quorum.Op{Kind: quorum.Release, Key: lock, Value: value, Announce: true}
}

func as(id string, waited time.Duration, op quorum.Op) quorum.Op {
	op.Waiter = &quorum.Waiter{ID: id, Waited: waited}
	return op
}

// want asks, and demands that verdict; it returns whether others wait.
func (s *scene) want(op quorum.Op, want quorum.Verdict) (waiting bool) {
	s.Helper()
	answer := ask(s, s.node, patience, op)
	wantVerdict(s, answer, want)
	return answer.Waiting
}

// queue leaves waiters, each of which has waited for less than the one before.
func (s *scene) queue(ids ...string) {
	s.Helper()
	for i, id := range ids {
		s.want(as(id, time.Duration(len(ids)-i)*time.Second, hold("value of "+id)), quorum.Other)
	}
}

// hears demands that this is announced next.
func (s *scene) hears(kind quorum.AnnouncementKind, waiter string) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	select {
	case got := <-s.heard:
		if got.Kind != kind || got.Waiter != waiter {
			s.Fatalf("announced: %v of %q, want %v of %q", got.Kind, got.Waiter, kind, waiter)
		}
	case <-ctx.Done():
		s.Fatalf("never announced: %v of %q", kind, waiter)
	}
}

// hearsNothing demands that nothing is announced before what is announced now.
func (s *scene) hearsNothing() {
	s.Helper()
	channel := s.plain.PubSubChannels(s.Context(), "redlock:freed:*").Val()
	if len(channel) != 1 {
		s.Fatalf("channels subscribed to: %q, want one", channel)
	}
	must(s, s.plain.Publish(s.Context(), channel[0], "t mark "+lock).Err())
	s.hears(quorum.Taken, "mark")
}

// called says how often the server was told that.
func (s *scene) called(command string) int {
	s.Helper()
	return number(s.T, s.plain.Info(s.Context(), "commandstats").Val(), `cmdstat_`+command+`:calls=(\d+)`)
}

// left are the keys that there are beside the lock.
func (s *scene) left() []string {
	s.Helper()
	keys, err := s.plain.Keys(s.Context(), "redlock:*").Result()
	must(s, err)
	return keys
}

func TestWhoHasWaitedLongestIsNamedFirst(t *testing.T) {
	s := newScene(t, quorumtest.RedisServer(t).Addr())
	s.queue("first", "second", "third")
	s.want(as("second", 10*time.Second, hold("again")), quorum.Other) // it turns out to have waited for longer
	for _, id := range []string{"second", "first", "third"} {
		if !s.want(free("holder"), quorum.Mine) {
			t.Errorf("release that names %s: nobody waits", id)
		}
		s.hears(quorum.Freed, id)
		s.want(hold("holder"), quorum.Mine)
	}
	if s.want(free("holder"), quorum.Mine) {
		t.Error("somebody waits after all were named")
	}
	s.hearsNothing()
}

func TestAReleaseNotesItsOwnWaiterBehindTheOthers(t *testing.T) {
	s := newScene(t, quorumtest.RedisServer(t).Addr())
	if s.want(as("own", time.Hour, free("holder")), quorum.Mine) {
		t.Error("others wait")
	}
	s.hearsNothing()
	s.want(hold("holder"), quorum.Mine)
	s.queue("other")
	if !s.want(as("own", time.Hour, free("holder")), quorum.Mine) {
		t.Error("nobody waits")
	}
	s.hears(quorum.Freed, "other")
	s.want(hold("holder"), quorum.Mine)
	for _, refused := range []quorum.Op{as("late", time.Hour, free("stranger")), as("late", time.Hour, quorum.Op{
		Kind: quorum.Release, Key: lock, Value: "holder", TTL: time.Minute, Announce: true,
	})} {
		if answer := ask(t, s.node, patience, refused); answer.Waiting {
			t.Errorf("a release that removes nothing = %+v", answer)
		}
	}
	s.want(free("holder"), quorum.Mine)
	s.hears(quorum.Freed, "own")
	s.hearsNothing()
}

func TestWhoGetsTheKeyIsTakenOffAndSaysSo(t *testing.T) {
	s := newScene(t, quorumtest.RedisServer(t).Addr())
	s.queue("first", "second")
	s.want(quorum.Op{Kind: quorum.Release, Key: lock, Value: "holder"}, quorum.Mine) // tells nobody
	taking := as("first", time.Second, hold("first"))
	taking.Announce = true
	if !s.want(taking, quorum.Mine) {
		t.Error("nobody waits")
	}
	s.hears(quorum.Taken, "first")
	if !s.want(free("first"), quorum.Mine) {
		t.Error("nobody waits")
	}
	s.hears(quorum.Freed, "second")
	if s.want(taking, quorum.Mine) {
		t.Error("others wait")
	}
	s.hearsNothing()
}

func TestHandOverVotes(t *testing.T) {
	s := newScene(t, quorumtest.RedisServer(t).Addr())
	pass := func(from, to string) quorum.Op {
		return quorum.Op{Kind: quorum.HandOver, Key: lock, Value: from, Next: to, TTL: 2 * time.Minute}
	}
	if s.want(pass("holder", "heir"), quorum.Mine) {
		t.Error("others wait")
	}
	if got := s.plain.Get(t.Context(), lock).Val(); got != "heir" {
		t.Errorf("the key holds %q", got)
	}
	s.queue("somebody")
	must(t, s.plain.PExpire(t.Context(), lock, time.Second).Err())
	if !s.want(pass("holder", "heir"), quorum.Mine) { // again, as its answer was lost
		t.Error("nobody waits")
	}
	if ttl := s.plain.PTTL(t.Context(), lock).Val(); ttl < time.Minute {
		t.Errorf("TTL %v", ttl)
	}
	s.want(pass("holder", "another"), quorum.Other)
	late := pass("heir", "late")
	late.NotAfter = 1
	s.want(late, quorum.Late)
	s.want(free("heir"), quorum.Mine)
	s.hears(quorum.Freed, "somebody")
	s.want(pass("heir", "another"), quorum.Free)
	for _, bad := range []quorum.Op{pass("a", ""), pass("a", "a"), as("no space", 0, hold("x")), as("", 0, hold("x"))} {
		wantVerdict(t, ask(t, s.node, patience, bad), quorum.Failed)
	}
	s.hearsNothing()
}

// Who is not noted again is forgotten, and so is that there ever were waiters.
func TestTheDeadAreSkippedAndNothingStays(t *testing.T) {
	s := newScene(t, quorumtest.RedisServer(t).Addr())
	s.queue("dead", "alive")
	must(t, s.plain.ZAdd(t.Context(), "redlock:until:"+lock, redis.Z{Score: 1, Member: "dead"}).Err())
	if !s.want(free("holder"), quorum.Mine) {
		t.Error("nobody waits")
	}
	s.hears(quorum.Freed, "alive")
	s.want(hold("holder"), quorum.Mine)
	s.queue("left")
	if keys := s.left(); len(keys) != 3 {
		t.Errorf("kept: %q, want a mark and two lists", keys)
	}
	for _, key := range s.left() {
		if left := s.plain.PTTL(t.Context(), key).Val(); left <= 0 || left > quorum.WaiterLife {
			t.Errorf("%s stays for %v", key, left)
		}
	}
	waitFor(t, func() bool { return len(s.left()) == 0 })
}

// Where nobody waits, nobody pays.
func TestWithoutWaitersNothingIsPublishedAndNothingLooked(t *testing.T) {
	s := newScene(t, quorumtest.RedisServer(t).Addr())
	s.want(free("holder"), quorum.Mine)
	must(t, s.plain.ConfigResetStat(t.Context()).Err())
	for range 100 {
		s.want(hold("holder"), quorum.Mine)
		s.want(free("holder"), quorum.Mine)
	}
	stats := s.plain.Info(t.Context(), "commandstats").Val()
	got := make(map[string]string)
	for _, found := range regexp.MustCompile(`cmdstat_(\w+):calls=(\d+)`).FindAllStringSubmatch(stats, -1) {
		got[found[1]] = found[2]
	}
	for _, other := range []string{"ping", "config|resetstat", "info"} {
		delete(got, other)
	}
	want := map[string]string{"evalsha": "200", "time": "200", "set": "100", "get": "100", "del": "100", "exists": "100"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("calls %v, want %v", got, want)
	}
	if keys := s.left(); len(keys) > 0 {
		t.Errorf("keys left: %q", keys)
	}
}

// All operations of a batch look once.
func TestABatchLooksOnce(t *testing.T) {
	s := newScene(t, quorumtest.RedisServer(t).Addr())
	var batch []quorum.Op
	for i := range 30 {
		op := hold("holder")
		op.Key = fmt.Sprint("key ", i)
		release := free("holder")
		release.Key = op.Key
		batch = append(batch, op, release)
	}
	before := s.called("exists")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, answer := range s.node.Ask(ctx, batch) {
		wantVerdict(t, answer, quorum.Mine)
	}
	if n := s.called("exists") - before; n != 1 {
		t.Errorf("%d looks", n)
	}
}

// What is noted and told is a hint: an error in it is none of the operation's.
func TestAHintThatFailsFailsNoOperation(t *testing.T) {
	for name, spoil := range map[string]func(s *scene){
		"lists of another type": func(s *scene) {
			must(s, s.plain.Set(s.Context(), "redlock:since:"+lock, "planted", 0).Err())
			must(s, s.plain.Set(s.Context(), "redlock:waiting", "planted", 0).Err())
		},
		"no rights": func(s *scene) {
			must(s, s.plain.Do(s.Context(), "ACL", "SETUSER", "locker", "on", ">s3cret", "~the*", "+@all").Err())
			s.node = open(s, &redis.Options{Addr: s.addr, Username: "locker", Password: "s3cret"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, quorumtest.RedisServer(t).Addr())
			spoil(s)
			s.queue("somebody")
			if s.want(as("own", 0, free("holder")), quorum.Mine) {
				t.Error("somebody waits")
			}
			s.want(as("own", 0, hold("holder")), quorum.Mine)
			s.want(quorum.Op{Kind: quorum.HandOver, Key: lock, Value: "holder", Next: "heir", TTL: time.Minute}, quorum.Mine)
			s.hearsNothing()
		})
	}
}

// The script and the contract agree on how long a waiter is remembered.
func TestTheScriptKnowsAWaitersLife(t *testing.T) {
	source, err := os.ReadFile("batch.lua")
	must(t, err)
	want := strconv.FormatInt(quorum.WaiterLife.Milliseconds(), 10)
	if !strings.Contains(string(source), "'redlock:until:', "+want+"\n") {
		t.Errorf("a waiter's life in batch.lua is not %sms", want)
	}
}
