package redisnode_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/quorum/redisnode"
)

// A request that lies in a paused server's socket is carried out when the server runs again. The
// second operation has no limit and shows that both were delivered; the last one, on the same
// connection, that the server is done with them.
func TestDelayedRequestWritesNothingAfterItsLimit(t *testing.T) {
	server := quorumtest.RedisServer(t)
	plain := plainClient(t, &redis.Options{Addr: server.Addr()})
	node := open(t, &redis.Options{Addr: server.Addr()})
	clk := clock.System()
	for _, kind := range []quorum.Kind{quorum.Acquire, quorum.Heal} {
		name := kind.String()
		warm := acquire(name + " warm")
		warm.Kind = kind
		wantVerdict(t, ask(t, node, patience, warm), quorum.Mine)

		must(t, server.Pause())
		const timeout = 50 * time.Millisecond
		late, proof, last := acquire(name+" late"), acquire(name+" proof"), acquire(name+" last")
		late.Kind, proof.Kind, last.Kind = kind, kind, kind
		late.NotAfter = clk.Now().Add(timeout)
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		answers := node.Ask(ctx, []quorum.Op{late, proof, last})
		cancel()
		for _, answer := range answers {
			wantVerdict(t, answer, quorum.Failed)
		}
		if answers[0].Slack <= 0 || answers[0].Slack > patience {
			t.Fatalf("slack of the failed %v = %v", kind, answers[0].Slack)
		}
		waitFor(t, func() bool { return late.NotAfter.Add(answers[0].Slack).Before(clk.Now()) })
		must(t, server.Resume())

		exists := func(key string) bool { return plain.Exists(t.Context(), key).Val() == 1 }
		waitFor(t, func() bool { return exists(last.Key) })
		if !exists(proof.Key) || exists(late.Key) {
			t.Errorf("%v: carried out without limit: %v; after its limit: %v; want true, false",
				kind, exists(proof.Key), exists(late.Key))
		}
	}
}

// waitFor looks again and again until it is so.
func waitFor(t *testing.T, so func() bool) {
	t.Helper()
	giveUp := time.NewTimer(patience)
	defer giveUp.Stop()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	for !so() {
		select {
		case <-look.C:
		case <-giveUp.C:
			t.Fatal("not so in time")
		}
	}
}

// A client clock that stood still for a while is, for the client, a server's clock that was set
// forward: what is in time comes out late, once.
func TestLateAnswerTellsTheTime(t *testing.T) {
	server := quorumtest.RedisServer(t)
	clk := clock.NewSkewed(clock.System())
	node, err := redisnode.New(&redis.Options{Addr: server.Addr()}, clk)
	must(t, err)
	t.Cleanup(func() { must(t, node.Close()) })
	wantVerdict(t, ask(t, node, patience, acquire("key")), quorum.Mine)

	const step, limit = 300 * time.Millisecond, 200 * time.Millisecond
	clk.SetRate(0)
	stop := time.NewTimer(step)
	<-stop.C
	clk.SetRate(1)
	op := acquire("key")
	verdicts := make(map[quorum.Verdict]int)
	waitFor(t, func() bool {
		op.NotAfter = clk.Now().Add(limit)
		verdict := ask(t, node, patience, op).Verdict
		verdicts[verdict]++
		return verdict == quorum.Mine
	})
	if verdicts[quorum.Late] == 0 || verdicts[quorum.Failed] > 0 {
		t.Errorf("verdicts after the step = %v, want late before mine", verdicts)
	}
}

func TestSlackOfFirstAsk(t *testing.T) {
	server := quorumtest.RedisServer(t)
	node := open(t, &redis.Options{Addr: server.Addr()})
	answer := ask(t, node, patience, limited(acquire("key")))
	wantVerdict(t, answer, quorum.Mine)
	if answer.Slack <= 0 || answer.Slack > patience {
		t.Errorf("slack = %v, want more than nothing and less than %v", answer.Slack, patience)
	}
	if off := time.Since(time.Unix(0, int64(answer.NodeTime))).Abs(); off > patience {
		t.Errorf("node time is %v off the machine's", off)
	}
}
