package peers

import (
	"context"
	_ "embed" // the script
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/benchmarks"
)

// Floor is the least that Redlock can cost over this client library: concurrent questions to a node are sent
// together, and a majority of answers is waited for. Nothing is renewed, undone, bounded in time or accounted
// for, so that it is no lock to use. With batches all questions go into one script call, without them each is a
// call of its own in one pipeline; the faster of the two is the floor.
func Floor(batches bool) benchmarks.Subject { return floorSubject{batches: batches} }

type floorSubject struct{ batches bool }

func (s floorSubject) Name() string {
	if s.batches {
		return "floor batched"
	}
	return "floor pipelined"
}

func (s floorSubject) About() string {
	if s.batches {
		return "no lock: a bare fan-out, where concurrent questions to a node share one script call"
	}
	return "no lock: a bare fan-out, where concurrent questions to a node are script calls in one pipeline"
}

func (floorSubject) Fits(int) bool { return true }

// LoadOnly says that it cannot wait, nor do without a node.
func (floorSubject) LoadOnly() {}

//go:embed floor.lua
var floorScript string

func (s floorSubject) Open(ctx context.Context, site benchmarks.Site) (benchmarks.Client, error) {
	c := &floorClient{ttl: site.TTL.Milliseconds(), prefix: strconv.FormatInt(time.Now().UnixNano(), 36) + "-"}
	for _, addr := range site.Addrs {
		n := &floorNode{
			client: redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1, PoolSize: 1}),
			queue:  make(chan floorOp, 4*mostInBatch), batches: s.batches,
		}
		c.nodes = append(c.nodes, n)
		sha, err := n.client.ScriptLoad(ctx, floorScript).Result()
		n.sha = sha
		c.work.Go(n.serve)
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return c, nil
}

type floorClient struct {
	nodes  []*floorNode
	ttl    int64
	prefix string
	last   atomic.Int64
	work   sync.WaitGroup
}

// A floorOp is one question to one node.
type floorOp struct {
	kind, key, value string
	ttl              int64
	answer           chan<- bool // has room for all nodes
}

var errNoMajority = errors.New("floor: no majority")

func (c *floorClient) Acquire(_ context.Context, name string) (benchmarks.Hold, error) {
	h := &floorHold{c, name, c.prefix + strconv.FormatInt(c.last.Add(1), 36)}
	if err := h.ask("a"); err != nil {
		return nil, errors.Join(err, h.giveUp())
	}
	return h, nil
}

func (c *floorClient) Close() error {
	for _, n := range c.nodes {
		close(n.queue)
	}
	c.work.Wait()
	var errs []error
	for _, n := range c.nodes {
		errs = append(errs, n.client.Close())
	}
	return errors.Join(errs...)
}

type floorHold struct {
	client    *floorClient
	key, held string
}

func (h *floorHold) Extend(context.Context) error  { return h.ask("e") }
func (h *floorHold) Release(context.Context) error { return h.ask("r") }

// giveUp releases what a miss has left. That it is no majority is known.
func (h *floorHold) giveUp() error {
	if err := h.ask("r"); !errors.Is(err, errNoMajority) {
		return err
	}
	return nil
}

// ask asks every node, and waits until a majority has agreed or cannot agree any more.
func (h *floorHold) ask(kind string) error {
	nodes := h.client.nodes
	answers := make(chan bool, len(nodes))
	for _, n := range nodes {
		n.queue <- floorOp{kind: kind, key: h.key, value: h.held, ttl: h.client.ttl, answer: answers}
	}
	yes, no := 0, 0
	for yes <= len(nodes)/2 {
		if no > (len(nodes)-1)/2 {
			return errNoMajority
		}
		if <-answers {
			yes++
		} else {
			no++
		}
	}
	return nil
}

// A floorNode is one server, asked by one goroutine over one connection: what comes while an answer is awaited
// goes together next.
type floorNode struct {
	client  *redis.Client
	sha     string
	queue   chan floorOp
	batches bool
}

const mostInBatch = 128

func (n *floorNode) serve() {
	batch := make([]floorOp, 0, mostInBatch)
	for op := range n.queue {
		batch = n.fill(append(batch[:0], op))
		if n.batches {
			n.call(batch)
		} else {
			n.pipeline(batch)
		}
	}
}

// fill adds what waits.
func (n *floorNode) fill(batch []floorOp) []floorOp {
	for len(batch) < mostInBatch {
		select {
		case op, ok := <-n.queue:
			if !ok {
				return batch
			}
			batch = append(batch, op)
		default:
			return batch
		}
	}
	return batch
}

// notAfter bounds a question that is under way for too long, as every lock's must be.
func notAfter() int64 { return time.Now().Add(time.Second).UnixMicro() }

func (n *floorNode) command(ops []floorOp) *redis.Cmd {
	args := make([]any, 0, 4+4*len(ops))
	args = append(args, "evalsha", n.sha, len(ops))
	for _, op := range ops {
		args = append(args, op.key)
	}
	args = append(args, notAfter())
	for _, op := range ops {
		args = append(args, op.kind, op.value, op.ttl)
	}
	return redis.NewCmd(context.Background(), args...)
}

func (n *floorNode) call(ops []floorOp) {
	cmd := n.command(ops)
	_ = n.client.Process(context.Background(), cmd) // its error is in cmd
	answer(ops, cmd)
}

func (n *floorNode) pipeline(ops []floorOp) {
	cmds := make([]*redis.Cmd, len(ops))
	_, _ = n.client.Pipelined(context.Background(), func(p redis.Pipeliner) error { // errors are in each command
		for i := range ops {
			cmds[i] = n.command(ops[i : i+1])
			_ = p.Process(context.Background(), cmds[i])
		}
		return nil
	})
	for i := range ops {
		answer(ops[i:i+1], cmds[i])
	}
}

// answer tells every asker what came back. An error is a no.
func answer(ops []floorOp, cmd *redis.Cmd) {
	verdicts, err := cmd.Slice()
	for i, op := range ops {
		op.answer <- err == nil && i < len(verdicts) && verdicts[i] == int64(1)
	}
}
