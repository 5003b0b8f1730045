package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"time"

	"github.com/quorumlock/quorumlock/redlock"
)

// nameVariable tells the command which lock protects it.
const nameVariable = "REDLOCK_NAME"

// command prepares the command.
func (c runCmd) command(w *world, path string) *exec.Cmd {
	cmd := exec.Command(path, c.Command[1:]...) //nolint:gosec // to run what the user says is its purpose
	cmd.Args[0] = c.Command[0]
	cmd.Env = withVariable(os.Environ(), nameVariable, c.Name)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = w.stdin, w.stdout, w.stderr
	cmd.WaitDelay = time.Second // for what is not a file, and held open by something the command left behind
	return cmd
}

// withVariable returns the environment with one variable set.
func withVariable(environ []string, name, value string) []string {
	changed := make([]string, 0, len(environ)+1)
	for _, entry := range environ {
		if !strings.HasPrefix(entry, name+"=") {
			changed = append(changed, entry)
		}
	}
	return append(changed, name+"="+value)
}

// supervise runs the command to its end, passes signals on and sees what becomes of the lease. It
// returns the command's exit code, or why it could not be started.
func (c runCmd) supervise(cmd *exec.Cmd, lease *redlock.Lease, signals *signals, say *teller) (int, error) {
	child, err := startChild(cmd)
	if err != nil {
		return 0, notStarted(c.Command[0], err)
	}
	defer child.restoreTerminal()
	lost := lease.Context().Done()
	var kill <-chan time.Time // once the command is to end
	for {
		select {
		case <-child.ended:
			child.awaitGroup(kill)
			return child.exitCode(), nil
		case sig := <-signals.caught:
			child.pass(sig)
		case <-child.stopped:
			if child.goOn() {
				say.notSuspended()
			}
		case <-lost:
			lost = nil
			say.lost(context.Cause(lease.Context()), c.OnLost)
			if c.OnLost == onLostKill {
				child.terminate()
				kill = time.After(c.KillAfter)
			}
		case <-kill:
			child.killGroup()
			<-child.ended // nothing can delay that any more
			return child.exitCode(), nil
		}
	}
}

// notStarted is the error of a command that was found and still cannot be run.
func notStarted(command string, err error) error {
	code := exitNoExecutable
	if errors.Is(err, fs.ErrNotExist) {
		code = exitNoCommand // its interpreter, if not itself
	}
	if inner, ok := errors.AsType[*fs.PathError](err); ok {
		err = inner.Err
	}
	return exitWith(code, fmt.Errorf("%q cannot be executed: %w", command, err))
}

// signals are those that redlock catches, for as long as there is something to protect.
type signals struct{ caught chan os.Signal }

// catchSignals catches them, but for those that whoever started redlock had ignored, as nohup does: they
// stay so, for the command too.
func catchSignals() *signals {
	s := &signals{caught: make(chan os.Signal, 16)}
	for _, sig := range caughtSignals {
		if !signal.Ignored(sig) {
			signal.Notify(s.caught, sig)
		}
	}
	return s
}

func (s *signals) stop() { signal.Stop(s.caught) }

// interrupting does something, and breaks it off for a signal that asks to end. The error is then the one
// to exit with, even if do had none.
func (s *signals) interrupting(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	signalled := make(chan error, 1)
	go func() {
		signalled <- s.awaitEnd(ctx)
		cancel()
	}()
	err := do(ctx)
	cancel()
	return cmp.Or(<-signalled, err)
}

// awaitEnd waits for a signal that asks to end, until ctx ends. It returns the error to exit with then.
func (s *signals) awaitEnd(ctx context.Context) error {
	for {
		select {
		case sig := <-s.caught:
			if code, end := endSignal(sig); end {
				return exitWith(code, nil)
			}
		case <-ctx.Done():
			return nil
		}
	}
}
