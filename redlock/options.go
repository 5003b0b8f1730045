package redlock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
)

const (
	// DefaultTTL is the TTL unless WithTTL says otherwise.
	DefaultTTL = 10 * time.Second
	// DefaultMaxTTL is the MaxTTL unless WithMaxTTL says otherwise.
	DefaultMaxTTL = 30 * time.Second
	// MinTTL is the shortest TTL allowed: under it, drift and round trips leave nothing.
	MinTTL = 10 * time.Millisecond
	// MaxNameBytes is the longest key allowed: the name, with its namespace.
	MaxNameBytes = 512
	// MaxHolderBytes is the longest holder's label allowed.
	MaxHolderBytes = 128

	// reservedPrefix begins the keys of this library's own records on the nodes.
	reservedPrefix = "redlock:"
)

// An Option sets up a Locker. It only records; the constructor judges all of them at once.
type Option interface{ applyLocker(*config) }

// An AcquireOption sets up one lease, over what its Locker says.
type AcquireOption interface{ applyAcquire(*leaseConfig) }

// A LeaseOption is both: on a Locker, it is the default of its leases.
type LeaseOption interface {
	Option
	AcquireOption
}

// config is what options record for a Locker.
type config struct {
	lease     leaseConfig
	maxTTL    time.Duration
	votes     int
	drift     clock.Drift
	even      bool
	namespace string
	hooks     Hooks
	clock     clock.Clock
}

// leaseConfig is what options record for a lease.
type leaseConfig struct {
	ttl, grace       time.Duration
	minValidity      time.Duration // 0: half of ttl
	minHold, maxHold time.Duration
	holder           string
	renew, homeFirst bool
	number           bool
	parent           context.Context //nolint:containedctx // recorded for the lease, whose context it becomes
}

func newConfig(opts []Option) config {
	c := config{
		lease:  leaseConfig{ttl: DefaultTTL, holder: defaultHolder(), renew: true, number: true},
		maxTTL: DefaultMaxTTL,
		drift:  clock.Drift{Rate: clock.DefaultRate},
	}
	for _, opt := range opts {
		if opt != nil {
			opt.applyLocker(&c)
		}
	}
	if c.clock == nil {
		c.clock = clock.System()
	}
	return c
}

func defaultHolder() string {
	host, err := os.Hostname()
	if err != nil || host == "" || len(host) > MaxHolderBytes/2 {
		host = "unknown"
	}
	return fmt.Sprintf("%s:%d", host, os.Getpid())
}

// validate returns every rule that the configuration of a Locker over n nodes breaks.
func (c config) validate(n int) error {
	var faults []error
	if n == 0 {
		faults = append(faults, errors.New("no nodes: name at least one"))
	} else if n%2 == 0 && !c.even {
		faults = append(faults, fmt.Errorf("%d nodes: an even number survives no more failures than %d would; "+
			"use an odd one, or allow it with WithEvenNodes", n, n-1))
	}
	if q := quorum.Majority(n); c.votes != 0 && (c.votes < q || c.votes > n) {
		faults = append(faults, fmt.Errorf("%d votes: at least a majority, %d, and at most all %d nodes", c.votes, q, n))
	}
	if c.maxTTL < MinTTL {
		faults = append(faults, fmt.Errorf("MaxTTL %v is under %v", c.maxTTL, MinTTL))
	}
	if err := c.drift.Validate(); err != nil {
		faults = append(faults, err)
	}
	if len(c.namespace) > MaxNameBytes/2 {
		faults = append(faults, fmt.Errorf("namespace of %d bytes is over %d", len(c.namespace), MaxNameBytes/2))
	}
	if c.namespace != "" && strings.HasPrefix(c.namespace+":", reservedPrefix) {
		faults = append(faults, fmt.Errorf("namespace %q makes keys that begin with %q, which is reserved",
			c.namespace, reservedPrefix))
	}
	return configError(append(faults, c.lease.faults(c)...)...)
}

// with returns the settings as opts change them.
func (a leaseConfig) with(opts []AcquireOption) leaseConfig {
	for _, opt := range opts {
		if opt != nil {
			opt.applyAcquire(&a)
		}
	}
	return a
}

