package stampede

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// An ear hears what is announced of keys, over one connection however many there are. Two goroutines run it
// from the first listener until close: one tells the server what to send, one hears. What is
// announced while the connection is down is lost, so nobody may rely on it alone.
//
// Invariant: a channel counts as confirmed only after the server has answered the last request for it on the
// connection that there is.
type ear struct {
	client redis.UniversalClient
	poke   chan struct{} // there may be something to tell the server
	ending chan struct{}
	joined sync.WaitGroup

	mu     sync.Mutex
	sub    *redis.PubSub
	topics map[string]*topic
	asked  map[string]int // channels asked for, and the answers that are still to come
	closed bool
}

// A topic is one channel with those who listen to it.
type topic struct {
	confirmed chan struct{} // closed once the server sends what is announced
	listeners map[*listener]struct{}
}

// A listener is one who waits for news of one key.
type listener struct {
	ear     *ear
	channel string
	topic   *topic
	news    chan message // holds the latest that was not taken
}

func newEar(client redis.UniversalClient) *ear {
	return &ear{
		client: client,
		poke:   make(chan struct{}, 1),
		ending: make(chan struct{}),
		topics: make(map[string]*topic),
		asked:  make(map[string]int),
	}
}

// listen begins to listen. The caller ends it with stop.
func (e *ear) listen(channel string) *listener {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.topics[channel]
	if t == nil {
		t = &topic{confirmed: make(chan struct{}), listeners: make(map[*listener]struct{})}
		e.topics[channel] = t
		if left, asked := e.asked[channel]; asked && left == 0 {
			close(t.confirmed)
		}
	}
	l := &listener{ear: e, channel: channel, topic: t, news: make(chan message, 1)}
	t.listeners[l] = struct{}{}
	e.begin()
	e.nudge()
	return l
}

// begin starts the goroutines, once.
func (e *ear) begin() {
	if e.sub != nil || e.closed {
		return
	}
	e.sub = e.client.Subscribe(context.Background())
	e.joined.Go(e.tell)
	e.joined.Go(e.hear)
}

func (e *ear) nudge() {
	select {
	case e.poke <- struct{}{}:
	default:
	}
}

// stop ends the listening.
func (l *listener) stop() {
	e := l.ear
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(l.topic.listeners, l)
	if len(l.topic.listeners) == 0 && e.topics[l.channel] == l.topic {
		delete(e.topics, l.channel)
		e.nudge()
	}
}

// ready waits until the server sends what is announced, for so long at most.
func (l *listener) ready(ctx context.Context, most time.Duration) {
	l.ear.mu.Lock()
	confirmed := l.topic.confirmed
	l.ear.mu.Unlock()
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-confirmed:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// tell asks the server for what is listened to, and for no more of what is not.
func (e *ear) tell() {
	for {
		select {
		case <-e.poke:
		case <-e.ending:
			return
		}
		more, less := e.changes()
		// An error is that of the connection, which the hearing goroutine notices and mends.
		if len(more) > 0 {
			_ = e.sub.Subscribe(context.Background(), more...)
		}
		if len(less) > 0 {
			_ = e.sub.Unsubscribe(context.Background(), less...)
		}
	}
}

// changes notes as asked what it returns.
func (e *ear) changes() (more, less []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for channel := range e.topics {
		if _, asked := e.asked[channel]; !asked {
			e.asked[channel] = 1
			more = append(more, channel)
		}
	}
	for channel, left := range e.asked {
		if e.topics[channel] == nil && left == 0 { // with an answer to come, it is looked at again then
			delete(e.asked, channel)
			less = append(less, channel)
		}
	}
	return more, less
}

// hear passes on what the server says.
func (e *ear) hear() {
	for {
		said, err := e.sub.Receive(context.Background())
		if err != nil {
			if !e.deaf() {
				return
			}
			continue
		}
		switch said := said.(type) {
		case *redis.Message:
			e.pass(said.Channel, decodeMessage(said.Payload))
		case *redis.Subscription:
			if said.Kind == "subscribe" {
				e.confirm(said.Channel)
			}
		}
	}
}

// deafPause keeps a server that refuses from being asked all the time.
const deafPause = 100 * time.Millisecond

// deaf notes that the connection broke: the library makes another and asks for everything again. It reports
// whether to go on.
func (e *ear) deaf() bool {
	e.mu.Lock()
	for channel := range e.asked {
		e.asked[channel] = 1
		if t := e.topics[channel]; t != nil && isClosed(t.confirmed) {
			t.confirmed = make(chan struct{})
		}
	}
	e.mu.Unlock()
	timer := time.NewTimer(deafPause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-e.ending:
		return false
	}
}

func (e *ear) confirm(channel string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, asked := e.asked[channel]; !asked {
		return
	}
	e.asked[channel] = 0
	if t := e.topics[channel]; t == nil {
		e.nudge()
	} else if !isClosed(t.confirmed) {
		close(t.confirmed)
	}
}

// pass gives a message to all who listen. Who has not taken the one before gets the new one instead.
func (e *ear) pass(channel string, m message) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.topics[channel]
	if t == nil {
		return
	}
	for l := range t.listeners {
		select {
		case <-l.news:
		default:
		}
		l.news <- m // it has room, as only this goroutine fills it
	}
}

func (e *ear) close() {
	e.mu.Lock()
	first, sub := !e.closed, e.sub
	e.closed = true
	e.mu.Unlock()
	if first {
		close(e.ending)
		if sub != nil {
			_ = sub.Close() // nothing is written that could be lost
		}
	}
	e.joined.Wait()
}

// channels returns what is listened to, for tests.
func (e *ear) channels() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Sorted(maps.Keys(e.topics))
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
