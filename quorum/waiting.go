package quorum

import (
	"cmp"
	"context"
	"hash/fnv"
	"slices"
)

// A farewell is what the release of a claim says to those who wait for the key.
type farewell struct {
	announce bool
	waiter   *Waiter
}

// Announce lets the release to come tell those who wait for the key that it is free, where the nodes can. It
// notes next, unless that is nil, as waiting from then on. It changes nothing once the claim is released.
func (c *Claim) Announce(next *Waiter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.farewell = farewell{announce: true, waiter: next}
}

func (c *Claim) parting() farewell {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.farewell
}

// Others reports whether a node has said that others wait for the key, while this claim was acquired, handed
// over or released. It is a hint.
func (c *Claim) Others() bool { return c.others.Load() }

func (c *Claim) noteOthers(ans Answer) {
	if ans.Waiting {
		c.others.Store(true)
	}
}

// Abandon releases the claim as Release does, without waiting for it.
func (c *Claim) Abandon() {
	if err := c.engine.begin(); err != nil {
		return // its keys run out
	}
	defer c.engine.calls.Done()
	c.undo()
}

// Listen calls tell with what the nodes announce about key, and the number of the node that does, from now on
// until stop is called; see [Announcer]. heard is the number of nodes that can announce anything.
func (e *Engine) Listen(key string, tell func(node int, a Announcement)) (heard int, stop func()) {
	var stops []func()
	for i, p := range e.peers {
		if n, ok := p.node.(Announcer); ok {
			stops = append(stops, n.Announcements(key, func(a Announcement) { tell(i, a) }))
		}
	}
	return len(stops), func() {
		for _, stop := range stops {
			stop()
		}
	}
}

// Rank is the place of a node among those of key: 0 is its home, whose word on who is to try next counts for
// most; 1 stands in for it, and so on. It depends on the names of the nodes, and not on their order here, so
// that all clients agree on it.
func (e *Engine) Rank(key string, node int) int {
	size := len(e.byName)
	return (slices.Index(e.byName, node) - homeOf(key, size) + size) % size
}

// homeOf is the place of a key's home in the order of the nodes' names.
func homeOf(key string, size int) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	return int(h.Sum32() % uint32(size)) //nolint:gosec // the number of nodes is small
}

func orderByName(nodes []Node) []int {
	order := make([]int, len(nodes))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(nodes[a].Name(), nodes[b].Name()) })
	return order
}

// askHome asks the nodes of key one after the other, from its home on, until one answers, if the terms say
// so. It returns the votes of those that were asked. A refusal ends the attempt with a [*MissError]: it may be
// a leftover on that node alone, so a caller asks all nodes the next time.
func (c *Claim) askHome(ctx context.Context) ([]vote, error) {
	if !c.terms.HomeFirst {
		return nil, nil
	}
	e := c.engine
	var asked []vote
	for at := range e.byName {
		i := e.byName[(homeOf(c.key, len(e.byName))+at)%len(e.byName)]
		if now := e.clock.Now(); !e.peers[i].allow(now) {
			continue
		}
		ans, err := c.askAlone(ctx, i)
		if err != nil {
			return nil, err
		}
		asked = append(asked, vote{node: i, answer: ans})
		switch ans.Verdict {
		case Other:
			return nil, &MissError{
				Why: Held, Holder: ans.Holder, RetryAfter: ans.Remaining, AtHome: true,
				Size: len(e.peers), Need: e.need,
			}
		case Mine:
			return asked, nil
		}
	}
	return asked, nil
}

// askAlone asks node i for the key, and waits for its answer.
func (c *Claim) askAlone(ctx context.Context, i int) (Answer, error) {
	r := newRound(c.engine, c.engine.clock.Now(), 1)
	var answer Answer
	r.count = func(v vote) (bool, func()) {
		answer = v.answer
		return true, nil
	}
	job := c.acquireOn(r)
	places := make([]place, len(c.lanes))
	c.mu.Lock()
	places[i] = c.enqueue(i, job)
	c.mu.Unlock()
	c.start(places, job)
	err := r.await(ctx)
	return answer, err
}
