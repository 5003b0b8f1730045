package fakeredis

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
)

const (
	// maxArguments and maxArgument are Redis's limits of a request, and maxHeader that of a line.
	maxArguments = math.MaxInt32
	maxArgument  = 512 << 20
	maxHeader    = 64 << 10
)

// A protocolError is what is wrong with a request's bytes. The server says it, and hangs up.
type protocolError string

func (e protocolError) Error() string { return "ERR Protocol error: " + string(e) }

// parseRequest reads the request at the start of b: its arguments, the first of which is the command's
// name, and its length in bytes. The length is 0 if b ends before the request does. A request may have
// no arguments at all, and then wants no answer.
func parseRequest(b []byte) (args []string, length int, err error) {
	if len(b) > 0 && b[0] != '*' {
		return nil, 0, protocolError("a request that is no array")
	}
	n, pos, err := number(b, maxArguments, "invalid multibulk length")
	if err != nil || pos == 0 {
		return nil, 0, err
	}
	for range n {
		arg, size, err := argument(b[pos:])
		if err != nil || size == 0 {
			return nil, 0, err
		}
		args = append(args, arg)
		pos += size
	}
	return args, pos, nil
}

// argument reads the string at the start of b, and how many bytes it takes; 0 if they are not all
// there.
func argument(b []byte) (arg string, size int, err error) {
	if len(b) > 0 && b[0] != '$' {
		return "", 0, protocolError(fmt.Sprintf("expected '$', got '%c'", b[0]))
	}
	n, start, err := number(b, maxArgument, "invalid bulk length")
	if err != nil || start == 0 {
		return "", 0, err
	}
	if n < 0 {
		return "", 0, protocolError("invalid bulk length")
	}
	end := start + n
	if len(b) < end+2 {
		return "", 0, nil
	}
	return string(b[start:end]), end + 2, nil
}

// number reads a line of a sign and a number up to limit, and the line's length; 0 if it is not all
// there.
func number(b []byte, limit int, problem protocolError) (n, length int, err error) {
	end := bytes.IndexByte(b, '\r')
	switch {
	case end < 0 && len(b) > maxHeader:
		return 0, 0, protocolError("too big " + string(problem[len("invalid "):]) + " string")
	case end < 0 || len(b) < end+2:
		return 0, 0, nil
	}
	n, ok := plainInteger(string(b[1:end]))
	if !ok || n > limit {
		return 0, 0, problem
	}
	return n, end + 2, nil
}

// plainInteger reads a number written in the only way in which Redis writes it.
func plainInteger(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && strconv.Itoa(n) == s
}
