package redisnode_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/quorum/quorumtest/faultproxy"
	"github.com/quorumlock/quorumlock/quorum/redisnode"
)

// A burst sends operations without waiting, and keeps their answers.
type burst struct {
	node    *redisnode.Node
	left    sync.WaitGroup
	answers []quorum.Answer
}

func newBurst(node *redisnode.Node, size int) *burst {
	return &burst{node: node, answers: make([]quorum.Answer, size)}
}

// send sends the i-th operation.
func (b *burst) send(i int, timeout time.Duration, op quorum.Op) {
	b.left.Add(1)
	b.node.Send(op, time.Now().Add(timeout), place{b, i})
}

// A place is that of one answer.
type place struct {
	burst *burst
	i     int
}

// Receive keeps the answer.
func (p place) Receive(a quorum.Answer) {
	p.burst.answers[p.i] = a
	p.burst.left.Done()
}

// wait waits for all answers, and not much longer than they may take.
func (b *burst) wait(t *testing.T) {
	t.Helper()
	all := make(chan struct{})
	go func() {
		b.left.Wait()
		close(all)
	}()
	giveUp := time.NewTimer(2 * patience)
	defer giveUp.Stop()
	select {
	case <-all:
	case <-giveUp.C:
		t.Fatal("some requests are never answered")
	}
}

// number reads a number from what INFO or CLIENT says.
func number(t *testing.T, text, pattern string) int {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if found == nil {
		return 0
	}
	n, err := strconv.Atoi(found[1])
	must(t, err)
	return n
}

func scriptCalls(t *testing.T, plain *redis.Client) int {
	t.Helper()
	text, err := plain.Info(t.Context(), "commandstats").Result()
	must(t, err)
	return number(t, text, `cmdstat_evalsha:calls=(\d+)`)
}

func connections(t *testing.T, plain *redis.Client) int {
	t.Helper()
	text, err := plain.Info(t.Context(), "stats").Result()
	must(t, err)
	return number(t, text, `total_connections_received:(\d+)`)
}

// What is asked while the server is busy goes to it in few script calls, and each gets its own answer.
func TestConcurrentRequestsShareScriptCalls(t *testing.T) {
	server := quorumtest.RedisServer(t)
	plain := plainClient(t, &redis.Options{Addr: server.Addr()})
	node := open(t, &redis.Options{Addr: server.Addr()})
	wantVerdict(t, ask(t, node, patience, acquire("warm")), quorum.Mine)
	const all = 2000
	for i := range all {
		if i%2 == 1 {
			must(t, plain.Set(t.Context(), fmt.Sprint("key ", i), fmt.Sprint("holder ", i), time.Minute).Err())
		}
	}
	before := scriptCalls(t, plain)
	must(t, server.Pause())
	b := newBurst(node, all)
	for i := range all {
		b.send(i, patience, acquire(fmt.Sprint("key ", i)))
	}
	must(t, server.Resume())
	b.wait(t)
	for i, answer := range b.answers {
		if i%2 == 0 && answer.Verdict != quorum.Mine || i%2 == 1 && answer.Holder != fmt.Sprint("holder ", i) {
			t.Fatalf("answer %d = %+v", i, answer)
		}
	}
	if calls := scriptCalls(t, plain) - before; calls > all/20 {
		t.Errorf("%d operations took %d script calls", all, calls)
	}
}

// One after the other, each request is a script call of its own: nothing waits for company.
func TestAnIdleServerIsAskedAtOnce(t *testing.T) {
	server := quorumtest.RedisServer(t)
	plain := plainClient(t, &redis.Options{Addr: server.Addr()})
	node := open(t, &redis.Options{Addr: server.Addr()})
	wantVerdict(t, ask(t, node, patience, acquire("warm")), quorum.Mine)
	before := scriptCalls(t, plain)
	for i := range 50 {
		wantVerdict(t, ask(t, node, patience, acquire(fmt.Sprint("key ", i))), quorum.Mine)
	}
	if calls := scriptCalls(t, plain) - before; calls != 50 {
		t.Errorf("50 requests took %d script calls", calls)
	}
}

