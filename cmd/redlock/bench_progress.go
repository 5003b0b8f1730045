package main

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// A progress is a line that tells what is being measured. It is silent where there is no terminal.
type progress struct{ out io.Writer }

func newProgress(out io.Writer) *progress {
	if file, _ := terminal(out); file == nil {
		return &progress{out: io.Discard}
	}
	return &progress{out: out}
}

// startOfLine goes there, and clears the line.
const startOfLine = "\r\x1b[K"

// watch rewrites the line until ctx ends. The channel is closed then.
func (p *progress) watch(ctx context.Context, length time.Duration, what string, done *atomic.Int64) <-chan struct{} {
	watched := make(chan struct{})
	start := time.Now()
	go func() {
		defer close(watched)
		for {
			elapsed := time.Since(start)
			rate := perSecond(done.Load(), max(elapsed, time.Millisecond))
			_, _ = fmt.Fprintf(p.out, "%s%s: %v of %v, %s per second", startOfLine, what, elapsed.Round(frame), length, rate)
			if !pause(ctx, frame) {
				return
			}
		}
	}()
	return watched
}

// end leaves an empty line for what comes next.
func (p *progress) end() { _, _ = io.WriteString(p.out, startOfLine) }
