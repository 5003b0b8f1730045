package chaos

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"
)

// A child is a client in a process of its own, as its parent sees it. The child reads from its standard input
// a line when the faults are over, and its end as the word to stop; it writes events to its standard output, and
// a last line once it is done.
type child struct {
	name     string
	recorder *Recorder
	begun    chan struct{} // closed once the process is there, or cannot be
	ended    chan struct{} // closed once it is gone

	cmd   *exec.Cmd
	stdin io.WriteCloser
	words tailWriter // what it says on its standard error
	done  bool       // it has said so
	broke error      // what was wrong with its events or its end; read after ended

	mu     sync.Mutex
	stops  int
	killed bool
}

func newChild(name string, r *Recorder) *child {
	return &child{name: name, recorder: r, begun: make(chan struct{}), ended: make(chan struct{})}
}

// start runs the command with the client's spec.
func (c *child) start(command []string, spec clientSpec) error {
	text, err := json.Marshal(spec)
	if err != nil {
		panic(err) // strings and numbers always have a form
	}
	c.cmd = exec.Command(command[0], command[1:]...)
	c.cmd.Env = append(os.Environ(), clientSpecVariable+"="+string(text))
	c.cmd.Stderr = &c.words
	c.cmd.SysProcAttr = dependent()
	var events io.ReadCloser
	if c.stdin, err = c.cmd.StdinPipe(); err == nil {
		events, err = c.cmd.StdoutPipe()
	}
	if err != nil {
		close(c.ended)
		close(c.begun)
		return err
	}
	started := make(chan error, 1)
	go c.live(started, events)
	return <-started
}

// live owns the process from its start to its end, on one locked thread: Linux kills a child when the *thread*
// that made it exits, so that thread has to outlive it.
func (c *child) live(started chan<- error, events io.Reader) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(c.ended)
	err := c.cmd.Start()
	close(c.begun)
	started <- err
	if err != nil {
		return
	}
	c.broke = c.adopt(events)
	if err := c.cmd.Wait(); err != nil {
		c.broke = errors.Join(c.broke, err)
	}
}

// adopt takes over the events until there are no more. It reads on after one that is wrong, since a child that
// cannot write does not end.
func (c *child) adopt(events io.Reader) error {
	var failed error
	for lines := bufio.NewReader(events); ; {
		text, err := lines.ReadBytes('\n')
		switch {
		case err == nil:
			failed = errors.Join(failed, c.adoptLine(text))
		case c.wasKilled():
			return failed
		case len(text) > 0:
			return errors.Join(failed, fmt.Errorf("its last event is cut off: %q", text))
		case !c.done:
			return errors.Join(failed, errors.New("it ended in the middle of its work"))
		default:
			return failed
		}
	}
}

func (c *child) adoptLine(text []byte) error {
	if string(text) == doneLine {
		c.done = true
		return nil
	}
	event, err := parseEvent(text)
	switch {
	case err != nil:
		return fmt.Errorf("it wrote %q, which is no event: %w", text, err)
	case event.Client != c.name:
		return fmt.Errorf("it wrote an event of %q", event.Client)
	}
	c.recorder.Adopt(event)
	return nil
}

func (c *child) wasKilled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.killed
}

// calm tells the child that the faults are over. One that does not hear it has other problems, which its end
// tells.
func (c *child) calm() { _, _ = io.WriteString(c.stdin, calmLine) }

// end tells the child to stop, waits for that, and kills it if it takes too long.
func (c *child) end(patience time.Duration) error {
	err := c.stdin.Close()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-c.ended:
	case <-timer.C:
		c.mu.Lock()
		c.killed = true
		c.mu.Unlock()
		err = errors.Join(err, fmt.Errorf("it did not end within %v of being told to", patience), c.cmd.Process.Kill())
		<-c.ended
	}
	if err = errors.Join(err, c.broke); err != nil {
		return c.failed(err)
	}
	return nil
}

// failed adds what the child was, how it ended, and its last words. Call it once it has.
func (c *child) failed(err error) error {
	return fmt.Errorf("chaos: process of %s: %w\n%s", c.name, errors.Join(err, c.broke), c.words.String())
}

// stop lets the process stand still.
func (c *child) stop(ctx context.Context) (goOn func() error, err error) {
	select {
	case <-c.begun:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stops == 0 {
		if err := c.signal(stopProcess); err != nil {
			return nil, err
		}
	}
	c.stops++
	return func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.stops--; c.stops > 0 {
			return nil
		}
		return c.signal(continueProcess)
	}, nil
}

func (c *child) signal(send func(*os.Process) error) error {
	if c.cmd == nil || c.cmd.Process == nil {
		return errors.New("the process could not be started")
	}
	return send(c.cmd.Process)
}

// lastWords is how much of what a child says is kept.
const lastWords = 8 << 10

// A tailWriter keeps the end of what is written to it.
type tailWriter struct {
	mu   sync.Mutex
	text []byte
}

func (w *tailWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, p...)
	if extra := len(w.text) - lastWords; extra > 0 {
		w.text = bytes.Clone(w.text[extra:])
	}
	return len(p), nil
}

func (w *tailWriter) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.text)
}