// A name that was released is free for what was sent behind the release, also while the server does not
// know the script and refuses what comes first.
func TestOrderPerNameIsKept(t *testing.T) {
	server := quorumtest.RedisServer(t)
	plain := plainClient(t, &redis.Options{Addr: server.Addr()})
	node := open(t, &redis.Options{Addr: server.Addr()})
	for round := range 5 {
		must(t, plain.ScriptFlush(t.Context()).Err())
		const names = 300
		b := newBurst(node, 3*names)
		for step := range 3 {
			for i := range names {
				op := acquire(fmt.Sprint("round ", round, " name ", i))
				switch step {
				case 1:
					op.Kind, op.TTL = quorum.Release, 0
				case 2:
					op.Value = "the next"
				}
				b.send(step*names+i, patience, op)
			}
		}
		b.inARow(t, acquire(fmt.Sprint("round ", round, " in a row")))
		b.wait(t)
		for i, answer := range b.answers {
			if answer.Verdict != quorum.Mine {
				t.Fatalf("round %d, operation %d = %+v", round, i, answer)
			}
		}
	}
}

// inARow sends operations on one name one behind the other, whose outcome depends on their order.
func (b *burst) inARow(t *testing.T, op quorum.Op) {
	t.Helper()
	const turns = 20
	row := newBurst(b.node, 2*turns)
	for i := range turns {
		op.Value = fmt.Sprint("turn ", i)
		row.send(2*i, patience, op)
		release := op
		release.Kind, release.TTL = quorum.Release, 0
		row.send(2*i+1, patience, release)
	}
	row.wait(t)
	for i, answer := range row.answers {
		if answer.Verdict != quorum.Mine {
			t.Errorf("operation %d in a row = %+v", i, answer)
		}
	}
}

// A server refuses a whole script call for one key that its user may not touch.
func TestAForbiddenKeyFailsAlone(t *testing.T) {
	server := quorumtest.RedisServer(t)
	plain := plainClient(t, &redis.Options{Addr: server.Addr()})
	must(t, plain.Do(t.Context(), "ACL", "SETUSER", "locker", "on", ">s3cret", "~lock:*", "+@all").Err())
	node := open(t, &redis.Options{Addr: server.Addr(), Username: "locker", Password: "s3cret"})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	batch := make([]quorum.Op, 100)
	for i := range batch {
		batch[i] = limited(acquire(fmt.Sprint("lock:", i)))
		if i == 17 || i == 18 || i == 99 {
			batch[i].Key = fmt.Sprint("private:", i)
		}
	}
	for i, answer := range node.Ask(ctx, batch) {
		if i == 17 || i == 18 || i == 99 {
			wantError(t, answer, "NOPERM", true, "+evalsha")
			continue
		}
		wantVerdict(t, answer, quorum.Mine)
		if value := plain.Get(t.Context(), batch[i].Key).Val(); value != batch[i].Value {
			t.Errorf("%s holds %q, want %q", batch[i].Key, value, batch[i].Value)
		}
	}
}

// A caller leaves at its deadline; the answer that comes after it finds the connection still there.
func TestALateAnswerCostsNoConnection(t *testing.T) {
	server := quorumtest.RedisServer(t)
	plain := plainClient(t, &redis.Options{Addr: server.Addr()})
	node := open(t, &redis.Options{Addr: server.Addr()})
	wantVerdict(t, ask(t, node, patience, acquire("key")), quorum.Mine)
	before := connections(t, plain)
	for i := range 3 {
		must(t, server.Pause())
		wantError(t, ask(t, node, 50*time.Millisecond, acquire(fmt.Sprint("late ", i))), "", false, "deadline exceeded")
		must(t, server.Resume())
		answer := ask(t, node, patience, acquire(fmt.Sprint("in time ", i)))
		wantVerdict(t, answer, quorum.Mine)
		if now := plain.Exists(t.Context(), fmt.Sprint("late ", i)).Val(); now != 1 {
			t.Error("the late request was not carried out before the one behind it")
		}
	}
	if opened := connections(t, plain) - before; opened > 0 {
		t.Errorf("%d connections were opened", opened)
	}
}

