package atomic

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// The codes with which the replies of all scripts begin, as far as they agree.
const (
	codeNo    = 0  // the recipe's condition does not hold
	codeYes   = 1  // done
	codeType  = -1 // a key is of another type
	codeValue = -2 // a key holds another value
)

// A reply is what a script that could do its work says: a code and integers.
type reply struct {
	code    int64
	numbers []int64
}

var errMalformed = errors.New("malformed reply")

// decode reads the reply of a script. What the script found unusable is a *CorruptError.
func (s script) decode(raw any, keys []string) (reply, error) {
	list, _ := raw.([]any)
	if len(list) == 0 {
		return reply{}, fmt.Errorf("%w: a %T, want a list", errMalformed, raw)
	}
	code, ok := list[0].(int64)
	if !ok {
		return reply{}, fmt.Errorf("%w: a %T as code, want an integer", errMalformed, list[0])
	}
	if code == codeType || code == codeValue {
		return reply{}, s.corrupt(code, list[1:], keys)
	}
	answer := reply{code: code}
	for _, item := range list[1:] {
		n, ok := item.(int64)
		if !ok {
			return reply{}, fmt.Errorf("%w: a %T, want an integer", errMalformed, item)
		}
		answer.numbers = append(answer.numbers, n)
	}
	return answer, nil
}

// corrupt reads what a script says of a key that it cannot use: which one, and what is there.
func (s script) corrupt(code int64, details []any, keys []string) error {
	if len(details) != 2 {
		return fmt.Errorf("%w: %d details of a key, want 2", errMalformed, len(details))
	}
	at, _ := details[0].(int64)
	found, ok := details[1].(string)
	if !ok || at < 1 || at > int64(len(keys)) {
		return fmt.Errorf("%w: details of no key that there is", errMalformed)
	}
	e := &CorruptError{Key: keys[at-1], Want: s.wants[at-1]}
	if code == codeType {
		e.Type = found
	} else {
		e.Value = found
	}
	return e
}

// is reports whether the reply has this code, and so many integers behind it.
func (r reply) is(code int64, numbers int) bool { return r.code == code && len(r.numbers) == numbers }

// unexpected is the error for a reply that the script does not give.
func (r reply) unexpected() error {
	return fmt.Errorf("%w: code %d with %d", errMalformed, r.code, r.numbers)
}

// longest is the longest time in milliseconds that a duration can hold, with room for one more.
const longest = math.MaxInt64/int64(time.Millisecond) - 1

// milliseconds converts a count of them. What no duration can hold becomes the longest that one can.
func milliseconds(n int64) time.Duration { return time.Duration(min(n, longest)) * time.Millisecond }
