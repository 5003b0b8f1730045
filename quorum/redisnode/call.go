package redisnode

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/quorum"
)

// A call is one operation on its way to the server.
type call struct {
	op     quorum.Op
	script script
	args   []any // all of ARGV
	answer *quorum.Answer
	absent bool // the server did not know the script
}

// newCall judges op and writes down its arguments. The answer gets the slack that they imply.
func (n *Node) newCall(op quorum.Op, answer *quorum.Answer) (*call, error) {
	if err := validOp(op); err != nil {
		return nil, err
	}
	c := &call{op: op, script: scripts[op.Kind], args: []any{op.Value}, answer: answer}
	switch op.Kind {
	case quorum.Acquire, quorum.Heal:
		limit := int64(0)
		if limited(op) {
			at, slack := n.translate(op.NotAfter)
			limit, answer.Slack = max(1, at.Microseconds()), slack
		}
		c.args = append(c.args, milliseconds(op.TTL), limit)
	case quorum.Extend, quorum.Release:
		c.args = append(c.args, milliseconds(op.TTL))
	}
	return c, nil
}

// limited reports whether op must be refused if it arrives late.
func limited(op quorum.Op) bool {
	return op.NotAfter != 0 && (op.Kind == quorum.Acquire || op.Kind == quorum.Heal)
}

// validOp returns an error that names the rule which op breaks, or nil.
func validOp(op quorum.Op) error {
	if _, ok := scripts[op.Kind]; !ok {
		return fmt.Errorf("unknown kind of operation: %d", op.Kind)
	}
	if op.Kind == quorum.Inspect {
		return nil
	}
	if op.Value == "" {
		return fmt.Errorf("%v without a value", op.Kind)
	}
	if op.TTL < time.Millisecond && !(op.Kind == quorum.Release && op.TTL == 0) {
		return fmt.Errorf("%v for %v: shorter than a millisecond", op.Kind, op.TTL)
	}
	return nil
}

// milliseconds rounds up, so that no key lives for less than was asked.
func milliseconds(d time.Duration) int64 {
	ms := d.Milliseconds()
	if d%time.Millisecond > 0 {
		ms++
	}
	return ms
}

// A form is how a script is named in a command.
type form func(script) (command, argument string)

func bySHA(s script) (command, argument string)    { return "evalsha", s.sha }
func bySource(s script) (command, argument string) { return "eval", s.source }

func (c *call) command(ctx context.Context, as form) *redis.Cmd {
	name, what := as(c.script)
	args := make([]any, 0, 4+len(c.args))
	args = append(args, name, what, 1, c.op.Key)
	return redis.NewCmd(ctx, append(args, c.args...)...)
}

// exchange sends the calls in order, in one round trip, and answers them. It reports whether the
// connection is still good.
func (n *Node) exchange(ctx context.Context, calls []*call, as form) (alive bool) {
	if len(calls) == 0 {
		return true
	}
	cmds := make([]*redis.Cmd, len(calls))
	for i, c := range calls {
		cmds[i] = c.command(ctx, as)
	}
	sent := n.clock.Now()
	err := n.roundTrip(ctx, cmds)
	seen := sample{sent: sent, received: n.clock.Now()}
	for i, c := range calls {
		n.settle(ctx, c, cmds[i], err)
	}
	n.learnFrom(seen, calls)
	return err == nil || errors.Is(err, redis.Nil) || fromServer(err)
}

// roundTrip returns the error of the round trip as a whole; commands also have errors of their own.
func (n *Node) roundTrip(ctx context.Context, cmds []*redis.Cmd) error {
	if len(cmds) == 1 {
		return n.client.Process(ctx, cmds[0])
	}
	pipe := n.client.Pipeline()
	for _, cmd := range cmds {
		_ = pipe.Process(ctx, cmd) // queues it
	}
	_, err := pipe.Exec(ctx)
	return err
}

// settle turns the outcome of cmd into c's answer. The client library leaves commands untouched if
// the server refused the connection itself; then the round trip's error is theirs.
func (n *Node) settle(ctx context.Context, c *call, cmd *redis.Cmd, roundTrip error) {
	reply, err := cmd.Result()
	if err == nil && reply == nil {
		err = roundTrip
	}
	c.absent = redis.HasErrorPrefix(err, "NOSCRIPT")
	slack := c.answer.Slack
	if err == nil {
		*c.answer, err = parseReply(c.op.Kind, reply)
	}
	if err != nil {
		*c.answer = quorum.Answer{Err: n.failure(ctx, err)}
	}
	c.answer.Slack = slack
}

// learnFrom takes the server's time from the first answer, as it was read closest to the send, or
// from one that was late: then either the sample which set its limit is wrong, or the request was
// slow and the next sample will be better.
func (n *Node) learnFrom(seen sample, calls []*call) {
	late := false
	for _, c := range calls {
		now := c.answer.Verdict == quorum.Late
		if c.answer.Answered() && (seen.node == 0 || now && !late) {
			seen.node, late = c.answer.NodeTime, now
		}
	}
	if seen.node != 0 {
		n.learn(seen, late)
	}
}

// unknown returns the calls to make again since the server did not know their scripts. An operation
// behind one of those on the same key goes again as well, to keep the order: it is idempotent.
func unknown(calls []*call) []*call {
	var again []*call
	keys := make(map[string]bool)
	for _, c := range calls {
		if c.absent || keys[c.op.Key] {
			keys[c.op.Key] = true
			again = append(again, c)
		}
	}
	return again
}

// failure makes err the node's: without what the server echoed, with its code, and with advice.
func (n *Node) failure(ctx context.Context, err error) error {
	err = withoutEcho(err)
	t := classify(err)
	if t.advice != "" {
		err = fmt.Errorf("%w (%s)", err, t.advice)
	}
	if !fromServer(err) && !errors.Is(err, context.DeadlineExceeded) && expired(ctx) {
		err = fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
	}
	return &quorum.NodeError{Node: n.name, Code: t.code, Permanent: t.permanent, Err: err}
}

// expired asks the clock rather than ctx.Err, since a socket's timer may fire just before ctx's.
func expired(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && !time.Now().Before(deadline)
}
