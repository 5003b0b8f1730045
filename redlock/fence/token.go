package fence

import (
	"errors"
	"fmt"
	"strconv"
)

// MaxToken is the largest token: the largest integer beneath which a float64 has all others too.
const MaxToken uint64 = 1<<53 - 1

// ErrBadToken means that what was presented is no token, so nothing was checked: the program has to
// change. The usual cause is a lease without a token, whose number is 0.
var ErrBadToken = errors.New("fence: not a token")

// ParseToken reads a token as it travels in headers, JSON strings and scripts: decimal digits, from 1 to
// [MaxToken], without sign, space or leading zero. Else the error is an [ErrBadToken].
func ParseToken(text string) (uint64, error) {
	if text == "" {
		return 0, fmt.Errorf("%w: it is empty", ErrBadToken)
	}
	token, err := strconv.ParseUint(text, 10, 64)
	if err != nil || FormatToken(token) != text {
		return 0, fmt.Errorf("%w: %.32q is not a plain decimal number", ErrBadToken, text)
	}
	return token, validateToken(token)
}

// FormatToken writes a token as [ParseToken] reads it. It does not judge it.
func FormatToken(token uint64) string { return strconv.FormatUint(token, 10) }

func validateToken(token uint64) error {
	switch {
	case token == 0:
		return fmt.Errorf("%w: 0 means that the lease has none", ErrBadToken)
	case token > MaxToken:
		return fmt.Errorf("%w: %d is over %d", ErrBadToken, token, MaxToken)
	}
	return nil
}
