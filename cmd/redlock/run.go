package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"time"

	"github.com/quorumlock/quorumlock/redlock"
)

// What to do with the command if the lease is lost.
const (
	onLostKill = "kill"
	onLostWarn = "warn"
)

type runCmd struct {
	nodesFlag
	TTL       time.Duration `name:"ttl" default:"10s" placeholder:"10s" help:"How long the nodes keep the lock without renewal: how long others wait if this machine dies."`
	Wait      time.Duration `placeholder:"0s" help:"How long to wait for the lock. 0s is one try."`
	MinHold   time.Duration `placeholder:"0s" help:"Keep the lock for at least so long, also if the command is done earlier."`
	MaxTTL    time.Duration `name:"max-ttl" default:"30s" help:"The most that --ttl and --min-hold may be, the same for all clients of these nodes."`
	EvenNodes bool          `help:"Allow an even number of nodes, which survives no more failures than one node fewer."`
	OnLost    string        `enum:"kill,warn" default:"kill" help:"What happens to the command if the lease is lost: kill it, or warn and let it go on."`
	KillAfter time.Duration `default:"10s" help:"How long a command that is to be killed has between SIGTERM and SIGKILL."`
	jsonFlag
	Name    string   `arg:"" help:"Name of the lock."`
	Command []string `arg:"" help:"The command and its arguments, behind --."`
}

// Help is what --help adds.
func (runCmd) Help() string {
	return `The lock is taken, the command runs, the lock is renewed while it does, and released when it has ended. The command is looked for before the lock is asked for, and connections to the nodes are opened, for a second at most, before --wait begins. It has the standard input, output and error of redlock, and sees the name of the lock as REDLOCK_NAME.

Signals that redlock gets are passed on: INT, TERM, HUP and QUIT to the command and what it started, USR1, USR2, WINCH and CONT to the command alone. Ctrl-Z has no effect, since a lock that is not renewed is lost. What the command leaves running in the background is not protected by the lock any more once the command itself has ended.

If the lease is lost, because too few nodes confirmed it in time or somebody took it away, --on-lost=kill sends SIGTERM to the command and all that it started (its process group), and SIGKILL to those that still run after --kill-after. Others may have the lock by then. If redlock itself is killed with SIGKILL, Linux kills the command, though not what it has started; elsewhere it goes on without a lock.

Exit code: the command's own, or 128+n if signal n ended it. 75 if the lock was not acquired, 76 if the lease was lost with --on-lost=kill, 126 if the command cannot be executed, 127 if it does not exist, 2 if the arguments are wrong.

Examples:

    export REDLOCK_NODES=redis://10.0.0.1,redis://10.0.0.2,redis://10.0.0.3
    redlock run nightly-report -- ./report.sh --full
    redlock run --wait 1m deploy -- make deploy
    redlock run --min-hold 20s poll -- curl -fsS https://example.com/poll

With --json, what redlock itself has to say is one JSON document per line on standard error: {"event", "name", ...}, where event is acquired (with votes, validity_ms, waited_ms), lost (error, action: kill or warn), unreleased (error: the lock may stay until its TTL), not_suspended, and last one of exited (exit), not_acquired (error, exit) and failed (error, exit), where exit is the exit code. Arguments that are wrong are told as {"error", "exit"}, without an event.

On Windows, Ctrl-C is the only signal that redlock gets, and the console passes it on to the command, not redlock. There is no SIGTERM: --on-lost=kill ends the command at once, without --kill-after, and not what it started. If redlock itself is killed, the command goes on without a lock.`
}

// Validate says which values break a rule.
func (c runCmd) Validate() error {
	return errors.Join(
		over("--ttl", c.TTL, "--max-ttl", c.MaxTTL),
		over("--min-hold", c.MinHold, "--max-ttl", c.MaxTTL),
		negative("--wait", c.Wait), negative("--min-hold", c.MinHold), negative("--kill-after", c.KillAfter))
}

func over(flag string, d time.Duration, limitFlag string, limit time.Duration) error {
	if d > limit {
		return fmt.Errorf("%s %v is over %s %v", flag, d, limitFlag, limit)
	}
	return nil
}

func negative(flag string, d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("%s %v is negative", flag, d)
	}
	return nil
}

// Run takes the lock, runs the command and gives the lock back.
func (c runCmd) Run(w *world) error {
	say := &teller{out: w.stderr, json: c.JSON, name: c.Name}
	return say.last(c.run(w, say))
}

