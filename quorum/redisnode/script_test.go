package redisnode_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/quorum/redisnode"
)

func TestScriptForgotten(t *testing.T) {
	server := quorumtest.RedisServer(t)
	plain := plainClient(t, &redis.Options{Addr: server.Addr()})
	node := open(t, &redis.Options{Addr: server.Addr()})
	for range 2 {
		must(t, plain.ScriptFlush(t.Context()).Err())
		wantVerdict(t, ask(t, node, patience, acquire("key")), quorum.Mine)
	}
	must(t, plain.ScriptFlush(t.Context()).Err())
	op := acquire("batch")
	release, again := op, op
	release.Kind, release.TTL = quorum.Release, 0
	again.Value = "another"
	wantInTurn(t, node, []quorum.Op{op, release, again, op, limited(acquire("other"))},
		quorum.Mine, quorum.Mine, quorum.Mine, quorum.Other, quorum.Mine)
}

func wantInTurn(t *testing.T, node *redisnode.Node, batch []quorum.Op, want ...quorum.Verdict) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for i, answer := range node.Ask(ctx, batch) {
		if answer.Verdict != want[i] {
			t.Errorf("operation %d = %v (%v), want %v", i, answer.Verdict, answer.Err, want[i])
		}
	}
}

func TestUserNeedsOnlyTheDocumentedRights(t *testing.T) {
	server := quorumtest.RedisServer(t)
	opts := &redis.Options{Addr: server.Addr()}
	asUser := *opts
	user("+eval", "+evalsha", "+time", "+get", "+set", "+pttl", "+pexpire", "+del")(t, plainClient(t, opts), &asUser)
	node := open(t, &asUser)
	for _, kind := range []quorum.Kind{quorum.Acquire, quorum.Extend, quorum.Heal, quorum.Inspect, quorum.Release} {
		op := acquire("key")
		op.Kind = kind
		wantVerdict(t, ask(t, node, patience, op), quorum.Mine)
	}
	op := acquire("key")
	op.Kind, op.TTL = quorum.Release, 0
	wantVerdict(t, ask(t, node, patience, op), quorum.Mine)
}

// The rights that the package's doc asks for are enough to announce and to listen.
func TestListenerNeedsOnlyTheDocumentedRights(t *testing.T) {
	addr := quorumtest.RedisServer(t).Addr()
	s := newScene(t, addr)
	rights := strings.Fields("+eval +evalsha +time +get +set +pttl +pexpire +del +exists +zadd +zcard +zrange +zrangebyscore " +
		"+zrem +zscore +publish +subscribe +unsubscribe +ping resetkeys ~the* ~redlock:* resetchannels &redlock:freed:*")
	command := []any{"ACL", "SETUSER", "locker", "on", ">s3cret"}
	for _, right := range rights {
		command = append(command, right)
	}
	must(t, s.plain.Do(t.Context(), command...).Err())
	opts := &redis.Options{Addr: addr, Username: "locker", Password: "s3cret"}
	s.stop()
	s.node = open(t, opts)
	stop := s.node.Announcements(lock, func(a quorum.Announcement) { s.heard <- a })
	defer stop()
	s.hears(quorum.Listening, "")
	s.queue("somebody")
	s.want(free("holder"), quorum.Mine)
	s.hears(quorum.Freed, "somebody")
}

// Keys without a TTL are nobody's lock, or one of ours whose TTL somebody took away.
func TestKeysWithoutExpiry(t *testing.T) {
	server := quorumtest.RedisServer(t)
	plain := plainClient(t, &redis.Options{Addr: server.Addr()})
	node := open(t, &redis.Options{Addr: server.Addr()})
	ours, theirs := acquire("ours"), acquire("theirs")
	must(t, plain.Set(t.Context(), ours.Key, ours.Value, 0).Err())
	must(t, plain.Set(t.Context(), theirs.Key, "somebody", 0).Err())
	for _, kind := range []quorum.Kind{quorum.Acquire, quorum.Extend, quorum.Heal, quorum.Inspect} {
		for op, want := range map[quorum.Op]quorum.Verdict{ours: quorum.Mine, theirs: quorum.Other} {
			op.Kind = kind
			answer := ask(t, node, patience, op)
			if answer.Verdict != want || answer.Remaining != quorum.NoExpiry {
				t.Errorf("%v = %v, remaining %v (%v); want %v, no expiry", kind, answer.Verdict, answer.Remaining, answer.Err, want)
			}
		}
	}
	keep := ours
	keep.Kind, keep.TTL = quorum.Release, time.Minute
	if answer := ask(t, node, patience, keep); answer.Verdict != quorum.Mine || answer.Remaining != time.Minute {
		t.Errorf("release that keeps = %v, remaining %v; want mine, a minute", answer.Verdict, answer.Remaining)
	}
}
