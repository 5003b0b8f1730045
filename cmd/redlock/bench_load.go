package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/quorumlock/quorumlock/redlock"
)

// A gauge collects durations. Its methods may be called from several goroutines.
type gauge struct {
	mu   sync.Mutex
	hist *hdr.Histogram
}

const (
	shortestTime = 100 * time.Nanosecond
	longestTime  = time.Hour
	timeDigits   = 2 // an error under 1 %
)

func newGauge() *gauge {
	return &gauge{hist: hdr.New(int64(shortestTime), int64(longestTime), timeDigits)}
}

func (g *gauge) note(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	_ = g.hist.RecordValue(int64(min(max(d, shortestTime), longestTime))) // in its range it cannot fail
}

// figures sums up.
func (g *gauge) figures() benchTimes {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := func(percentile float64) ms { return ms(g.hist.ValueAtPercentile(percentile)) }
	return benchTimes{Count: g.hist.TotalCount(), P50: at(50), P99: at(99), Max: ms(g.hist.Max())}
}

// failures counts what went wrong, and keeps the first reason.
type failures struct {
	count atomic.Int64
	first atomic.Pointer[string]
}

// failed notes err, unless it only says that the measuring is over.
func (f *failures) failed(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	text := explain(err)
	f.first.CompareAndSwap(nil, &text)
	f.count.Add(1)
	pause(ctx, time.Millisecond) // what fails at once is not tried at full speed
}

func (f *failures) reason() string {
	if first := f.first.Load(); first != nil {
		return *first
	}
	return ""
}

// A loader is callers at work.
type loader struct {
	locker                   *redlock.Locker
	acquire, extend, release *gauge
	cycles                   atomic.Int64
	failures                 failures
}

// load lets callers work, each on a lock of its own.
func (b *bench) load(ctx context.Context, locker *redlock.Locker, callers int) benchLoad {
	l := &loader{locker: locker, acquire: newGauge(), extend: newGauge(), release: newGauge()}
	within, cancel := context.WithTimeout(ctx, b.length)
	defer cancel()
	watched := b.progress.watch(within, b.length, fmt.Sprintf("%d callers", callers), &l.cycles)
	start := time.Now()
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			for within.Err() == nil {
				l.cycle(within, b.prefix+strconv.Itoa(i))
			}
		})
	}
	all.Wait()
	took := time.Since(start)
	<-watched
	return benchLoad{
		Callers: callers, PerSecond: perSecond(l.cycles.Load(), took), Cycles: l.cycles.Load(),
		Failures: l.failures.count.Load(), Failure: l.failures.reason(),
		Acquire: l.acquire.figures(), Extend: l.extend.figures(), Release: l.release.figures(),
	}
}

// cycle takes, extends and gives back a lock. It gives back what it took, also if ctx has ended meanwhile.
func (l *loader) cycle(ctx context.Context, name string) {
	start := time.Now()
	lease, err := l.locker.Acquire(ctx, name)
	if err != nil {
		l.failures.failed(ctx, err)
		return
	}
	acquired := time.Now()
	l.acquire.note(acquired.Sub(start))
	if err := lease.Extend(context.WithoutCancel(ctx)); err != nil {
		l.failures.failed(ctx, err)
	} else {
		l.extend.note(time.Since(acquired))
	}
	releasing := time.Now()
	if err := lease.Release(context.WithoutCancel(ctx)); err != nil {
		l.failures.failed(ctx, err)
		return
	}
	l.release.note(time.Since(releasing))
	l.cycles.Add(1)
}
