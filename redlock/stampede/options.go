package stampede

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/quorumlock/quorumlock/redlock"
)

const (
	// DefaultTTL is how long a value is fresh unless WithTTL says otherwise.
	DefaultTTL = 5 * time.Minute
	// DefaultLockTTL is the lock's TTL unless WithLockTTL says otherwise.
	DefaultLockTTL = 5 * time.Second
	// DefaultLoadTimeout bounds a load unless WithLoadTimeout says otherwise.
	DefaultLoadTimeout = 30 * time.Second
	// DefaultPollFallback bounds the sleep of a waiter unless WithPollFallback says otherwise.
	DefaultPollFallback = 250 * time.Millisecond
	// DefaultPrefix begins every key and every lock's name unless WithPrefix says otherwise.
	DefaultPrefix = "rl:"
	// MaxTTL is the longest time for which a value can be kept.
	MaxTTL = 10 * 365 * 24 * time.Hour
	// MaxKeyBytes is the longest key allowed.
	MaxKeyBytes = 448
	// MaxPrefixBytes is the longest prefix allowed.
	MaxPrefixBytes = 32
)

// Unavailable says what happens when too few lock nodes answer, or the data node does not.
type Unavailable uint8

const (
	// LoadLocally: it is a cache, so callers get their value. Without lock nodes, the claim on the data node
	// alone decides who loads. Without the data node, there is one load a process at a time, and nothing is
	// stored.
	LoadLocally Unavailable = iota
	// FailClosed: callers get [ErrUnavailable], or a stale value if there is one. For loads that the source
	// would not survive.
	FailClosed
)

// OnFenced says what callers get whose load was not stored because its claim was void.
type OnFenced uint8

const (
	// ReturnUncached: those who called before the load began get its value, which is as current as they may ask;
	// those who came later read again.
	ReturnUncached OnFenced = iota
	// Reread: all of them read again.
	Reread
)

// An Option sets up a Cache. It only records; [New] judges all of them at once.
type Option interface{ applyCache(*config) }

// A CallOption sets up one call, over what its Cache says.
type CallOption interface{ applyCall(*settings) }

// A BothOption is either: on a Cache, it is the default of its calls.
type BothOption interface {
	Option
	CallOption
}

// settings are what options record for a call.
type settings struct {
	fresh, stale, staleIfError time.Duration
	lockTTL, loadTimeout       time.Duration
	negative, errorTTL         time.Duration
	fallback                   time.Duration
	beta, eagerAt, jitter      float64
	betaSaid                   bool
	unavailable                Unavailable
	onFenced                   OnFenced
}

// config is what options record for a Cache.
type config struct {
	settings
	prefix string
	hooks  Hooks
	codec  any
}

func newConfig(opts []Option) config {
	c := config{
		settings: settings{
			fresh:       DefaultTTL,
			lockTTL:     DefaultLockTTL,
			loadTimeout: DefaultLoadTimeout,
			fallback:    DefaultPollFallback,
			jitter:      0.1,
		},
		prefix: DefaultPrefix,
	}
	for _, opt := range opts {
		if opt != nil {
			opt.applyCache(&c)
		}
	}
	return c
}

// with returns the settings of a call, judged.
func (s settings) with(opts []CallOption) (settings, error) {
	for _, opt := range opts {
		if opt != nil {
			opt.applyCall(&s)
		}
	}
	err := s.validate()
	if !s.betaSaid && s.stale > 0 {
		s.beta = 1
	}
	return s, err
}

// validate returns every rule that the settings break.
func (s settings) validate() error {
	return errors.Join(
		atLeast(time.Millisecond, "TTL", s.fresh),
		atLeast(0, "stale time", s.stale),
		atLeast(0, "stale-if-error time", s.staleIfError),
		atLeast(10*redlock.MinTTL, "lock TTL", s.lockTTL),
		atLeast(time.Millisecond, "load timeout", s.loadTimeout),
		atLeast(0, "negative TTL", s.negative),
		atLeast(0, "error TTL", s.errorTTL),
		atLeast(time.Millisecond, "poll fallback", s.fallback),
		share("jitter", s.jitter, 0, 0.9),
		share("fraction of WithEagerAt", s.eagerAt, 0, 1),
		share("beta of WithEarlyRefresh", s.beta, 0, 1000),
		oneOf("WithUnavailable", uint8(s.unavailable), uint8(FailClosed)),
		oneOf("WithOnFenced", uint8(s.onFenced), uint8(Reread)),
	)
}

func (c config) validate() error {
	var faults []error
	if len(c.prefix) > MaxPrefixBytes {
		faults = append(faults, fmt.Errorf("prefix %.32q... of %d bytes is over %d", c.prefix, len(c.prefix), MaxPrefixBytes))
	}
	if strings.ContainsAny(c.prefix, "{}") {
		faults = append(faults, fmt.Errorf("prefix %q has a brace, which would move the hash tag", c.prefix))
	}
	return errors.Join(append(faults, c.settings.validate())...)
}

