package leader_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/redlock"
	"github.com/quorumlock/quorumlock/redlock/fence"
	"github.com/quorumlock/quorumlock/redlock/leader"
	"github.com/redis/go-redis/v9"
)

// candidateVariable is the environment variable that makes this program a candidate in a process of its own.
const candidateVariable = "REDLOCK_LEADER_CANDIDATE"

// journal is the list on the data server to which leaders write their tokens.
const journal = "journal"

// A candidateSpec is all that a candidate has to know.
type candidateSpec struct {
	Name  string        `json:"name"`
	Nodes []string      `json:"nodes"`
	Data  string        `json:"data"`
	TTL   time.Duration `json:"ttl"`
	Naive bool          `json:"naive"` // a loop over SET NX PX on the first node
}

// A moment is what a candidate tells of a term.
type moment struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"` // "start"; "end" of the context; "waiting"; "refused": a write with an old token
	Token uint64 `json:"token"`
	At    int64  `json:"at"` // ns since 1970: all processes are on this machine
}

// A candidate campaigns until there is nothing more on its standard input; a line there lets it resign.
type candidate struct {
	candidateSpec
	data  *redis.Client
	guard *fence.Redis
	write *fence.Script

	mu  sync.Mutex
	out *json.Encoder
}

// runCandidate does a candidate's work if this program has been started as one, and reports whether it has.
func runCandidate(stdin io.Reader, stdout io.Writer) (ran bool, err error) {
	text, asked := os.LookupEnv(candidateVariable)
	if !asked {
		return false, nil
	}
	c := &candidate{out: json.NewEncoder(stdout)}
	if err := json.Unmarshal([]byte(text), &c.candidateSpec); err != nil {
		return true, err
	}
	c.data = redis.NewClient(&redis.Options{Addr: c.Data, MaxRetries: -1})
	if c.guard, err = fence.NewRedis(c.data); err != nil {
		return true, err
	}
	if c.write, err = fence.NewScript("return redis.call('RPUSH', KEYS[1], ARGV[1])"); err != nil {
		return true, err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	resign := make(chan struct{})
	go func() {
		defer stop()
		for lines := bufio.NewScanner(stdin); lines.Scan(); {
			resign <- struct{}{}
		}
	}()
	if c.Naive {
		return true, c.naive(ctx, resign)
	}
	return true, c.campaign(ctx, resign)
}

// campaign is what a program does with package leader.
func (c *candidate) campaign(ctx context.Context, resign <-chan struct{}) error {
	urls := make([]string, len(c.Nodes))
	for i, addr := range c.Nodes {
		urls[i] = "redis://" + addr
	}
	locker, err := redlock.Open(ctx, urls, redlock.WithTTL(c.TTL), redlock.WithHolder(c.Name),
		redlock.WithHooks(redlock.Hooks{Held: func(redlock.HeldEvent) { c.say("waiting", 0) }}))
	if err != nil {
		return err
	}
	defer func() { _ = locker.Close() }()
	e, err := leader.New(locker, role, leader.WithBackoff(c.TTL/2, c.TTL))
	if err != nil {
		return err
	}
	go func() {
		for range resign {
			_ = e.Resign(ctx)
		}
	}()
	err = e.Run(ctx, func(ctx context.Context, term leader.Term) error {
		c.lead(ctx, term.Token, func() error {
			return c.guard.Run(context.Background(), c.write, journal, term.Token, []string{journal}, term.Token).Err()
		})
		return nil
	})
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// lead writes until the context ends, and once more: a write that was on its way.
func (c *candidate) lead(ctx context.Context, token uint64, write func() error) {
	c.say("start", token)
	told := make(chan struct{})
	context.AfterFunc(ctx, func() {
		c.say("end", token)
		close(told)
	})
	act := func() {
		if err := write(); errors.Is(err, fence.ErrStale) {
			c.say("refused", token)
		}
	}
	for ctx.Err() == nil {
		act()
		timer := time.NewTimer(5 * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	act()
	<-told
}

// stamp is the time on the clock that all processes of this machine share. It does not step, as the time of day does.
func stamp() int64 { return int64(clock.System().Now()) }

func (c *candidate) say(kind string, token uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.out.Encode(moment{Name: c.Name, Kind: kind, Token: token, At: stamp()})
}

// naive is the loop that one finds in many programs: a key with a TTL on one server, a counter for the terms,
// renewal by PEXPIRE, and a look at the key every third of the TTL.
func (c *candidate) naive(ctx context.Context, resign <-chan struct{}) error {
	node := redis.NewClient(&redis.Options{Addr: c.Nodes[0], MaxRetries: -1})
	defer func() { _ = node.Close() }()
	for ctx.Err() == nil {
		won, err := node.SetNX(ctx, role, c.Name, c.TTL).Result()
		if err != nil || !won {
			c.say("waiting", 0)
			select {
			case <-time.After(c.TTL / 3):
			case <-resign: // it does not lead
			case <-ctx.Done():
			}
			continue
		}
		term, err := node.Incr(ctx, "terms").Result()
		if err != nil {
			return fmt.Errorf("counting terms: %w", err)
		}
		c.reign(ctx, node, uint64(term), resign) //nolint:gosec // a counter
	}
	return nil
}

// reign is one term of the naive loop.
func (c *candidate) reign(ctx context.Context, node *redis.Client, term uint64, resign <-chan struct{}) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	resigned := false
	var renewal sync.WaitGroup
	renewal.Go(func() {
		defer cancel()
		for {
			select {
			case <-time.After(c.TTL / 3):
				if kept, err := node.PExpire(ctx, role, c.TTL).Result(); err != nil || !kept {
					return
				}
			case <-resign:
				resigned = true
				return
			case <-ctx.Done():
				return
			}
		}
	})
	c.lead(ctx, term, func() error { return c.data.RPush(context.Background(), journal, term).Err() })
	renewal.Wait()
	if resigned {
		_ = node.Del(context.Background(), role).Err()
		<-time.After(c.TTL) // others come first
	}
}
