package chaos

import (
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
)

// A memLink is one client's way to one node, and the client's [quorum.Announcer]. Every request travels for
// itself.
type memLink struct {
	memory  *Memory
	client  int
	machine *machine
	server  *memServer
	meets   meets

	mu        sync.Mutex
	up, down  memWay
	halts     []clock.Instant // since when the client stands still
	going     chan struct{}   // closed when it goes on, and then replaced
	broken    chan struct{}   // closed by the next reset, and then replaced
	waiting   int             // requests that nobody has answered
	drops     int
	duplicate []time.Duration
	sample    memSample
	taken     map[int64]bool // instants at which messages are to arrive
	ears      []*memEar
	eared     uint64        // counts the ears that there were
	line      chan struct{} // closed when the subscriber's connection breaks, and then replaced
}

// A memSample is one exchange: the node's clock was at node at some instant from sent to received on the
// client's.
type memSample struct {
	sent, received clock.Instant
	node           time.Duration
}

// A memMessage is a request on its way, and its answers' way back.
type memMessage struct {
	number uint64
	ops    []quorum.Op
	limits []time.Duration // NotAfter in the node's time, or 0
	slacks []time.Duration
	sent   clock.Instant
	broken <-chan struct{}
	reply  chan []quorum.Answer
}

func newMemLink(m *Memory, client int, s *memServer) *memLink {
	l := &memLink{
		memory: m, client: client, machine: m.machines[client], server: s,
		meets:  newMeets(m.recorder, ClientName(client), NodeName(s.number)),
		broken: make(chan struct{}),
		taken:  make(map[int64]bool),
		going:  make(chan struct{}),
		line:   make(chan struct{}),
	}
	now := l.machine.Now()
	l.sample = memSample{sent: now, received: now, node: s.node.Time()}
	s.links = append(s.links, l)
	return l
}

// Name returns the node's name.
func (l *memLink) Name() string { return l.server.node.Name() }

// Close does nothing: the memory owns its links.
func (l *memLink) Close() error { return nil }

// Ask sends the batch, and waits for the answers as long as ctx lets it.
func (l *memLink) Ask(ctx context.Context, batch []quorum.Op) []quorum.Answer {
	m := l.write(batch)
	if err := ctx.Err(); err != nil {
		return l.ended(m, m.failed(err))
	}
	l.memory.journeys.Go(func() { l.carry(m) })
	select {
	case answers := <-m.reply:
		l.learn(m, answers)
		return l.ended(m, answers)
	case <-m.broken:
		return l.ended(m, m.failed(errReset))
	case <-ctx.Done():
		return l.ended(m, m.failed(ctx.Err()))
	}
}

// write makes the request, with what the latest exchange has told of the node's clock.
func (l *memLink) write(batch []quorum.Op) *memMessage {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting++
	m := &memMessage{
		ops:    slices.Clone(batch),
		limits: make([]time.Duration, len(batch)), slacks: make([]time.Duration, len(batch)),
		sent: l.machine.Now(), broken: l.broken, reply: make(chan []quorum.Answer, 1),
	}
	for i, op := range batch {
		if op.NotAfter != 0 && (op.Kind == quorum.Acquire || op.Kind == quorum.Heal || op.Kind == quorum.HandOver) {
			m.limits[i], m.slacks[i] = l.sample.limit(op.NotAfter)
		}
	}
	m.number = numberOf(m)
	return m
}

// numberOf tells a message from all others of its link by what it says, and not by which of two goroutines
// came first.
func numberOf(m *memMessage) uint64 {
	h := fnv.New64a()
	for _, op := range m.ops {
		_, _ = fmt.Fprintf(h, "%d %d %q %q %q;", m.sent, op.Kind, op.Key, op.Value, op.Next)
	}
	return h.Sum64()
}

// limit translates an instant of the client's clock into the node's time. It may be too late by slack, if
// the clocks part no faster than [clock.DefaultRate] says.
func (s memSample) limit(t clock.Instant) (limit, slack time.Duration) {
	const lost = clock.DefaultRate / (1 - clock.DefaultRate)
	distance := max(t.Sub(s.sent), 0)
	return s.node + t.Sub(s.sent), s.received.Sub(s.sent) + time.Duration(math.Ceil(float64(distance)*lost))
}

func (l *memLink) learn(m *memMessage, answers []quorum.Answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(answers) > 0 && answers[0].NodeTime != 0 && !m.sent.Before(l.sample.sent) {
		l.sample = memSample{sent: m.sent, received: l.machine.Now(), node: answers[0].NodeTime}
	}
}

// ended completes the answers with what is known without the node.
func (l *memLink) ended(m *memMessage, answers []quorum.Answer) []quorum.Answer {
	l.mu.Lock()
	l.waiting--
	l.mu.Unlock()
	for i := range answers {
		answers[i].Slack = m.slacks[i]
	}
	return answers
}

func (m *memMessage) failed(err error) []quorum.Answer {
	answers := make([]quorum.Answer, len(m.ops))
	for i := range answers {
		answers[i].Err = err
	}
	return answers
}

// carry brings the request to the node, once or twice.
func (l *memLink) carry(m *memMessage) {
	if !l.travel(m, up) {
		return
	}
	l.mu.Lock()
	later := slices.Clone(l.duplicate)
	l.mu.Unlock()
	if len(later) > 0 {
		l.meets.meet(Duplicate)
	}
	for i, by := range later {
		l.memory.journeys.Go(func() { l.repeat(m, by, uint64(i)) }) //nolint:gosec // a small index
	}
	l.server.arrive(func() { l.answer(m, l.server.execute(slices.Clone(m.ops), m.limits)) },
		func(err error) { l.answer(m, m.failed(err)) })
}

// repeat brings the request a second time. Nobody waits for the answers.
func (l *memLink) repeat(m *memMessage, by time.Duration, copied uint64) {
	d := l.draws(m, 2+copied)
	time.Sleep(l.unique(m, up, by/2+d.UpTo(by)))
	l.server.arrive(func() { l.server.execute(slices.Clone(m.ops), m.limits) }, func(error) {})
}

// answer sends the answers back.
func (l *memLink) answer(m *memMessage, answers []quorum.Answer) {
	l.mu.Lock()
	dropped := l.drops > 0
	l.mu.Unlock()
	if dropped {
		l.meets.meet(DropReply)
		return
	}
	l.memory.journeys.Go(func() {
		if l.travel(m, down) {
			m.reply <- answers
		}
	})
}
