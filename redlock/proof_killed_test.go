package redlock_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/redlock"
	"github.com/redis/go-redis/v9"
)

// holderVariable turns the test binary into a process that takes a lock, says so, and holds it until it is killed:
// its value is the lock's name, its TTL, and the nodes' URLs.
const holderVariable = "REDLOCK_TEST_HOLDER"

// playHolder plays that process, if this is one.
func playHolder() (played bool, code int) {
	spec := strings.Fields(os.Getenv(holderVariable))
	if len(spec) < 3 {
		return false, 0
	}
	ttl, err := time.ParseDuration(spec[1])
	if err == nil {
		err = holdForEver(spec[0], ttl, spec[2:])
	}
	fmt.Fprintln(os.Stderr, err)
	return true, 1
}

func holdForEver(name string, ttl time.Duration, urls []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // whoever is not killed must not stay
	defer cancel()
	l, err := redlock.Open(ctx, urls, redlock.WithTTL(ttl))
	if err != nil {
		return err
	}
	lease, err := l.Acquire(ctx, name)
	if err != nil {
		return err
	}
	fmt.Println("held")
	select {
	case <-lease.Context().Done():
		return context.Cause(lease.Context())
	case <-ctx.Done():
		return errors.New("was not killed")
	}
}

// startHolder starts a process that holds a lock, and returns how to kill it.
func (l *lab) startHolder(name string, ttl time.Duration) (kill func()) {
	l.t.Helper()
	spec := []string{name, ttl.String()}
	for _, server := range l.servers {
		spec = append(spec, "redis://"+server.Addr())
	}
	cmd := exec.CommandContext(l.t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), holderVariable+"="+strings.Join(spec, " "))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(l.t, err)
	must(l.t, cmd.Start())
	kill = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		kill()
		l.t.Fatalf("the holder said %q, %v", line, err)
	}
	return kill
}

// runsOut is when enough nodes to win will have let go of a key, by what they say now.
func (l *lab) runsOut(name string) time.Time {
	l.t.Helper()
	now := time.Now()
	left := make([]time.Duration, 0, len(l.admin))
	for _, admin := range l.admin {
		pttl, err := admin.PTTL(context.Background(), name).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			l.t.Fatal(err)
		}
		left = append(left, max(pttl, 0))
	}
	// In the order of sorted times, the one that makes a majority of nodes free.
	return now.Add(quantile(left, float64(len(left)/2)/float64(len(left))))
}

// When a holder is killed, whoever waits has the lock as soon as its time on the nodes is over, and not before.
func TestProveAKilledHoldersLockIsTaken(t *testing.T) {
	const ttl = 2 * time.Second
	lab := newLab(t, 5)
	waiter := lab.direct(redlock.WithTTL(ttl))
	latest, earliest := time.Duration(0), time.Hour
	for i := range scaled(2, 50) {
		name := fmt.Sprint("killed-", i)
		kill := lab.startHolder(name, ttl)
		var at time.Time
		var taken sync.WaitGroup
		taken.Go(func() {
			lease, err := waiter.Acquire(t.Context(), name)
			at = time.Now()
			if err != nil {
				t.Errorf("the waiter: %v", err)
				return
			}
			giveBack(t, lease)
		})
		<-time.After(time.Duration(300+14*i) * time.Millisecond) // past a renewal, at different times after it
		kill()
		free := lab.runsOut(name)
		taken.Wait()
		late := at.Sub(free)
		latest, earliest = max(latest, late), min(earliest, late)
	}
	t.Logf("taken from %v to %v after the end of its time on the nodes", earliest, latest)
	// The nodes tell whole milliseconds, rounded, and one after the other.
	if slack := -20 * time.Millisecond; earliest < slack {
		t.Errorf("taken %v before its time on the nodes was over", -earliest)
	}
	within(t, "taken after the holder's time on the nodes", latest, 100*time.Millisecond)
}
