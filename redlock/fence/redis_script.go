package fence

import (
	_ "embed" // the scripts
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed fence.lua
	fenceLua string
	//go:embed fenced.lua
	fencedLua string
)

// Lua returns the guard as text, for scripts of your own in any language: put it before the script. It
// defines one local function:
//
//	local stale = fence(key, token, keep)
//	if stale then return stale end
//
// key is the guard key ([Redis.Key]; it has to be among the script's KEYS), token the decimal text of
// the token, keep for how many milliseconds the guard key is kept ('0': for ever). Call it before the
// script reads or writes. What it returns is nil or an error reply, whose text begins with STALETOKEN,
// and then has the newest token, or with BADTOKEN; [FromRedis] makes these a [*StaleError] and an
// [ErrBadToken].
func Lua() string { return fenceLua }

// A Script is a Lua script that runs only if its caller's token is admitted; [Redis.Run] runs it.
type Script struct{ guarded *redis.Script }

// NewScript puts the guard before the body of a script. The body sees the keys and arguments given to
// [Redis.Run] as KEYS and ARGV, and returns what it likes. A body with a #! line is refused, as Redis
// wants that line to be the first.
func NewScript(body string) (*Script, error) {
	switch {
	case strings.TrimSpace(body) == "":
		return nil, errors.New("fence: the script's body is empty")
	case strings.HasPrefix(body, "#!"):
		return nil, fmt.Errorf("fence: the script's body begins with %.20q: leave out the #! line", body)
	}
	return newScript(body), nil
}

func newScript(body string) *Script {
	return &Script{guarded: redis.NewScript(fenceLua + fencedLua + body)}
}

// FromRedis makes an error reply of the guard a [*StaleError] or an [ErrBadToken]. Any other error, and
// nil, it returns as it is.
func FromRedis(resource string, token uint64, err error) error {
	if text, ok := replyAfter(err, "STALETOKEN "); ok {
		newest, parseErr := ParseToken(text)
		if parseErr != nil {
			return errors.Join(err, parseErr)
		}
		return &StaleError{Resource: resource, Token: token, Newest: newest}
	}
	if text, ok := replyAfter(err, "BADTOKEN "); ok {
		return fmt.Errorf("%w: %q with %d: %s", ErrBadToken, resource, token, text)
	}
	return err
}

// replyAfter returns what follows the code in an error reply of the server.
func replyAfter(err error, code string) (text string, found bool) {
	if reply, ok := errors.AsType[redis.Error](err); ok {
		return strings.CutPrefix(reply.Error(), code)
	}
	return "", false
}
