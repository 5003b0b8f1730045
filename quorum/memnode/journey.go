package memnode

import (
	"context"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
)

// A request is a batch on its way to the node, and its answers' way back. It is sent, arrives, is
// carried out and delivered; a fault holds it or makes it vanish at one of these four places. A
// vanished request says nothing: its asker waits for the deadline.
type request struct {
	ctx      context.Context // the asker's, to see whether somebody still waits
	commands []command
	sent     clock.Instant
	life     int                  // of the node, when the request was sent
	reply    chan []quorum.Answer // has room for the only answer
}

// A command is an operation as the node receives it.
type command struct {
	quorum.Op
	limit clock.Instant // NotAfter in the node's time; Forever without one
	slack time.Duration // how wrong limit may be
}

// write makes the request, which knows no more of the node's clock than the latest exchange said.
func (n *Node) write(ctx context.Context, batch []quorum.Op) *request {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.clk.Now()
	if now.Sub(n.sample.received) > sampleLife {
		n.sample = sample{sent: now, received: now, node: n.own.now()}
	}
	r := &request{
		ctx: ctx, commands: make([]command, len(batch)), sent: now,
		life: n.faults.life, reply: make(chan []quorum.Answer, 1),
	}
	for i, op := range batch {
		r.commands[i] = n.command(op)
	}
	return r
}

// command translates an operation's limit. The caller holds mu.
func (n *Node) command(op quorum.Op) command {
	c := command{Op: op, limit: clock.Forever}
	if limited(op.Kind) && op.NotAfter != 0 {
		c.limit, c.slack = n.sample.toNode(op.NotAfter), n.sample.slack(op.NotAfter)
	}
	return c
}

// send puts the request on its way.
func (n *Node) send(r *request) {
	n.mu.Lock()
	defer n.unlock()
	switch f := &n.faults; {
	case n.shut:
		r.reject(ErrClosed)
	case f.cut:
	case f.dead:
		r.reject(ErrKilled)
	case f.refuse != nil:
		r.reject(f.refuse)
	default:
		n.after(f.requestDelay, func() { n.arrive(r) })
	}
}

// arrive brings the request before the server. The caller holds mu.
func (n *Node) arrive(r *request) {
	switch f := &n.faults; {
	case n.shut:
		r.reject(ErrClosed)
	case f.cut:
	case f.dead || f.life != r.life: // its connection died with the process
		r.reject(ErrKilled)
	case f.paused:
		f.held = append(f.held, r)
	default:
		n.carryOut(r)
	}
}

// carryOut does what the request asks for, and sends the answers back. The caller holds mu.
func (n *Node) carryOut(r *request) {
	now := n.own.now()
	answers := make([]quorum.Answer, len(r.commands))
	for i, c := range r.commands {
		answers[i] = n.store.apply(c, now)
		if answers[i].Err != nil {
			answers[i].Err = &quorum.NodeError{Node: n.name, Permanent: true, Err: answers[i].Err}
		}
		answers[i].Slack = c.slack
	}
	n.announce(n.store.takeNews())
	if n.faults.dropReplies > 0 {
		n.faults.dropReplies--
		return
	}
	n.after(n.faults.replyDelay, func() { n.deliver(r, answers, now) })
}

// deliver hands the answers to the asker, who learns from them what the node's clock said. The caller
// holds mu.
func (n *Node) deliver(r *request, answers []quorum.Answer, now clock.Instant) {
	switch {
	case n.shut:
		r.reject(ErrClosed)
		return
	case n.faults.cut || r.ctx.Err() != nil:
		return
	}
	if !r.sent.Before(n.sample.sent) {
		n.sample = sample{sent: r.sent, received: n.clk.Now(), node: now}
	}
	r.reply <- answers
}

// after runs step under mu: at once, or in a goroutine once d is over or the node is closed. The
// caller holds mu, and has seen that the node is not closed.
func (n *Node) after(d time.Duration, step func()) {
	if d <= 0 {
		step()
		return
	}
	timer := n.clk.NewTimer(d)
	n.inflight.Go(func() {
		defer timer.Stop()
		select {
		case <-timer.C():
		case <-n.closed:
		}
		n.mu.Lock()
		defer n.unlock()
		step()
	})
}

// reject ends the request with a failure that the asker sees at once.
func (r *request) reject(err error) { r.reply <- r.failed(err) }

// failed answers every operation with the same failure.
func (r *request) failed(err error) []quorum.Answer {
	answers := make([]quorum.Answer, len(r.commands))
	for i, c := range r.commands {
		answers[i].Err, answers[i].Slack = err, c.slack
	}
	return answers
}
