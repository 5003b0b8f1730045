package redisnode

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/auth"
)

// A link is an open connection. The client library has opened it: it has authenticated, chosen the protocol
// and the database, and run OnConnect. From then on the library leaves the connection alone, and batches
// and their answers go over it one behind the other, without waiting for each other.
type link struct {
	conn    *conn
	client  *redis.Client // made for this connection
	roomy   bool          // a batch can be written without blocking if nothing is on its way
	until   time.Time     // zero: for ever
	maxIdle time.Duration // 0: for ever
	wake    chan struct{} // has room for one: there is something to write
	gone    chan struct{} // closed by close
	once    sync.Once

	encoder encoder   // of who writes
	heard   time.Time // when the last answer came, at first when it was opened; guarded by the node's mu
	renewed bool      // there are newer credentials; guarded by the node's mu
}

// write writes a batch. One goroutine does so at a time.
func (l *link) write(b *batch) error {
	_, err := l.conn.Write(l.encoder.encode(b.requests, b.bySource))
	return err
}

// rouse makes the connection's goroutine write what may be written.
func (l *link) rouse() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// worn reports whether an idle connection is to be replaced. The caller holds the node's mu.
func (l *link) worn(now time.Time) bool {
	return l.renewed || !l.until.IsZero() && now.After(l.until) || l.maxIdle > 0 && now.Sub(l.heard) > l.maxIdle
}

// close ends the connection and its goroutines.
func (l *link) close() {
	l.once.Do(func() {
		close(l.gone)
		_ = l.conn.Close()
		_ = l.client.Close() // it has nothing that could fail but that connection
	})
}

// serve writes when it is roused, until the connection ends.
func (l *link) serve(n *Node) {
	for {
		select {
		case <-l.wake:
			n.sendOn()
		case <-l.gone:
			return
		}
	}
}

// openTimeout bounds the opening of a connection: a dial, perhaps a TLS handshake, and the greeting take
// several round trips. That is more than operations have, so connections are opened apart from them: a
// server far away meets an operation's deadline with one round trip, not with six.
const openTimeout = 3 * time.Second

// connect opens a connection, and takes a first sample of the server's time on it.
func (n *Node) connect(ctx context.Context) (*link, error) {
	l := &link{wake: make(chan struct{}, 1), gone: make(chan struct{}), maxIdle: max(n.opts.ConnMaxIdleTime, 0)}
	opts := n.opts
	opts.Dialer = func(_ context.Context, network, addr string) (net.Conn, error) {
		l.conn = n.dialer.connect(network, addr)
		return l.conn, nil
	}
	if p := opts.StreamingCredentialsProvider; p != nil {
		opts.StreamingCredentialsProvider = &renewing{provider: p, renewed: func() { n.renew(l) }}
	}
	var s sample
	opts.OnConnect = func(ctx context.Context, cn *redis.Conn) error {
		if greet := n.opts.OnConnect; greet != nil {
			if err := greet(ctx, cn); err != nil {
				// The client library strips one layer off what this function returns. Let it be this one.
				return fmt.Errorf("OnConnect: %w", err)
			}
		}
		s.sent = n.clock.Now() // it is the last step of the opening, and TIME comes next
		return nil
	}
	l.client = redis.NewClient(&opts)
	now, err := l.client.Conn().Time(ctx).Result()
	if err != nil {
		_ = l.client.Close() // with what is open of the connection
		return nil, err
	}
	s.received, s.node = n.clock.Now(), time.Duration(now.UnixNano())
	_ = l.conn.SetDeadline(time.Time{}) // the library's; a write or read shows what is wrong with the connection
	l.roomy = l.conn.roomy()
	l.heard = time.Now()
	if n.opts.ConnMaxLifetime > 0 {
		l.until = l.heard.Add(n.opts.ConnMaxLifetime)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.learn(s, false)
	return l, nil
}

// renew lets another connection, with newer credentials, take the place of l once l is idle.
func (n *Node) renew(l *link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l.renewed = true
}

// A renewing provider stands between the library, which would authenticate a connection anew when it is
// back in its pool, and the caller's provider. Ours never is, and is replaced instead.
type renewing struct {
	provider auth.StreamingCredentialsProvider
	renewed  func()
}

// Subscribe passes the library's wish on, for a listener of ours.
func (r *renewing) Subscribe(auth.CredentialsListener) (auth.Credentials, auth.UnsubscribeFunc, error) {
	return r.provider.Subscribe(r)
}

// OnNext takes note of newer credentials.
func (r *renewing) OnNext(auth.Credentials) { r.renewed() }

// OnError leaves the connection as it is: it was authenticated once.
func (r *renewing) OnError(error) {}
