//go:build unix

package redlock_test

import (
	"fmt"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/redlock"
)

// Very many leases are held and renewed by a fixed number of goroutines, and none is lost.
func TestProveManyHeldLeases(t *testing.T) {
	held, span := scaled(2000, 100_000), time.Duration(scaled(2, 40))*time.Second
	ttl := time.Duration(scaled(3, 30)) * time.Second
	l := newLab(t, 5).direct(redlock.WithTTL(ttl))
	mustRelease(t, mustTry(t, l, "warm"))
	goroutines, memory := runtime.NumGoroutine(), heap()
	leases := make([]*redlock.Lease, held)
	var takers sync.WaitGroup
	const workers = 64
	for w := range workers {
		takers.Go(func() {
			for i := w; i < held; i += workers {
				lease, err := l.TryAcquire(t.Context(), fmt.Sprint("held-", i))
				if err != nil {
					t.Errorf("TryAcquire: %v", err)
					return
				}
				leases[i] = lease
			}
		})
	}
	takers.Wait()
	each := (heap() - memory) / held
	used, start := processorTime(t), time.Now()
	most := 0
	for time.Since(start) < span {
		most = max(most, runtime.NumGoroutine())
		<-time.After(20 * time.Millisecond)
	}
	cores := float64(processorTime(t)-used) / float64(time.Since(start))
	s := l.Stats()
	t.Logf("%d leases held for %v: %d renewals, %d failed, %d lost; %d bytes each, %d goroutines more at most, %.2f cores",
		s.Held, span, s.Renewed, s.RenewalsFailed, s.Lost, each, most-goroutines, cores)
	if s.Held != held || s.Lost > 0 || s.Renewed < uint64(held) && span > ttl/3 {
		t.Errorf("of %d leases %d are held, %d were lost", held, s.Held, s.Lost)
	}
	if most-goroutines > 50 {
		t.Errorf("%d goroutines for %d leases", most-goroutines, held)
	}
	if proving() && each > 1024 {
		t.Errorf("%d bytes for each lease, want 1024 at most", each)
	}
	runtime.KeepAlive(leases)
}

// heap is the memory in use.
func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}

func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
