package redlock_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/redlock"
)

// soon is less than the shortest pause between polls with the default TTL, and long for a busy machine.
const soon = 400 * time.Millisecond

// waitsOn is waits on a real clock: it returns when the call stands in line.
func waitsOn(t *testing.T, l *redlock.Locker, name string, opts ...redlock.AcquireOption) <-chan arrival {
	t.Helper()
	before := l.Stats().Waiting
	call := make(chan arrival, 1)
	go func() {
		lease, err := l.Acquire(t.Context(), name, opts...)
		call <- arrival{lease, err, time.Now()}
	}()
	for l.Stats().Waiting <= before {
		time.Sleep(time.Millisecond)
	}
	return call
}

// On real servers a waiting call is woken by an announcement: polls would take many times as long. It asserts
// that most are, since a machine may be busy.
func TestRedisWakesWaiters(t *testing.T) {
	lab := newLab(t, 3)
	const rounds = 20
	lockers := []*redlock.Locker{lab.direct(), lab.direct()}
	lease, err := lockers[0].Acquire(t.Context(), "job")
	if err != nil {
		t.Fatal(err)
	}
	late := 0
	for i := range rounds {
		call := waitsOn(t, lockers[(i+1)%2], "job")
		time.Sleep(20 * time.Millisecond) // work
		freed := time.Now()
		mustRelease(t, lease)
		got := <-call
		if got.err != nil {
			t.Fatal(got.err)
		}
		if got.at.Sub(freed) > soon {
			late++
		}
		lease = got.lease
	}
	mustRelease(t, lease)
	if late > rounds/4 {
		t.Errorf("%d of %d waiting calls were not woken within %v", late, rounds, soon)
	}
}

// Calls of one Locker get the lock in their order, and its key never goes.
func TestRedisHandsOver(t *testing.T) {
	lab := newLab(t, 3)
	l := lab.direct()
	lease := mustTry(t, l, "job")
	var calls []<-chan arrival
	const n = 20
	for range n {
		calls = append(calls, waitsOn(t, l, "job"))
	}
	time.Sleep(100 * time.Millisecond) // work; until then the first of them may have been asking
	for i, call := range calls {
		mustRelease(t, lease)
		got := <-call
		if got.err != nil {
			t.Fatalf("call %d: %v", i, got.err)
		}
		lease = got.lease
		free := 0
		for _, holder := range lab.holders("job") {
			if holder == "" {
				free++
			}
		}
		if free > 1 {
			t.Errorf("after hand-over %d the key is on %d of 3 nodes", i+1, 3-free)
		}
	}
	mustRelease(t, lease)
	if s := l.Stats(); s.HandedOver < n-1 {
		t.Errorf("HandedOver %d of %d", s.HandedOver, n)
	}
}

// Whose subscriber is cut off, again and again, has the lock all the same.
func TestRedisCutsSubscribers(t *testing.T) {
	lab := newLab(t, 3)
	a, b := lab.direct(), lab.direct()
	for i := range scaled(4, 20) {
		lease, err := a.Acquire(t.Context(), "job")
		if err != nil {
			t.Fatal(err)
		}
		call := waitsOn(t, b, "job")
		for _, admin := range lab.admin {
			if err := admin.Do(t.Context(), "CLIENT", "KILL", "TYPE", "pubsub").Err(); err != nil {
				t.Fatal(err)
			}
		}
		mustRelease(t, lease)
		select {
		case got := <-call:
			if got.err != nil {
				t.Fatalf("round %d: %v", i, got.err)
			}
			mustRelease(t, got.lease)
		case <-time.After(pollCap + 5*time.Second):
			t.Fatalf("round %d: the waiting call hangs", i)
		}
	}
}

// A user that may not subscribe, and whose notes the servers refuse, has locks and waits for them as before.
func TestRedisThatLetsNobodySubscribe(t *testing.T) {
	lab := newLab(t, 3)
	for _, admin := range lab.admin {
		if err := admin.Do(t.Context(), "ACL", "SETUSER", "plain", "on", "nopass", "~job*", "resetchannels", "+@all").Err(); err != nil {
			t.Fatal(err)
		}
	}
	open := func() *redlock.Locker {
		var urls []string
		for _, server := range lab.servers {
			urls = append(urls, fmt.Sprintf("redis://plain:any@%s", server.Addr()))
		}
		l, err := redlock.Open(t.Context(), urls, redlock.WithoutToken()) // which needs keys that are not the lock's
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	a, b := open(), open()
	for range 3 {
		lease, err := a.Acquire(t.Context(), "job")
		if err != nil {
			t.Fatal(err)
		}
		call := waitsOn(t, b, "job")
		mustRelease(t, lease)
		select {
		case got := <-call:
			if got.err != nil {
				t.Fatal(got.err)
			}
			mustRelease(t, got.lease)
		case <-time.After(pollCap + 5*time.Second):
			t.Fatal("the waiting call hangs")
		}
	}
}

// A thousand names that two clients wait for leave neither keys nor goroutines, nor notes for longer than they live.
func TestRedisKeepsNothingOfWaiting(t *testing.T) {
	lab := newLab(t, 3) // which demands that no goroutine is left
	quorumtest.NoLeaks(t)
	a, b := lab.direct(), lab.direct()
	for i := range scaled(50, 1000) {
		name := fmt.Sprintf("job-%d", i)
		lease := mustTry(t, a, name, redlock.WithoutToken()) // whose counters live for longer
		call := waitsOn(t, b, name, redlock.WithoutToken())
		mustRelease(t, lease)
		got := <-call
		if got.err != nil {
			t.Fatal(got.err)
		}
		mustRelease(t, got.lease)
	}
	deadline := time.Now().Add(15 * time.Second)
	for i, admin := range lab.admin {
		for {
			n, err := admin.DBSize(t.Context()).Result()
			if err == nil && n == 0 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("node %d still keeps %d keys, error %v", i, n, err)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}