// atLeast judges a time that Redis keeps as a TTL, or that is measured against one.
func atLeast(least time.Duration, what string, d time.Duration) error {
	switch {
	case d < least:
		return fmt.Errorf("%s %v is under %v", what, d, least)
	case d > MaxTTL:
		return fmt.Errorf("%s %v is over %v", what, d, MaxTTL)
	case d%time.Millisecond != 0:
		return fmt.Errorf("%s %v is not a whole number of milliseconds", what, d)
	}
	return nil
}

func share(what string, x, least, most float64) error {
	if !(x >= least && x <= most) { // also NaN
		return fmt.Errorf("%s %v is not in [%v, %v]", what, x, least, most)
	}
	return nil
}

func oneOf(what string, x, most uint8) error {
	if x > most {
		return fmt.Errorf("%s(%d) is no known policy", what, x)
	}
	return nil
}

type (
	cacheOption func(*config)
	bothOption  func(*settings)
)

func (o cacheOption) applyCache(c *config) { o(c) }
func (o bothOption) applyCache(c *config)  { o(&c.settings) }
func (o bothOption) applyCall(s *settings) { o(s) }

// WithTTL sets how long a value is fresh: whole milliseconds, from 1 ms to [MaxTTL]. Default [DefaultTTL].
func WithTTL(fresh time.Duration) BothOption {
	return bothOption(func(s *settings) { s.fresh = fresh })
}

// WithStale sets for how long after its freshness a value is still served at once, while one process loads a new
// one in the background. Default 0.
func WithStale(extra time.Duration) BothOption {
	return bothOption(func(s *settings) { s.stale = extra })
}

// WithStaleIfError sets for how long after that a value is served if loading a new one fails. Callers wait for
// that load. Default 0. Readers and writers of a key have to agree on it.
func WithStaleIfError(extra time.Duration) BothOption {
	return bothOption(func(s *settings) { s.staleIfError = extra })
}

// WithLockTTL sets how long the lock and the claim of a loader that died stand in the way of the next one. It has
// nothing to do with how long a load takes: both are renewed meanwhile. From 100 ms to the Locker's MaxTTL;
// default [DefaultLockTTL].
func WithLockTTL(ttl time.Duration) BothOption {
	return bothOption(func(s *settings) { s.lockTTL = ttl })
}

// WithLoadTimeout bounds a load, which outlives its callers' contexts. A load that ignores the end of its context
// goes on, but for nobody: what it returns is dropped. Default [DefaultLoadTimeout].
func WithLoadTimeout(d time.Duration) BothOption {
	return bothOption(func(s *settings) { s.loadTimeout = d })
}

// WithNegativeTTL sets how long it is remembered that a loader returned [ErrNotFound]. Default 0: not at all.
func WithNegativeTTL(d time.Duration) BothOption {
	return bothOption(func(s *settings) { s.negative = d })
}

// WithErrorTTL sets how long nobody loads again after a load failed: callers get that load's text as their error.
// Default 0: those who waited for the failed load share its error, the next caller loads.
func WithErrorTTL(d time.Duration) BothOption {
	return bothOption(func(s *settings) { s.errorTTL = d })
}

// WithPollFallback sets how long a waiter sleeps at most before it looks for itself, since announcements can be
// lost. Default [DefaultPollFallback].
func WithPollFallback(d time.Duration) BothOption {
	return bothOption(func(s *settings) { s.fallback = d })
}

// WithEarlyRefresh loads values anew in the background before they are stale, by chance: the sooner the longer a
// load takes, by the XFetch rule with this beta, in [0, 1000]. 0 turns it off. Default 1 if there is a stale time, else 0.
func WithEarlyRefresh(beta float64) BothOption {
	return bothOption(func(s *settings) { s.beta, s.betaSaid = beta, true })
}

// WithEagerAt loads values anew in the background once they are older than this share of their TTL, in [0, 1].
// Default 0: off.
func WithEagerAt(fraction float64) BothOption {
	return bothOption(func(s *settings) { s.eagerAt = fraction })
}

// WithJitter shortens the freshness of each value by a random share of up to this, in [0, 0.9], so that values
// that were stored together do not end together. Default 0.1.
func WithJitter(most float64) BothOption {
	return bothOption(func(s *settings) { s.jitter = most })
}

// WithUnavailable says what happens when lock nodes or the data node do not answer. Default [LoadLocally].
func WithUnavailable(policy Unavailable) BothOption {
	return bothOption(func(s *settings) { s.unavailable = policy })
}

// WithOnFenced says what callers get whose load was not stored. Default [ReturnUncached].
func WithOnFenced(policy OnFenced) BothOption {
	return bothOption(func(s *settings) { s.onFenced = policy })
}

// WithPrefix sets what begins every key and every lock's name: no braces, [MaxPrefixBytes] at most. Default
// [DefaultPrefix]. Caches of different types of values need different prefixes.
func WithPrefix(prefix string) Option {
	return cacheOption(func(c *config) { c.prefix = prefix })
}

// WithHooks sets whom the Cache tells what happens. Default nobody.
func WithHooks(hooks Hooks) Option {
	return cacheOption(func(c *config) { c.hooks = hooks })
}

// WithCodec sets how values become bytes. Its V has to be that of the Cache. Default [JSON].
func WithCodec[V any](codec Codec[V]) Option {
	return cacheOption(func(c *config) { c.codec = codec })
}
