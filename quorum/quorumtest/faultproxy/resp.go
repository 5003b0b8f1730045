package faultproxy

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// maxFrame is the largest command or reply that is looked at as one.
const maxFrame = 64 << 10

// errForeign means that bytes are not RESP, or more than the proxy wants to look at.
var errForeign = errors.New("not a RESP frame of reasonable size")

// frameLen returns the length of the RESP value at the start of b, of any type and protocol
// version, and 0 if b ends before the value does.
func frameLen(b []byte) (int, error) {
	pos := 0
	for pending := 1; pending > 0; pending-- {
		line, _, found := bytes.Cut(b[min(pos, len(b)):], []byte("\r\n"))
		if pos += len(line) + 2; !found {
			return 0, tooLong(len(b))
		}
		payload, parts, err := header(line)
		if err != nil {
			return 0, err
		}
		pos += payload
		pending += parts
	}
	if pos > len(b) {
		return 0, tooLong(pos)
	}
	return pos, tooLong(pos)
}

// tooLong returns an error if a frame needs more bytes than the proxy keeps.
func tooLong(n int) error {
	if n > maxFrame {
		return errForeign
	}
	return nil
}

// header says what follows the first line of a RESP value: bytes that belong to it, and values that
// are part of it.
func header(line []byte) (payload, parts int, err error) {
	if len(line) == 0 {
		return 0, 0, errForeign
	}
	switch line[0] {
	case '+', '-', ':', '_', '#', ',', '(':
		return 0, 0, nil
	case '$', '!', '=':
		n, err := size(line[1:])
		if n < 0 { // null
			return 0, 0, err
		}
		return n + 2, 0, err
	case '*', '~', '>':
		n, err := size(line[1:])
		return 0, max(n, 0), err
	case '%':
		n, err := size(line[1:])
		return 0, 2 * max(n, 0), err
	case '|': // attributes come before the value they belong to
		n, err := size(line[1:])
		return 0, 2*max(n, 0) + 1, err
	}
	return 0, 0, errForeign
}

// size reads a length, where -1 stands for null.
func size(digits []byte) (int, error) {
	n, err := strconv.Atoi(string(digits))
	if err != nil || n < -1 || n > maxFrame {
		return 0, errForeign
	}
	return n, nil
}

// requestLen is frameLen for what a client sends: arrays, or plain lines typed by hand.
func requestLen(b []byte) (int, error) {
	if len(b) == 0 || b[0] == '*' {
		return frameLen(b)
	}
	if end := bytes.IndexByte(b, '\n'); end >= 0 {
		return end + 1, tooLong(end + 1)
	}
	return 0, tooLong(len(b))
}

// isPush reports whether a frame is one that no command asked for.
func isPush(frame []byte) bool { return len(frame) > 0 && frame[0] == '>' }

// parseCommand returns the command in a whole frame. Frames that get no reply, or are none that a
// client sends, hold none.
func parseCommand(frame []byte) Command {
	if len(frame) == 0 || frame[0] != '*' {
		return strings.Fields(string(frame))
	}
	_, rest, _ := bytes.Cut(frame, []byte("\r\n"))
	var c Command
	for len(rest) > 0 {
		n, err := frameLen(rest)
		if err != nil || n == 0 || rest[0] != '$' {
			return nil
		}
		_, part, _ := bytes.Cut(rest[:n], []byte("\r\n"))
		c = append(c, string(bytes.TrimSuffix(part, []byte("\r\n"))))
		rest = rest[n:]
	}
	return c
}

// A splitter cuts a stream into frames. From the first bytes on that are none it passes everything as
// it comes.
type splitter struct {
	length func([]byte) (int, error) // of the frame at the start, as frameLen
	buf    []byte
	raw    bool
}

func (s *splitter) write(b []byte) { s.buf = append(s.buf, b...) }

// next returns the next frame, or nothing if there is no whole one.
func (s *splitter) next() []byte {
	n := len(s.buf)
	if !s.raw {
		var err error
		if n, err = s.length(s.buf); err != nil {
			s.raw, n = true, len(s.buf)
		}
	}
	frame := s.buf[:n:n]
	s.buf = s.buf[n:]
	return frame
}

// rest returns what is left of a stream that has ended.
func (s *splitter) rest() []byte { return s.buf }
