package fence

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// A Redis guards keys of one Redis server or cluster, by scripts that check the token and do the work in
// one step. A resource is the name of a key. The newest token is kept beside it, under
//
//	redlock:fence:{tag}...
//
// where tag is the resource's hash tag, so that both are in one slot of a cluster.
//
// It is a [Guard] and not a [WriteGuard]: a script is the only thing that Redis does not interrupt. So
// writes go through [Redis.Set], or [Redis.Run] with a script of yours.
//
// The server has to remember the newest tokens as long as the data: maxmemory-policy noeviction, or the
// guard keys may go before the data; and a failover to a replica that lags forgets what it has not got,
// of the data and of the tokens. It need not be one of the nodes of the lock.
//
// Retries of the client are safe against other holders, since each is checked anew. A script of yours that
// is run twice by one holder runs twice.
//
// Methods may be called from several goroutines. The client stays yours to close.
type Redis struct {
	client redis.UniversalClient
	keep   time.Duration // 0: for ever
}

// A RedisOption sets up a [Redis]. It only records; [NewRedis] judges.
type RedisOption func(*redisConfig)

// redisConfig is what options record.
type redisConfig struct {
	keep    time.Duration
	expires bool
}

// WithGuardTTL lets the newest token of a resource be forgotten once none was presented for ttl, at
// least 1 ms. The default is to keep it for ever, one small key for each resource. After it is forgotten an
// old holder is admitted again: ttl has to be longer than anything can stand still and come back with an
// old token, such as the longest life of a process, and of what waits in queues. Days rather than
// minutes. All users of a resource should agree on it: each admitted token sets it anew.
func WithGuardTTL(ttl time.Duration) RedisOption {
	return func(c *redisConfig) { c.keep, c.expires = ttl, true }
}

func (c redisConfig) validate() error {
	if c.expires && c.keep < time.Millisecond {
		return fmt.Errorf("guard TTL %v is under %v", c.keep, time.Millisecond)
	}
	return nil
}

// NewRedis returns a guard on the server or cluster of a client. It does no I/O. Its errors name all that
// is wrong with the arguments.
func NewRedis(client redis.UniversalClient, opts ...RedisOption) (*Redis, error) {
	var c redisConfig
	for _, opt := range opts {
		if opt != nil {
			opt(&c)
		}
	}
	faults := []error{c.validate()}
	if client == nil {
		faults = append(faults, errors.New("the client is nil"))
	}
	if err := constructorError("NewRedis", errors.Join(faults...)); err != nil {
		return nil, err
	}
	return &Redis{client: client, keep: c.keep}, nil
}

var (
	registerScript = newScript("return redis.status_reply('OK')")
	getScript      = newScript("return redis.call('GET', KEYS[1])")
	setScript      = newScript("if ARGV[2] == '0' then return redis.call('SET', KEYS[1], ARGV[1]) end\n" +
		"return redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])")
)

// Register is [Guard]'s: call it before any other command reads the resource. [Redis.Get] does both in
// one step.
func (r *Redis) Register(ctx context.Context, resource string, token uint64) error {
	return r.Run(ctx, registerScript, resource, token, nil).Err()
}

// Get presents a token and reads the resource, a string. The error is redis.Nil if there is none; the
// token is registered all the same.
func (r *Redis) Get(ctx context.Context, resource string, token uint64) (string, error) {
	return r.Run(ctx, getScript, resource, token, []string{resource}).Text()
}

// Set presents a token and sets the resource to a string, for ttl, in whole milliseconds, or for ever if
// it is 0.
func (r *Redis) Set(ctx context.Context, resource string, token uint64, value string, ttl time.Duration) error {
	if ttl != 0 && ttl < time.Millisecond {
		return fmt.Errorf("fence: %q: TTL %v is neither 0 nor at least %v", resource, ttl, time.Millisecond)
	}
	return r.Run(ctx, setScript, resource, token, []string{resource}, value, ttl.Milliseconds()).Err()
}

// Run presents a token for the resource and, if it is admitted, runs the script's body, all in one step.
// keys and args are the body's own; keys need not have the resource among them, but on a cluster have to
// be in its slot. The result is that of the body, or its Err a [*StaleError] or an [ErrBadToken], and then
// the body did not run. It costs one round trip, and one more where the server does not know the script.
func (r *Redis) Run(ctx context.Context, script *Script, resource string, token uint64, keys []string, args ...any) *redis.Cmd {
	guard, err := r.Key(resource)
	if err = errors.Join(err, validateToken(token)); err != nil {
		return failed(ctx, err)
	}
	keys = append(keys[:len(keys):len(keys)], guard)
	args = append(args[:len(args):len(args)], FormatToken(token), r.keep.Milliseconds())
	reply := script.guarded.Run(ctx, r.client, keys, args...)
	if err := FromRedis(resource, token, reply.Err()); err != nil {
		reply.SetErr(err)
	}
	return reply
}

func failed(ctx context.Context, err error) *redis.Cmd {
	reply := redis.NewCmd(ctx)
	reply.SetErr(err)
	return reply
}

// Forget removes what is known of a resource, so that the next token is admitted whatever it is. Call it
// when the resource is gone for good, and no older holder of its lock can still come to it.
func (r *Redis) Forget(ctx context.Context, resource string) error {
	key, err := r.Key(resource)
	if err != nil {
		return err
	}
	if err := r.client.Del(ctx, key).Err(); err != nil {
		return fmt.Errorf("fence: %q: forgetting the token: %w", resource, err)
	}
	return nil
}

// Key returns the guard key of a resource: where its newest token is, as decimal text.
func (r *Redis) Key(resource string) (string, error) { return guardKey(resource) }

const guardPrefix = "redlock:fence:"

// guardKey makes a key in the resource's slot. A cluster hashes what is between the first { and the next
// } of a key if that is not empty, and else the whole key.
func guardKey(resource string) (string, error) {
	if err := validateResource(resource); err != nil {
		return "", err
	}
	if _, after, found := strings.Cut(resource, "{"); found {
		if tag, _, closed := strings.Cut(after, "}"); closed && tag != "" {
			return guardPrefix + "{" + tag + "}:" + resource, nil
		}
	}
	if strings.Contains(resource, "}") {
		return "", fmt.Errorf("fence: resource %.64q has a } and no hash tag, so no other key can be in its slot: "+
			"rename it, or give it a tag in braces", resource)
	}
	return guardPrefix + "{" + resource + "}", nil
}
