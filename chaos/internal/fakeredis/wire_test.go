package fakeredis_test

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A value is a reply as it was on the wire.
type value struct {
	kind byte
	text string
	list []value
}

// String writes a value such that different ones look different: +OK, $"a", :1, _, *[...].
func (v value) String() string {
	switch v.kind {
	case '$':
		return fmt.Sprintf("$%q", v.text)
	case '*', '%', '>':
		return fmt.Sprintf("%c%v", v.kind, v.list)
	}
	return string(v.kind) + v.text
}

// A speaker talks RESP over a bare connection.
type speaker struct {
	net.Conn
	in *bufio.Reader
}

func speak(c net.Conn) *speaker { return &speaker{Conn: c, in: bufio.NewReader(c)} }

// request writes a command as clients do.
func request(args ...string) []byte {
	b := fmt.Appendf(nil, "*%d\r\n", len(args))
	for _, arg := range args {
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(arg), arg)
	}
	return b
}

// send sends commands as one message.
func (s *speaker) send(t testing.TB, batch ...[]string) {
	t.Helper()
	var b []byte
	for _, args := range batch {
		b = append(b, request(args...)...)
	}
	if _, err := s.Write(b); err != nil {
		t.Fatalf("sending %q: %v", batch, err)
	}
}

// do returns the reply to a command.
func (s *speaker) do(t testing.TB, args ...string) value {
	t.Helper()
	s.send(t, args)
	v, err := s.read()
	if err != nil {
		t.Fatalf("reply to %q: %v", args, err)
	}
	return v
}

// want demands the reply to a command, as value.String writes it.
func (s *speaker) want(t testing.TB, want string, args ...string) {
	t.Helper()
	if got := s.do(t, args...).String(); got != want {
		t.Errorf("%q = %s, want %s", args, got, want)
	}
}

// read reads one reply.
func (s *speaker) read() (value, error) {
	if err := s.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return value{}, err
	}
	line, err := s.in.ReadString('\n')
	if err != nil {
		return value{}, err
	}
	v := value{kind: line[0], text: strings.TrimSuffix(line[1:], "\r\n")}
	n := 0
	if strings.IndexByte("$*%>", v.kind) >= 0 {
		if n, err = strconv.Atoi(v.text); err != nil {
			return v, err
		}
	}
	switch {
	case n < 0:
		return value{kind: '_', text: "2"}, nil
	case v.kind == '$':
		b := make([]byte, n+2)
		_, err = io.ReadFull(s.in, b)
		v.text = string(b[:n])
	case v.kind == '%':
		n *= 2
	}
	if v.kind == '*' || v.kind == '%' || v.kind == '>' {
		v.text = ""
		for range n {
			part, err := s.read()
			if err != nil {
				return v, err
			}
			v.list = append(v.list, part)
		}
	}
	return v, err
}

// dial connects within a second.
func dial(t testing.TB, d interface {
	Dial(ctx context.Context) (net.Conn, error)
},
) *speaker {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	c, err := d.Dial(ctx)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return speak(c)
}

// sha is how clients name a script.
func sha(source string) string {
	sum := sha1.Sum([]byte(source))
	return hex.EncodeToString(sum[:])
}
