package peers

import (
	"context"
	"errors"
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
	return "etcd concurrency.Mutex, one session per client, one member, which does not wait for its disk, as the Redis servers do not"
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
	lease, err := client.Grant(ctx, int64(site.TTL/time.Second))
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	session, err := concurrency.NewSession(client, concurrency.WithLease(lease.ID))
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return &etcdClient{client: client, session: session}, nil
}

type etcdClient struct {
	client  *clientv3.Client
	session *concurrency.Session
}

func (c *etcdClient) Acquire(ctx context.Context, name string) (benchmarks.Hold, error) {
	mutex := concurrency.NewMutex(c.session, name)
	if err := mutex.Lock(ctx); err != nil {
		return nil, err
	}
	return etcdHold{c, mutex}, nil
}

func (c *etcdClient) Close() error { return errors.Join(c.session.Close(), c.client.Close()) }

type etcdHold struct {
	client *etcdClient
	mutex  *concurrency.Mutex
}

// Extend keeps the session alive, which is what every lock of it lives by.
func (h etcdHold) Extend(ctx context.Context) error {
	_, err := h.client.client.KeepAliveOnce(ctx, h.client.session.Lease())
	return err
}

func (h etcdHold) Release(ctx context.Context) error { return h.mutex.Unlock(ctx) }
