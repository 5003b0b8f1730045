package stampede

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// data is the data node, in the words of this package.
type data struct{ client redis.UniversalClient }

// A look is what the data node has for a key.
type look struct {
	blob  []byte        // nil if there is none
	left  time.Duration // its TTL
	claim time.Duration // what is left of the claim, 0 if there is none
}

// read looks at a value: one round trip. Its two commands are not one step, so the TTL may be that of a
// successor: then a value that was the current one a moment ago is taken for younger than it is, once.
func (d data) read(ctx context.Context, n names) (look, error) {
	pipe := d.client.Pipeline()
	value, left := pipe.Get(ctx, n.value), pipe.PTTL(ctx, n.value)
	_, _ = pipe.Exec(ctx) // each command has its own error
	return looked(value, left, nil)
}

// peek looks at a value and its claim.
func (d data) peek(ctx context.Context, n names) (look, error) {
	pipe := d.client.Pipeline()
	value, left, claim := pipe.Get(ctx, n.value), pipe.PTTL(ctx, n.value), pipe.PTTL(ctx, n.claim)
	_, _ = pipe.Exec(ctx)
	return looked(value, left, claim)
}

// readMany looks at many values at once: one round trip for each server that has some of them.
func (d data) readMany(ctx context.Context, all []names) ([]look, []error) {
	pipe := d.client.Pipeline()
	values, lefts := make([]*redis.StringCmd, len(all)), make([]*redis.DurationCmd, len(all))
	for i, n := range all {
		values[i], lefts[i] = pipe.Get(ctx, n.value), pipe.PTTL(ctx, n.value)
	}
	_, _ = pipe.Exec(ctx)
	looks, errs := make([]look, len(all)), make([]error, len(all))
	for i := range all {
		looks[i], errs[i] = looked(values[i], lefts[i], nil)
	}
	return looks, errs
}

func looked(value *redis.StringCmd, left, claim *redis.DurationCmd) (look, error) {
	var l look
	blob, err := value.Bytes()
	switch {
	case errors.Is(err, redis.Nil):
	case err != nil:
		return l, err
	default:
		l.blob = blob
	}
	if err := left.Err(); err != nil {
		return l, err
	}
	l.left = left.Val()
	if claim == nil {
		return l, nil
	}
	if err := claim.Err(); err != nil {
		return l, err
	}
	l.claim = max(claim.Val(), 0)
	return l, nil
}

// failedText returns the text of the last load's error while nobody is to load again.
func (d data) failedText(ctx context.Context, n names) (text string, failed bool, err error) {
	text, err = d.client.Get(ctx, n.failed).Result()
	if errors.Is(err, redis.Nil) {
		return "", false, nil
	}
	return text, err == nil, err
}

// What claim.lua answers.
const (
	claimFilled = 0
	claimLoad   = 1
	claimFailed = 2
	claimLate   = -1
	claimTaken  = -2
)

type claimReply struct {
	code int64
	look look
	text string
}

// claim writes down who loads. seen is the mark of the value that the caller wants to replace.
func (d data) claim(ctx context.Context, n names, id string, token uint64, seen string, ttl time.Duration, alone bool) (claimReply, error) {
	open := 0
	if alone {
		open = 1
	}
	raw, err := claimScript.Run(ctx, d.client, []string{n.value, n.claim, n.failed},
		id, token, seen, ttl.Milliseconds(), open).Slice()
	if err != nil {
		return claimReply{}, err
	}
	return parseClaim(raw)
}

func parseClaim(raw []any) (claimReply, error) {
	unreadable := fmt.Errorf("reply %.64q of claim.lua is none that it gives", fmt.Sprint(raw...))
	if len(raw) == 0 {
		return claimReply{}, unreadable
	}
	code, ok := raw[0].(int64)
	reply := claimReply{code: code}
	switch {
	case !ok:
		return claimReply{}, unreadable
	case code == claimFilled && len(raw) == 3:
		blob, _ := raw[1].(string)
		left, _ := raw[2].(int64)
		reply.look = look{blob: []byte(blob), left: time.Duration(left) * time.Millisecond}
	case code == claimFailed && len(raw) == 2:
		reply.text, _ = raw[1].(string)
	case code == claimLoad, code == claimLate, code == claimTaken:
	default:
		return claimReply{}, unreadable
	}
	return reply, nil
}

// renew reports whether the claim still is id's.
func (d data) renew(ctx context.Context, n names, id string, ttl time.Duration) (bool, error) {
	return truth(renewScript.Run(ctx, d.client, []string{n.claim}, id, ttl.Milliseconds()))
}

// store reports whether the value was accepted.
func (d data) store(ctx context.Context, n names, id string, blob []byte, hard time.Duration, m message) (bool, error) {
	return truth(storeScript.Run(ctx, d.client, []string{n.value, n.claim, n.failed},
		id, blob, hard.Milliseconds(), n.channel, m.encode()))
}

// fail reports whether the claim was id's until now.
func (d data) fail(ctx context.Context, n names, id string, holdOff time.Duration, text string, m message) (bool, error) {
	return truth(failScript.Run(ctx, d.client, []string{n.claim, n.failed},
		id, holdOff.Milliseconds(), text, n.channel, m.encode()))
}

func (d data) put(ctx context.Context, n names, blob []byte, hard time.Duration, m message) error {
	return putScript.Run(ctx, d.client, []string{n.value, n.claim, n.failed},
		blob, hard.Milliseconds(), n.channel, m.encode()).Err()
}

func (d data) invalidate(ctx context.Context, n names) error {
	return invalidateScript.Run(ctx, d.client, []string{n.value, n.claim, n.failed},
		n.channel, message{kind: toldVoid}.encode()).Err()
}

func truth(cmd *redis.Cmd) (bool, error) {
	n, err := cmd.Int64()
	return n == 1, err
}