// faults returns every rule that a lease would break on a Locker configured as c.
func (a leaseConfig) faults(c config) []error {
	var faults []error
	rule := func(broken bool, format string, args ...any) {
		if broken {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	rule(a.ttl < MinTTL, "TTL %v is under %v", a.ttl, MinTTL)
	rule(a.grace < 0, "grace %v is negative", a.grace)
	rule(a.ttl > c.maxTTL || a.grace > c.maxTTL-a.ttl, "TTL %v plus grace %v is over MaxTTL %v; see WithMaxTTL",
		a.ttl, a.grace, c.maxTTL)
	rule(a.minValidity < 0, "MinValidity %v is negative", a.minValidity)
	if valid := c.drift.Validity(a.ttl); a.ttl >= MinTTL {
		rule(a.leastValidity() > valid, "MinValidity %v is over the %v that TTL %v leaves after drift",
			a.leastValidity(), valid, a.ttl)
	}
	rule(a.minHold < 0 || a.minHold > c.maxTTL, "MinHold %v is not in [0, MaxTTL %v]", a.minHold, c.maxTTL)
	rule(a.maxHold < 0, "MaxHold %v is negative", a.maxHold)
	rule(a.maxHold > 0 && a.maxHold < a.leastValidity(), "MaxHold %v is under MinValidity %v", a.maxHold, a.leastValidity())
	rule(a.maxHold > 0 && a.maxHold < a.minHold, "MaxHold %v is under MinHold %v", a.maxHold, a.minHold)
	rule(len(a.holder) > MaxHolderBytes, "holder label of %d bytes is over %d", len(a.holder), MaxHolderBytes)
	rule(strings.ContainsFunc(a.holder, unicode.IsControl), "holder label %q has a control character", a.holder)
	return faults
}

func (a leaseConfig) leastValidity() time.Duration {
	if a.minValidity == 0 {
		return a.ttl / 2
	}
	return a.minValidity
}

func (a leaseConfig) terms() quorum.Terms {
	return quorum.Terms{
		TTL:         a.ttl,
		Grace:       a.grace,
		MinValidity: a.leastValidity(),
		Timeout:     nodeTimeout(a.ttl),
	}
}

// nodeTimeout is how long a node has to answer: a small part of the TTL, so that a slow node cannot
// use up a lease, but never so little that a healthy one far away misses it.
func nodeTimeout(ttl time.Duration) time.Duration {
	return min(max(ttl/20, 50*time.Millisecond), time.Second)
}

// validateKey returns the rule that a lock's key, the name with its namespace, breaks.
func validateKey(key string) error {
	switch {
	case key == "":
		return errors.New("the name is empty")
	case len(key) > MaxNameBytes:
		return fmt.Errorf("name %.32q... of %d bytes is over %d", key, len(key), MaxNameBytes)
	case strings.HasPrefix(key, reservedPrefix):
		return fmt.Errorf("name %q begins with %q, which is reserved", key, reservedPrefix)
	}
	return nil
}

type (
	lockerOption  func(*config)
	acquireOption func(*leaseConfig)
	leaseOption   func(*leaseConfig)
)

func (o lockerOption) applyLocker(c *config)        { o(c) }
func (o acquireOption) applyAcquire(a *leaseConfig) { o(a) }
func (o leaseOption) applyLocker(c *config)         { o(&c.lease) }
func (o leaseOption) applyAcquire(a *leaseConfig)   { o(a) }

// WithTTL sets how long nodes keep the lock if it is not renewed: the longest that others wait after a
// holder died, and about the longest that renewal may stall before the lease is lost. From [MinTTL] to
// MaxTTL; default [DefaultTTL]. Each node has a twentieth of it to answer, but at least 50 ms and at
// most 1 s: with a TTL under 50 ms an answer may take longer than the lease.
func WithTTL(ttl time.Duration) LeaseOption {
	return leaseOption(func(a *leaseConfig) { a.ttl = ttl })
}

// WithGrace lets nodes keep the lock for longer than the holder trusts it, so that a holder that pauses
// between checking its lease and acting on it, for up to grace, is still alone. Others wait that much
// longer after a holder died. TTL and grace together are at most MaxTTL. Default 0.
func WithGrace(grace time.Duration) LeaseOption {
	return leaseOption(func(a *leaseConfig) { a.grace = grace })
}

// WithMinValidity sets how much of the TTL must be left when a lease is returned. It is at most what
// drift leaves of the TTL. Default: half of the TTL.
func WithMinValidity(d time.Duration) LeaseOption {
	return leaseOption(func(a *leaseConfig) { a.minValidity = d })
}

// WithMaxHold ends the lease, with [ErrLost], once it has been held for d, however well renewal goes: a
// job that hangs does not keep the lock for ever. It is not released then, since the work may still be
// running: it runs out within the TTL, which is the time the work has to stop. Default 0, no limit.
func WithMaxHold(d time.Duration) LeaseOption {
	return leaseOption(func(a *leaseConfig) { a.maxHold = d })
}

// WithMinHold keeps the lock for at least d from its acquisition, even if it is released earlier: a job
// that takes a second is not run again by a machine whose clock is two seconds behind. Release returns
// at once and the nodes keep the lock for the rest of d. A holder that dies keeps it for the TTL only.
// At most MaxTTL. Default 0.
func WithMinHold(d time.Duration) LeaseOption {
	return leaseOption(func(a *leaseConfig) { a.minHold = d })
}

// WithHolder sets the label by which others see who holds the lock, for example "billing-7:4711". It is
// readable by everyone who can read the nodes; it has at most [MaxHolderBytes] bytes and no control
// characters. Default: host name and process id.
func WithHolder(label string) LeaseOption {
	return leaseOption(func(a *leaseConfig) { a.holder = label })
}

// WithoutRenewal lets the lease end when its TTL is used up, unless the holder calls Extend.
func WithoutRenewal() LeaseOption {
	return leaseOption(func(a *leaseConfig) { a.renew = false })
}

// WithoutToken gives the lease no fencing token, which spares the nodes a part of their work, and needs no rights
// to keys under "redlock:". It is for locks that only save work, and for resources that check nothing.
func WithoutToken() LeaseOption {
	return leaseOption(func(a *leaseConfig) { a.number = false })
}

// WithHomeFirst asks one node, the name's home, first, and the others only if it grants. Many claimants that
// come at the same moment, as for a cache entry that has just run out, then cannot split the votes between
// them; the one that wins pays one more round trip. Calls that wait do so anyway, once they have met others.
func WithHomeFirst() LeaseOption {
	return leaseOption(func(a *leaseConfig) { a.homeFirst = true })
}

// WithParent makes the lease's context a child of parent: it carries parent's values and ends when
// parent does. That end does not release the lock, which goes on being renewed until Release. Without it the context takes its values from the
// context that the lease was acquired with, and outlives it.
func WithParent(parent context.Context) AcquireOption {
	return acquireOption(func(a *leaseConfig) { a.parent = parent })
}

// WithMaxTTL sets the longest time that any client of this fleet may ask nodes to keep a lock. Nodes
// that may have forgotten a lock stay out for that long, so all clients must use the same. At least
// [MinTTL]; default [DefaultMaxTTL].
func WithMaxTTL(d time.Duration) Option {
	return lockerOption(func(c *config) { c.maxTTL = d })
}

// WithVotes sets how many nodes must hold a lease for it to be valid. With N nodes and q = N/2+1, a
// lease with votes v survives v - q nodes that forget it or whose clocks jump, and is lost with
// N - v + 1 nodes silent. From q to N; default q.
func WithVotes(votes int) Option {
	return lockerOption(func(c *config) { c.votes = votes })
}

// WithDrift sets how wrong clocks may be: rate is the relative error of this machine's clock against a
// node's, in [0, 1), and step the largest forward step of a node's clock within one TTL. Default
// [clock.DefaultRate] and 0. With chrony, set its maxslewrate to 500, or rate to 0.16.
func WithDrift(rate float64, step time.Duration) Option {
	return lockerOption(func(c *config) { c.drift = clock.Drift{Rate: rate, Step: step} })
}

// WithEvenNodes allows an even number of nodes, which survives no more failures than one node fewer.
func WithEvenNodes() Option {
	return lockerOption(func(c *config) { c.even = true })
}

// WithNamespace puts every lock of this Locker under "namespace:". Default: none, so that the key on
// the nodes is the name, byte for byte, as other Redlock clients use it.
func WithNamespace(namespace string) Option {
	return lockerOption(func(c *config) { c.namespace = namespace })
}

// WithHooks sets what is told of the Locker's doings. See [LogHooks] for a ready set.
func WithHooks(hooks Hooks) Option {
	return lockerOption(func(c *config) { c.hooks = hooks })
}

// WithClock replaces the clock that leases are measured by, for tests. Default [clock.System]. In a
// synctest bubble use [clock.Process].
func WithClock(clk clock.Clock) Option {
	return lockerOption(func(c *config) { c.clock = clk })
}
