package redisnode

import (
	"errors"
	"fmt"
	"math"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/quorumlock/quorumlock/clock"
)

const (
	// dialTimeout bounds a dial that no deadline bounds sooner.
	dialTimeout = time.Second
	// ioTimeout is longer than the opening of a connection may take, so that the ctx decides.
	ioTimeout = 5 * time.Second
)

// validate returns an error that names every value no node can be made from, or nil.
func validate(opts *redis.Options, clk clock.Clock) error {
	var errs []error
	if clk == nil {
		errs = append(errs, errors.New("no clock"))
	}
	if opts == nil {
		return errors.Join(append(errs, errors.New("no options"))...)
	}
	if err := validAddr(opts); err != nil {
		errs = append(errs, err)
	}
	if opts.DB < 0 {
		errs = append(errs, fmt.Errorf("database %d is negative", opts.DB))
	}
	if opts.Protocol > 3 {
		errs = append(errs, fmt.Errorf("protocol %d is neither 2 nor 3", opts.Protocol))
	}
	if opts.PoolSize < 0 || opts.PoolSize > math.MaxInt32 {
		errs = append(errs, fmt.Errorf("pool size %d is not in [0, 2^31)", opts.PoolSize))
	}
	return errors.Join(errs...)
}

// validAddr looks at the address, which a Dialer of the caller's may take for something other than a
// host and a port.
func validAddr(opts *redis.Options) error {
	network, addr := endpoint(opts)
	if network == "unix" {
		return nil
	}
	if strings.Contains(addr, "@") {
		return errors.New("the address holds an @: user and password have fields of their own")
	}
	if opts.Dialer != nil {
		return nil
	}
	if _, port, err := net.SplitHostPort(addr); err != nil {
		return fmt.Errorf("address is not host:port: %w", err)
	} else if port == "" || port == "0" {
		return fmt.Errorf("address %q has no port", addr)
	}
	return nil
}

// endpoint returns network and address with the client library's defaults.
func endpoint(opts *redis.Options) (network, addr string) {
	network, addr = opts.Network, opts.Addr
	if addr == "" {
		addr = "localhost:6379"
	}
	if network == "" {
		network = "tcp"
		if strings.HasPrefix(addr, "/") {
			network = "unix"
		}
	}
	return network, addr
}

func nodeName(opts *redis.Options) string {
	_, name := endpoint(opts)
	if opts.DB != 0 {
		name = fmt.Sprintf("%s/%d", name, opts.DB)
	}
	return name
}

// tune returns a copy of opts with which ctx deadlines bound everything, nothing is retried behind
// the caller's back, and nothing is opened before it is needed. Fields whose zero value means a
// default are set to what the library takes for "off", as opts may have been filled in by it.
func tune(opts *redis.Options) *redis.Options {
	own := *opts
	own.Network, own.Addr = endpoint(opts)

	own.ContextTimeoutEnabled = true
	own.ReadTimeout, own.WriteTimeout = ioTimeout, ioTimeout
	own.PoolTimeout = ioTimeout
	own.DialTimeout = dialLimit(opts)
	own.MaxRetries = -1
	own.DialerRetries, own.DialerRetryBackoff = 1, nil

	own.PoolSize = 1
	own.MinIdleConns, own.MaxIdleConns, own.MaxActiveConns, own.MaxConcurrentDials = 0, 0, 0, 0
	own.PipelinePoolSize = -1
	own.ReadBufferSize, own.WriteBufferSize = 0, 0

	own.Limiter, own.AutoPipelineOptions = nil, nil
	own.PushNotificationProcessor = nil // may be another client's
	own.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	own.ClientSideCacheConfig, own.ClientSideCache = nil, nil
	own.ClientSideCacheRefreshOnInvalidate, own.ClientSideCacheCoalesceMisses = false, false
	own.ClientSideCacheInvalidationBatchWindow = 0
	return &own
}

// dialLimit is the caller's limit if it is shorter than ours; not positive means none or the default.
func dialLimit(opts *redis.Options) time.Duration {
	if opts.DialTimeout > 0 {
		return min(opts.DialTimeout, dialTimeout)
	}
	return dialTimeout
}
