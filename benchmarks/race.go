package benchmarks

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/quorumlock/quorumlock/clock"
)

// startWorkers starts n processes, and returns those that it has started, and that are ready unless it fails.
func startWorkers(ctx context.Context, n int, job workerJob) ([]*worker, error) {
	workers := make([]*worker, 0, n)
	for range n {
		w, err := startWorker(ctx, job)
		if err != nil {
			return workers, err
		}
		workers = append(workers, w)
	}
	for _, w := range workers {
		if err := w.ready(); err != nil {
			return workers, err
		}
	}
	return workers, nil
}

// race starts all workers, which are ready, and collects what they saw.
func race(workers []*worker) ([]workerReport, error) {
	start := clock.System().Now().Add(20 * time.Millisecond)
	for _, w := range workers {
		if _, err := fmt.Fprintf(w.stdin, "%d\n", start); err != nil {
			return nil, err
		}
	}
	reports := make([]workerReport, len(workers))
	for i, w := range workers {
		if err := json.NewDecoder(w.stdout).Decode(&reports[i]); err != nil {
			return nil, fmt.Errorf("what worker %d saw: %w", i, err)
		}
	}
	return reports, nil
}

// A worker is a process of ours.
type worker struct {
	cmd    *exec.Cmd
	stdin  *os.File
	stdout *bufio.Reader
}

func startWorker(ctx context.Context, job workerJob) (*worker, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, err
	}
	spec, err := json.Marshal(job)
	if err != nil {
		return nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close() //nolint:errcheck // the child has it
	cmd := exec.CommandContext(ctx, binary)
	cmd.Env = append(os.Environ(), workerVariable+"="+string(spec), "GORACE=atexit_sleep_ms=0")
	cmd.Stdin, cmd.Stderr = read, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, write.Close())
	}
	return &worker{cmd: cmd, stdin: write, stdout: bufio.NewReader(out)}, nil
}

// ready waits until the worker has connected.
func (w *worker) ready() error {
	line, err := w.stdout.ReadString('\n')
	if err != nil || line != workerReady {
		return fmt.Errorf("worker %d is not ready: %q, %w", w.cmd.Process.Pid, line, err)
	}
	return nil
}

// kill ends the process, if it has not ended, and waits for it.
func (w *worker) kill() {
	_ = w.stdin.Close()
	_ = w.cmd.Process.Kill()
	_ = w.cmd.Wait()
}
