package benchmarks

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/quorumlock/quorumlock/clock"
)

const (
	workerVariable = "QUORUMLOCK_BENCHMARK_WORKER"
	workerReady    = "ready\n"
)

// A workerJob is what a worker is started for.
type workerJob struct {
	Subject string
	Site    Site
	Name    string
	Callers int
	Hold    time.Duration
	Think   time.Duration
	For     time.Duration
}

// A workerReport is what the callers of a worker saw.
type workerReport []callerReport

// A callerReport is what a caller saw.
type callerReport struct {
	Holds       [][2]clock.Instant // from just after the acquisition to just before the release
	LongestWait time.Duration
	Failures    int
}

// Worker does the work of a process that [Suite.HandOff] has started, with one of the subjects, and reports
// whether this process is one. Programs that run a suite call it first:
//
//	if worked, err := benchmarks.Worker(subjects); worked { ... exit ... }
func Worker(subjects []Subject) (worked bool, err error) {
	spec, ok := os.LookupEnv(workerVariable)
	if !ok {
		return false, nil
	}
	var job workerJob
	if err := json.Unmarshal([]byte(spec), &job); err != nil {
		return true, fmt.Errorf("the job of this worker: %w", err)
	}
	for _, subject := range subjects {
		if subject.Name() == job.Subject {
			return true, job.run(context.Background(), subject, os.Stdin, os.Stdout)
		}
	}
	return true, fmt.Errorf("this worker knows no %q", job.Subject)
}

// run connects, says so, waits for the starting time, competes, and tells what it saw.
func (j workerJob) run(ctx context.Context, subject Subject, in io.Reader, out io.Writer) error {
	client, err := subject.Open(ctx, j.Site)
	if err != nil {
		return err
	}
	defer client.Close() //nolint:errcheck // the process ends
	if err := once(ctx, client, j.Name+":warm-up:"+strconv.Itoa(os.Getpid())); err != nil {
		return err
	}
	if _, err := io.WriteString(out, workerReady); err != nil {
		return err
	}
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil {
		return fmt.Errorf("the starting time: %w", err)
	}
	start, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	if err != nil {
		return fmt.Errorf("the starting time: %w", err)
	}
	clk := clock.System()
	time.Sleep(clock.Instant(start).Sub(clk.Now()))
	return json.NewEncoder(out).Encode(j.competeAll(ctx, client, clk))
}

// competeAll lets all callers of this process compete, through the client that they share.
func (j workerJob) competeAll(ctx context.Context, client Client, clk clock.Clock) workerReport {
	report := make(workerReport, max(j.Callers, 1))
	var callers sync.WaitGroup
	for i := range report {
		callers.Go(func() { report[i] = j.compete(ctx, client, clk) })
	}
	callers.Wait()
	return report
}

// compete holds the lock as often as it can. A wait that the end cuts off counts as long as it was.
func (j workerJob) compete(ctx context.Context, client Client, clk clock.Clock) callerReport {
	ctx, cancel := context.WithTimeout(ctx, j.For)
	defer cancel()
	var r callerReport
	for ctx.Err() == nil {
		asked := clk.Now()
		hold, err := client.Acquire(ctx, j.Name)
		from := clk.Now()
		r.LongestWait = max(r.LongestWait, from.Sub(asked))
		if err != nil {
			if ctx.Err() == nil {
				r.Failures++
			}
			continue
		}
		time.Sleep(j.Hold)
		r.Holds = append(r.Holds, [2]clock.Instant{from, clk.Now()})
		if err := hold.Release(context.WithoutCancel(ctx)); err != nil {
			r.Failures++
		}
		time.Sleep(j.Think)
	}
	return r
}
