package atomic

import (
	"context"
	_ "embed" // the script
)

//go:embed increment.lua
var incrementSource string

var incrementScript = newScript("increment", incrementSource, "an integer in (-2^53, 2^53)")

// Increment adds one to the counter at key while that is below maximum, and returns its new value. At the
// maximum, or over it, the counter stays as it is, and the error is a [*LimitError] with its value.
//
// A missing key counts as 0. A key with a TTL keeps it. maximum is in [1, 2^53). A repeat after an
// [ErrUnknown] may count twice.
func (r *Recipes) Increment(ctx context.Context, key string, maximum int64) (int64, error) {
	if err := configError(keyFault("counter", key), countFault("maximum", maximum)); err != nil {
		return 0, err
	}
	read := func(answer reply) (int64, error) { return answer.incremented(key, maximum) }
	return run(ctx, r, incrementScript, read, []string{key}, maximum)
}

func (r reply) incremented(key string, maximum int64) (int64, error) {
	switch {
	case r.is(codeYes, 1) && r.numbers[0] <= maximum:
		return r.numbers[0], nil
	case r.is(codeNo, 1) && r.numbers[0] >= maximum:
		return 0, &LimitError{Key: key, Limit: maximum, Count: r.numbers[0]}
	}
	return 0, r.unexpected()
}