// A server that hangs fails what is asked of it by its deadline, and what is too much at once. Nothing
// piles up, and it needs no goroutines.
func TestAHungServerIsBounded(t *testing.T) {
	server := quorumtest.RedisServer(t)
	quorumtest.NoLeaks(t)
	node := open(t, &redis.Options{Addr: server.Addr()})
	wantVerdict(t, ask(t, node, patience, acquire("key")), quorum.Mine)
	must(t, server.Pause())
	const all = 20_000
	goroutines := runtime.NumGoroutine()
	b := newBurst(node, all)
	start := time.Now()
	for i := range all {
		b.send(i, 2*time.Second, acquire(fmt.Sprint("key ", i)))
	}
	if more := runtime.NumGoroutine() - goroutines; more > 5 {
		t.Errorf("%d goroutines more for %d requests", more, all)
	}
	b.wait(t)
	if took := time.Since(start); took > patience/2 {
		t.Errorf("requests with a deadline of 2s took %v", took)
	}
	unsent, busy := 0, 0
	for _, answer := range b.answers {
		wantVerdict(t, answer, quorum.Failed)
		if errors.Is(answer.Err, quorum.ErrUnsent) {
			unsent++
		}
		if errors.Is(answer.Err, quorum.ErrBusy) {
			busy++
		}
	}
	if unsent < all/2 || busy < all/4 {
		t.Errorf("of %d requests %d were not sent, %d of them refused at once", all, unsent, busy)
	}
	must(t, server.Resume())
	wantVerdict(t, ask(t, node, patience, acquire("key")), quorum.Mine)
}

// What a caller has given up before there was a connection is never sent.
func TestWhatWasGivenUpIsNotSent(t *testing.T) {
	server := quorumtest.RedisServer(t)
	plain := plainClient(t, &redis.Options{Addr: server.Addr()})
	dialing, gate := make(chan struct{}), make(chan struct{})
	node := open(t, &redis.Options{Addr: server.Addr(), Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
		close(dialing)
		<-gate
		return new(net.Dialer).DialContext(ctx, network, addr)
	}})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	var asking sync.WaitGroup
	asking.Go(func() {
		answer := node.Ask(ctx, []quorum.Op{acquire("given up")})[0]
		if !errors.Is(answer.Err, context.Canceled) || !errors.Is(answer.Err, quorum.ErrUnsent) {
			t.Errorf("error %v, want that of the ctx, and unsent", answer.Err)
		}
	})
	<-dialing
	b := newBurst(node, 1)
	b.send(0, patience, acquire("wanted"))
	cancel()
	asking.Wait()
	close(gate)
	b.wait(t)
	wantVerdict(t, b.answers[0], quorum.Mine)
	if n := plain.Exists(t.Context(), "given up").Val(); n != 0 {
		t.Error("it was sent")
	}
}

// A connection that hangs while the server is well is replaced by another one.
func TestADeadConnectionIsReplaced(t *testing.T) {
	server := quorumtest.RedisServer(t)
	proxy, err := faultproxy.Start(server.Addr(), 1)
	must(t, err)
	defer func() { _ = proxy.Close() }()
	node := open(t, &redis.Options{Addr: proxy.Addr()})
	wantVerdict(t, ask(t, node, patience, acquire("key")), quorum.Mine)
	held := proxy.HoldCommand(1, faultproxy.Containing("stuck"), 0)
	start := time.Now()
	answer := ask(t, node, 2500*time.Millisecond, acquire("stuck"))
	if answer.Answered() || time.Since(start) > 2*time.Second {
		t.Errorf("the stuck request = %+v after %v, want a failure as soon as the connection is known to be dead", answer, time.Since(start))
	}
	wantVerdict(t, ask(t, node, patience, acquire("key")), quorum.Mine)
	held.Release()
}
