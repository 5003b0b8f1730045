package leader

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/quorumlock/quorumlock/redlock"
)

const (
	// DefaultBackoff and DefaultMaxBackoff bound the pause after a term unless WithBackoff says otherwise.
	DefaultBackoff    = time.Second
	DefaultMaxBackoff = 30 * time.Second
	// DefaultPoll is how often the nodes are asked unless WithPoll says otherwise.
	DefaultPoll = time.Second
	// MinPoll is the shortest interval of WithPoll.
	MinPoll = 10 * time.Millisecond
	// MaxRoleBytes is the longest role, less the Locker's namespace: a lock's name, with room for a suffix.
	MaxRoleBytes = redlock.MaxNameBytes - len(requestSuffix)
)

// An Option sets up an Elector. It only records; New judges all of them at once.
type Option func(*config)

// config is what options record.
type config struct {
	lease   []redlock.AcquireOption
	backoff backoff
	poll    time.Duration
	check   func(context.Context) error
	every   time.Duration // of check; 0 without one
	checked bool          // WithHealthCheck was given
	ended   func(Ended)
}

func newConfig(opts []Option) config {
	c := config{backoff: backoff{first: DefaultBackoff, most: DefaultMaxBackoff}, poll: DefaultPoll}
	for _, opt := range opts {
		if opt != nil {
			opt(&c)
		}
	}
	return c
}

// validate returns every rule that the configuration of an Elector for role breaks.
func (c config) validate(role string) error {
	var faults []error
	rule := func(broken bool, format string, args ...any) {
		if broken {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	rule(role == "", "the role is empty")
	rule(len(role) > MaxRoleBytes, "role %.32q... of %d bytes is over %d", role, len(role), MaxRoleBytes)
	rule(strings.HasSuffix(role, requestSuffix), "role %q ends in %q, which is reserved for requests to resign",
		role, requestSuffix)
	rule(strings.HasPrefix(role, "redlock:"), `role %q begins with "redlock:", which is reserved`, role)
	rule(c.backoff.first <= 0, "backoff %v is not positive", c.backoff.first)
	rule(c.backoff.most < c.backoff.first, "backoff of at most %v is under its beginning of %v", c.backoff.most, c.backoff.first)
	rule(c.poll < MinPoll, "poll every %v is under %v", c.poll, MinPoll)
	if c.checked {
		rule(c.check == nil, "the health check is nil")
		rule(c.every <= 0, "health check every %v is not positive", c.every)
	}
	return configError(faults...)
}

// WithLease sets how the role is held, by the options of package redlock: redlock.WithTTL is how long others
// wait after a leader has died, redlock.WithHolder the label by which they see who leads, redlock.WithMaxHold
// the longest term. The default is what the Locker says. The context of a term has Run's as its parent, so
// redlock.WithParent has no effect here; redlock.WithoutToken makes tokens 0. Given twice, the options add up.
//
// What breaks a rule of package redlock is told by Run, when it campaigns.
func WithLease(opts ...redlock.AcquireOption) Option {
	opts = slices.Clone(opts)
	return func(c *config) { c.lease = append(c.lease, opts...) }
}

// WithBackoff sets the pause of an Elector after its term, in which others come first. It is first after work
// that returned nil though its term went on, and after a resignation. After work that failed it doubles each
// time up to most, and it begins anew after a term that lasted longer than most. Pauses are shortened by up to
// a half, at random, and one under 300 ms may let who has resigned come back before the others. A lease that was
// lost is followed by no pause. Both are positive; defaults [DefaultBackoff] and [DefaultMaxBackoff].
func WithBackoff(first, most time.Duration) Option {
	return func(c *config) { c.backoff = backoff{first: first, most: most} }
}

// WithHealthCheck lets a process lead only while check returns nil. It is asked before each campaign and before
// the work, which therefore starts that much later, and then every so often. When it fails, or has not returned
// after every, the context of the term ends with [ErrUnhealthy], and the Elector does not campaign until the
// check has passed again. check is not called twice at once. It must return when its context ends.
func WithHealthCheck(check func(ctx context.Context) error, every time.Duration) Option {
	return func(c *config) { c.check, c.every, c.checked = check, every, true }
}

// WithPoll sets how often the nodes are asked what nobody tells: a leader asks whether somebody wants it to
// resign, Observe who leads, RequestResign whether it has worked. At least [MinPoll]; default [DefaultPoll].
func WithPoll(every time.Duration) Option {
	return func(c *config) { c.poll = every }
}

// WithEnded sets what is told of each term that has ended, once the role has been given up and before the next
// campaign. It is called by the goroutine of Run, and delays it. It must not call Close or Resign.
func WithEnded(ended func(Ended)) Option {
	return func(c *config) { c.ended = ended }
}

var errNilLocker = errors.New("the locker is nil")