func (c runCmd) run(w *world, say *teller) error {
	path, err := lookUp(c.Command[0])
	if err != nil {
		return err
	}
	urls, err := c.oddURLs()
	if err != nil {
		return err
	}
	signals := catchSignals()
	defer signals.stop()
	locker, err := c.open(w.ctx, urls, signals)
	if err != nil {
		return err
	}
	defer locker.Close() //nolint:errcheck // the lock is given back, or nothing can be done about it
	lease, err := c.acquire(w.ctx, locker, signals, say)
	if err != nil {
		return err
	}
	defer lease.Release(context.Background()) //nolint:errcheck // it does something after a panic only
	code, err := c.supervise(c.command(w, path), lease, signals, say)
	c.release(lease, say)
	switch {
	case say.lostAlready && c.OnLost == onLostKill:
		return exitWith(exitLost, nil)
	case err != nil:
		return err
	}
	return exitWith(code, nil)
}

// lookUp finds the command, as a shell would.
func lookUp(command string) (string, error) {
	path, err := exec.LookPath(command)
	switch {
	case err == nil:
		return path, nil
	case errors.Is(err, exec.ErrDot):
		return "", exitWith(exitNoCommand, fmt.Errorf("%q is in this folder: write ./%s to mean that one", command, command))
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return "", exitWith(exitNoCommand, fmt.Errorf("%q: no such command", command))
	}
	return "", exitWith(exitNoExecutable, fmt.Errorf("%q cannot be executed: %w", command, errors.Unwrap(err)))
}

// oddURLs returns the URLs of the nodes, which are of an odd number or explicitly wanted so.
func (c runCmd) oddURLs() ([]string, error) {
	urls, err := c.urls()
	if err != nil {
		return nil, err
	}
	if n := len(urls); n%2 == 0 && !c.EvenNodes {
		return nil, exitWith(exitUsage, fmt.Errorf(
			"%d nodes: an even number survives no more failures than %d would; use an odd one, or --even-nodes", n, n-1))
	}
	return urls, nil
}

// open opens connections first: on one that has to be made yet, the only try may be too late for the time
// that a node has to answer.
func (c runCmd) open(ctx context.Context, urls []string, signals *signals) (locker *redlock.Locker, err error) {
	err = signals.interrupting(ctx, func(ctx context.Context) (err error) {
		locker, err = redlock.Open(ctx, urls, redlock.WithEvenNodes(),
			redlock.WithTTL(c.TTL), redlock.WithMaxTTL(c.MaxTTL), redlock.WithMinHold(c.MinHold))
		return err
	})
	if err != nil && locker != nil {
		_ = locker.Close() // it holds nothing
	}
	return locker, err
}

// acquire takes the lock. A signal that would end the command ends the waiting for it.
func (c runCmd) acquire(ctx context.Context, locker *redlock.Locker, signals *signals, say *teller) (lease *redlock.Lease, err error) {
	started := time.Now()
	err = signals.interrupting(ctx, func(ctx context.Context) (err error) {
		lease, err = c.ask(ctx, locker)
		return err
	})
	if err != nil {
		if lease != nil { // it came at the same time as the signal
			c.release(lease, say)
		}
		return nil, notAcquired(err)
	}
	say.acquired(lease, time.Since(started))
	return lease, nil
}

// ask tries once, or for as long as is wanted.
func (c runCmd) ask(ctx context.Context, locker *redlock.Locker) (*redlock.Lease, error) {
	if c.Wait == 0 {
		return locker.TryAcquire(ctx, c.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, c.Wait)
	defer cancel()
	return locker.Acquire(ctx, c.Name)
}

// notAcquired says shortly why there is no lease.
func notAcquired(err error) error {
	held, isHeld := errors.AsType[*redlock.HeldError](err)
	switch {
	case isHeld:
		return exitWith(exitNotAcquired, fmt.Errorf("not acquired: %s", describeHeld(held)))
	case errors.Is(err, redlock.ErrNoQuorum), errors.Is(err, context.DeadlineExceeded):
		return exitWith(exitNotAcquired, fmt.Errorf("not acquired: %s", explain(err)))
	}
	return err
}

// describeHeld is what a person wants to know of a held lock.
func describeHeld(held *redlock.HeldError) string {
	if held.Split {
		return fmt.Sprintf("%q is contended, and nobody has a majority yet", held.Name)
	}
	text := fmt.Sprintf("%q is held by %s", held.Name, someone(held.Holder))
	if held.RetryAfter > 0 {
		text += fmt.Sprintf(", for up to %v more unless it is renewed", held.RetryAfter.Round(100*time.Millisecond))
	}
	return text
}

// release gives the lock back.
func (c runCmd) release(lease *redlock.Lease, say *teller) {
	switch err := lease.Release(context.Background()); {
	case errors.Is(err, redlock.ErrLost):
		say.lost(err, c.OnLost)
	case err != nil:
		say.unreleased(err)
	}
}
