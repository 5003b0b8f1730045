package redlock_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a crew may be silent, on a busy machine.
const patience = time.Minute

// A crew is processes of this program that take locks, as the proof sees them.
type crew struct {
	t        *testing.T
	members  []*hand
	reports  chan report
	over     chan struct{} // closed once nobody listens to reports
	everyone sync.WaitGroup
}

// A hand is one of a crew.
type hand struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	words bytes.Buffer // what it says on its standard error
}

// newCrew starts a process for each job, and lets all begin once all are connected.
func newCrew(t *testing.T, jobs []job) *crew {
	t.Helper()
	c := &crew{t: t, reports: make(chan report, 1000), over: make(chan struct{})}
	t.Cleanup(c.end)
	for id, j := range jobs {
		j.ID = id
		c.start(j)
	}
	for range jobs {
		if r := c.next(); r.What != ready {
			t.Fatalf("the first word of process %d: %+v", r.Member, r)
		}
	}
	for id := range jobs {
		c.tell(id, begin)
	}
	return c
}

func (c *crew) start(j job) {
	c.t.Helper()
	text, err := json.Marshal(j)
	must(c.t, err)
	self, err := os.Executable()
	must(c.t, err)
	h := &hand{cmd: exec.Command(self)}
	h.cmd.Env = append(os.Environ(), jobVariable+"="+string(text), "GORACE=atexit_sleep_ms=0")
	h.cmd.Stderr = &h.words
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	h.stdin, err = h.cmd.StdinPipe()
	must(c.t, err)
	out, err := h.cmd.StdoutPipe()
	must(c.t, err)
	started := make(chan error, 1)
	c.everyone.Go(func() { c.live(j.ID, h, out, started) })
	must(c.t, <-started)
	c.members = append(c.members, h)
}

// live owns a process from its start to its end, on one locked thread: Linux kills a child when the thread that
// made it exits.
func (c *crew) live(id int, h *hand, out io.Reader, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := h.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	finished := false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var r report
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			r = report{Member: id, What: gone, Err: fmt.Sprintf("it wrote %q", lines.Bytes())}
		}
		finished = finished || r.What == tallied
		c.hand(r)
	}
	err = h.cmd.Wait()
	if err == nil && !finished {
		err = errors.New("it ended before it was told to")
	}
	if err != nil {
		c.hand(report{Member: id, What: gone, Err: fmt.Sprintf("%v\n%s", err, h.words.String())})
	}
}

// hand passes a report on, unless nobody listens any more.
func (c *crew) hand(r report) {
	select {
	case c.reports <- r:
	case <-c.over:
	}
}

// next returns the next report of any member.
func (c *crew) next() report {
	c.t.Helper()
	select {
	case r := <-c.reports:
		if r.What == gone {
			c.t.Fatalf("process %d: %s", r.Member, r.Err)
		}
		return r
	case <-time.After(patience):
		c.t.Fatalf("%d processes said nothing for %v", len(c.members), patience)
	}
	panic("unreachable")
}

// tell gives a member an order.
func (c *crew) tell(id int, order string) {
	c.t.Helper()
	_, err := io.WriteString(c.members[id].stdin, order+"\n")
	must(c.t, err)
}

// signal sends a signal to a member.
func (c *crew) signal(id int, s syscall.Signal) {
	c.t.Helper()
	must(c.t, c.members[id].cmd.Process.Signal(s))
}

// dismiss tells all to stop, and tells see of all reports until they have.
func (c *crew) dismiss(see func(report)) {
	c.t.Helper()
	for _, h := range c.members {
		must(c.t, h.stdin.Close())
	}
	for left := len(c.members); left > 0; {
		r := c.next()
		if r.What == tallied {
			left--
		}
		see(r)
	}
}

// end kills who has not ended, and waits for it.
func (c *crew) end() {
	close(c.over)
	for _, h := range c.members {
		_ = h.cmd.Process.Kill() // also a stopped one
	}
	c.everyone.Wait()
}
