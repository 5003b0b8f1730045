package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/quorum/quorumtest/redisserver"
)

// A processNode is a server that can be killed and paused. Faults may overlap: it is dead while one kill lasts,
// and a server that comes back while a pause lasts is paused again.
type processNode struct {
	name     string
	server   *redisserver.Server
	recorder *Recorder
	links    []*processLink
	memory   string // the folder of what it keeps on disk

	mu     sync.Mutex
	dead   int
	paused int
	wipe   bool // it has to forget everything when it goes on
}

// prepare learns where the server keeps its memory.
func (n *processNode) prepare(ctx context.Context) error {
	return n.ask(ctx, func(ctx context.Context, c *redis.Client) error {
		config, err := c.ConfigGet(ctx, "*dir*").Result()
		if err != nil {
			return err
		}
		if config["dir"] == "" || config["appenddirname"] == "" {
			return errors.New("the server does not say where it keeps its memory: version 7 does")
		}
		n.memory = filepath.Join(config["dir"], config["appenddirname"])
		return nil
	})
}

// answerLimit is how long a healthy server may take to answer on a busy machine.
const answerLimit = 30 * time.Second

// ask talks to the server itself.
func (n *processNode) ask(ctx context.Context, question func(context.Context, *redis.Client) error) error {
	if !n.server.Alive() {
		return errors.New("the server is down")
	}
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	c := redis.NewClient(&redis.Options{Addr: n.server.Addr(), ReadTimeout: answerLimit, ContextTimeoutEnabled: true})
	defer func() { _ = c.Close() }() // it has answered
	return question(ctx, c)
}

func (n *processNode) fault(ctx context.Context, f Fault) (mend func() error, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	ctx = context.WithoutCancel(ctx) // what was broken is mended also when the run was ended
	switch f.Kind {
	case Kill, KillWiped:
		return n.kill(ctx, f.Kind)
	case Wipe:
		return func() error { return nil }, n.forget(ctx)
	case Pause:
		return n.pause(ctx)
	}
	return nil, fmt.Errorf("%w: %s", ErrCannot, f.Kind)
}

// kill needs mu, and so do the next ones.
func (n *processNode) kill(ctx context.Context, kind FaultKind) (mend func() error, err error) {
	before := n.count((*processLink).refused)
	if err := n.server.Kill(); err != nil {
		return nil, err
	}
	if n.server.Alive() {
		return nil, errors.New("the server was killed and is alive")
	}
	n.dead++
	if n.wipe = n.wipe || kind == KillWiped; n.wipe {
		if err := n.forget(ctx); err != nil {
			return nil, err
		}
	}
	return func() error {
		n.mu.Lock()
		defer n.mu.Unlock()
		err := n.revive(ctx)
		n.met(kind, n.count((*processLink).refused) > before)
		return err
	}, nil
}

// revive ends a kill.
func (n *processNode) revive(ctx context.Context) error {
	if n.dead--; n.dead > 0 {
		return nil
	}
	if err := n.server.Restart(ctx); err != nil {
		return err
	}
	if n.paused > 0 {
		return n.server.Pause()
	}
	return nil
}

// forget empties the server: what is on disk, if it is dead, and later, if it stands still.
func (n *processNode) forget(ctx context.Context) error {
	switch {
	case n.dead > 0:
		n.wipe = false
		return os.RemoveAll(n.memory)
	case n.paused > 0:
		n.wipe = true
		return nil
	}
	n.wipe = false
	return n.ask(ctx, func(ctx context.Context, c *redis.Client) error { return c.FlushAll(ctx).Err() })
}

func (n *processNode) pause(ctx context.Context) (mend func() error, err error) {
	before := n.count((*processLink).commands)
	if n.paused++; n.paused == 1 && n.dead == 0 {
		if err := n.server.Pause(); err != nil {
			n.paused--
			return nil, err
		}
	}
	return func() error {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.met(Pause, n.count((*processLink).commands) > before)
		return n.resume(ctx)
	}, nil
}

// resume ends a pause.
func (n *processNode) resume(ctx context.Context) error {
	if n.paused--; n.paused > 0 || n.dead > 0 {
		return nil
	}
	if err := n.server.Resume(); err != nil {
		return err
	}
	if n.wipe {
		return n.forget(ctx)
	}
	return n.ask(ctx, func(ctx context.Context, c *redis.Client) error { return c.Ping(ctx).Err() })
}

// count sums up over the ways to the node.
func (n *processNode) count(what func(*processLink) int) int {
	sum := 0
	for _, l := range n.links {
		sum += what(l)
	}
	return sum
}

// met tells that an operation met the fault, if one did.
func (n *processNode) met(kind FaultKind, did bool) {
	if did {
		n.recorder.Append(Event{Kind: FaultMet, Fault: kind, Node: n.name})
	}
}

// recordPrefix begins the keys under which this project's lock keeps records on the nodes that are no locks.
const recordPrefix = "redlock:"

// keys returns every lock, as what was [Found].
func (n *processNode) keys(ctx context.Context) (found []Event, err error) {
	err = n.ask(ctx, func(ctx context.Context, c *redis.Client) error {
		list := c.Scan(ctx, 0, "", 0).Iterator()
		for list.Next(ctx) {
			if strings.HasPrefix(list.Val(), recordPrefix) {
				continue
			}
			e, there, err := n.key(ctx, c, list.Val())
			if err != nil {
				return err
			}
			if there {
				found = append(found, e)
			}
		}
		return list.Err()
	})
	return found, err
}

// key returns what is under the key, if it is still there.
func (n *processNode) key(ctx context.Context, c *redis.Client, key string) (e Event, there bool, err error) {
	var (
		value *redis.StringCmd
		left  *redis.DurationCmd
	)
	_, err = c.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		value, left = pipe.Get(ctx, key), pipe.PTTL(ctx, key)
		return nil
	})
	switch {
	case errors.Is(err, redis.Nil):
		return Event{}, false, nil
	case err != nil:
		return Event{}, false, fmt.Errorf("key %q: %w", key, err)
	}
	return Event{Kind: Found, Node: n.name, Name: key, Value: value.Val(), Remaining: max(left.Val(), -1)}, true, nil
}
