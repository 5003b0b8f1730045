package chaos

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/clock"
)

// clientSpecVariable is the environment variable that makes a program a client, and tells it which.
const clientSpecVariable = "REDLOCK_CHAOS_CLIENT"

// calmLine is what a client is told when the faults are over, and doneLine what it says when it has done all.
const (
	calmLine = "calm\n"
	doneLine = "done\n"
)

// A clientSpec is all that a client in a process of its own has to know.
type clientSpec struct {
	Client    int           `json:"client"`
	Clients   int           `json:"clients"`
	Load      string        `json:"load"`
	Locks     []string      `json:"locks"`
	TTL       time.Duration `json:"ttl"`
	Addresses []string      `json:"addresses"`
	Origin    time.Duration `json:"origin"`
	Seed      uint64        `json:"seed"`
}

// RunClient does the work of one client if [SeparateProcesses] have started this program as one, and reports
// whether that is so. A program that may become a client calls it before it does anything else, and ends
// after it:
//
//	func TestMain(m *testing.M) {
//		if ran, err := chaos.RunClient(loads); err != nil {
//			log.Fatal(err)
//		} else if ran {
//			os.Exit(0)
//		}
//		os.Exit(m.Run())
//	}
//
// loads are what clients can do, by the name of the scenario: of each, Open and Work matter here. The other
// fields are the scenario's, in the process that runs it.
//
// The client's lock goes by [clock.System]. The work ends when the standard input does, at the latest with the
// process that runs the scenario. Nothing else may write to the standard output.
func RunClient(loads map[string]Load) (ran bool, err error) {
	text, asked := os.LookupEnv(clientSpecVariable)
	if !asked {
		return false, nil
	}
	var spec clientSpec
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		return true, fmt.Errorf("chaos: %s: %w", clientSpecVariable, err)
	}
	load, known := loads[spec.Load]
	if !known {
		return true, fmt.Errorf("chaos: this program has no load for scenario %q", spec.Load)
	}
	return true, spec.run(load, os.Stdin, os.Stdout)
}

// run works until there is nothing more on stdin.
func (s clientSpec) run(load Load, stdin io.Reader, stdout io.Writer) error {
	if errNoTimeLine != nil {
		return errNoTimeLine
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	calm := make(chan struct{})
	go func() {
		defer stop()
		listen(stdin, calm)
	}()
	load.Clients, load.Locks, load.TTL = s.Clients, s.Locks, s.TTL
	load = Scenario{Load: load}.orDefault().Load
	r := NewRecorder(func() time.Duration { return monotonic() - s.Origin }, stdout)
	c, err := newClient(s.member(), load, s.Seed, r, calm)
	if err != nil {
		return err
	}
	load.Work(ctx, c)
	err = c.close()
	<-ctx.Done() // who ends before that has crashed, as far as the run can tell
	if err := errors.Join(err, r.Err()); err != nil {
		return err
	}
	_, err = io.WriteString(stdout, doneLine)
	return err
}

// member is the client's place in the run.
func (s clientSpec) member() Member {
	m := Member{Client: s.Client, Clock: clock.System()}
	for _, addr := range s.Addresses {
		m.Redis = append(m.Redis, &redis.Options{Addr: addr})
	}
	return m
}

// listen hears that the faults are over, and returns when the client has to stop.
func listen(stdin io.Reader, calm chan<- struct{}) {
	lines := bufio.NewReader(stdin)
	if line, err := lines.ReadString('\n'); err != nil || line != calmLine {
		return
	}
	close(calm)
	_, _ = lines.ReadString('\n') // there is none: this is the end
}
