package atomic

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
)

// A script is the source of one recipe, and the name that the server's script cache has for it.
type script struct {
	name   string
	source string
	sha    string
	wants  []string // what each of its keys has to hold, in words
}

func newScript(name, source string, wants ...string) script {
	sum := sha1.Sum([]byte(source))
	return script{name: name, source: source, sha: hex.EncodeToString(sum[:]), wants: wants}
}

// once is a command that the client library does not repeat. It would, after timeouts and lost connections,
// and only the caller knows whether a repeat does harm.
type once struct{ *redis.Cmd }

func (once) NoRetry() bool { return true }

// run carries out a script, with one call if the server knows it and two if not, and returns what read makes of
// the reply.
func run[T any](ctx context.Context, r *Recipes, s script, read func(reply) (T, error), keys []string, args ...any) (T, error) {
	var none T
	raw, err := r.send(ctx, "evalsha", s.sha, keys, args)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		raw, err = r.send(ctx, "eval", s.source, keys, args)
	}
	if err != nil {
		return none, s.failed(ctx, keys, err)
	}
	answer, err := s.decode(raw, keys)
	if err != nil {
		return none, s.unreadable(keys, err)
	}
	result, err := read(answer)
	if err != nil {
		return none, s.unreadable(keys, err)
	}
	return result, nil
}

// An unsentError is the reason why a command was not sent.
type unsentError struct{ error }

func (e unsentError) Unwrap() error { return e.error }

func (r *Recipes) send(ctx context.Context, command, script string, keys []string, args []any) (any, error) {
	if err := ctx.Err(); err != nil {
		return nil, unsentError{err}
	}
	words := make([]any, 0, 3+len(keys)+len(args))
	words = append(words, command, script, len(keys))
	for _, key := range keys {
		words = append(words, key)
	}
	cmd := once{redis.NewCmd(ctx, append(words, args...)...)}
	cmd.SetFirstKeyPos(3)
	_ = r.client.Process(ctx, cmd) // the result has the error
	return cmd.Result()
}

// failed says what it means for the caller that sending a script returned err.
func (s script) failed(ctx context.Context, keys []string, err error) error {
	if redis.HasErrorPrefix(err, "CROSSSLOT") {
		return configError(fmt.Errorf("keys %.64q are not on one node: on a Cluster or a Ring all keys of one call need "+
			"the same hash tag, such as {shoe} in \"{shoe}:stock\": %w", keys, err))
	}
	if !doubtful(err) {
		return fmt.Errorf("atomic: %s %q: %w", s.name, keys[0], err)
	}
	if end := ended(ctx); end != nil && !errors.Is(err, end) {
		err = fmt.Errorf("%w: %w", end, err) // the library tells of a timeout, not of its reason
	}
	return fmt.Errorf("%w: %s %q: %w", ErrUnknown, s.name, keys[0], err)
}

// ended returns why ctx has ended, or nil. A socket with the deadline of ctx can notice it before ctx does.
func ended(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok && ctx.Err() == nil && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return ctx.Err()
}

// unreadable passes on what a reply says, unless it says nothing that the script would. Whoever sent such a
// reply, the script may have run.
func (s script) unreadable(keys []string, err error) error {
	if errors.Is(err, errMalformed) {
		return fmt.Errorf("%w: %s %q: %w", ErrUnknown, s.name, keys[0], err)
	}
	return err
}

// doubtful reports whether a call that failed so may have been carried out. The server's own errors are not:
// scripts write nothing before they have checked everything.
func doubtful(err error) bool {
	var (
		refused redis.Error
		unsent  unsentError
		network *net.OpError
	)
	switch {
	case errors.Is(err, redis.Nil): // an answer that no script gives
		return true
	case errors.As(err, &refused), errors.As(err, &unsent):
		return false
	case errors.As(err, &network) && network.Op == "dial":
		return false
	}
	return !errors.Is(err, redis.ErrPoolTimeout) && !errors.Is(err, redis.ErrPoolExhausted) && !errors.Is(err, redis.ErrClosed)
}
