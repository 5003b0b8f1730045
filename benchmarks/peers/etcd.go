package peers

import (
	"context"
	"errors"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"go.uber.org/zap"

	"github.com/quorumlock/quorumlock/benchmarks"
)

// Etcd is the lock of etcd's own client on one member, which this program runs in a process of its own.
func Etcd() benchmarks.Subject { return etcdSubject{} }

type etcdSubject struct{}

func (etcdSubject) Name() string { return "etcd" }

func (etcdSubject) About() string {
	return "etcd concurrency.Mutex, one session per client and one more for each further caller of the same name, one member, which does not wait for its disk, as the Redis servers do not"
}

func (etcdSubject) Fits(nodes int) bool { return nodes == 1 }

func (etcdSubject) Host(ctx context.Context, _ int) (benchmarks.Servers, error) {
	return startEtcd(ctx)
}

func (etcdSubject) Open(ctx context.Context, site benchmarks.Site) (benchmarks.Client, error) {
	client, err := clientv3.New(clientv3.Config{Endpoints: site.Addrs, DialTimeout: 5 * time.Second, Logger: zap.NewNop()})
	if err != nil {
		return nil, err
	}
	c := &etcdClient{client: client, ttl: int64(site.TTL / time.Second)}
	if err := c.openSession(ctx); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return c, nil
}

// An etcdClient opens sessions. A mutex of etcd belongs to its session: two of one session and one name do not
// exclude each other, so callers of one name have sessions of their own.
type etcdClient struct {
	client *clientv3.Client
	ttl    int64

	mu       sync.Mutex
	sessions []*etcdSession
}

// An etcdSession is a session, and the names that it is used for. The mutex of the client guards those.
type etcdSession struct {
	*concurrency.Session
	names map[string]bool
}

// openSession opens a session, which costs two round trips: some callers of a name do, at first.
func (c *etcdClient) openSession(ctx context.Context) error {
	lease, err := c.client.Grant(ctx, c.ttl)
	if err != nil {
		return err
	}
	session, err := concurrency.NewSession(c.client, concurrency.WithLease(lease.ID))
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sessions = append(c.sessions, &etcdSession{session, make(map[string]bool)})
	return nil
}

// take returns a session that is not in use for a name, which it is from then on.
func (c *etcdClient) take(ctx context.Context, name string) (*etcdSession, error) {
	for {
		c.mu.Lock()
		for _, s := range c.sessions {
			if !s.names[name] {
				s.names[name] = true
				c.mu.Unlock()
				return s, nil
			}
		}
		c.mu.Unlock()
		if err := c.openSession(ctx); err != nil {
			return nil, err
		}
	}
}

func (c *etcdClient) giveBack(s *etcdSession, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(s.names, name)
}

func (c *etcdClient) Acquire(ctx context.Context, name string) (benchmarks.Hold, error) {
	session, err := c.take(ctx, name)
	if err != nil {
		return nil, err
	}
	mutex := concurrency.NewMutex(session.Session, name)
	if err := mutex.Lock(ctx); err != nil {
		c.giveBack(session, name)
		return nil, err
	}
	return etcdHold{c, session, mutex, name}, nil
}

func (c *etcdClient) Close() error {
	var errs []error
	for _, s := range c.sessions {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.client.Close())...)
}

type etcdHold struct {
	client  *etcdClient
	session *etcdSession
	mutex   *concurrency.Mutex
	name    string
}

// Extend keeps the session alive, which is what every lock of it lives by.
func (h etcdHold) Extend(ctx context.Context) error {
	_, err := h.client.client.KeepAliveOnce(ctx, h.session.Lease())
	return err
}

func (h etcdHold) Release(ctx context.Context) error {
	defer h.client.giveBack(h.session, h.name)
	return h.mutex.Unlock(ctx)
}
