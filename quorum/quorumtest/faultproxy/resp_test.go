package faultproxy

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestFrameLen(t *testing.T) {
	const rest = "+next\r\n"
	tests := map[string]string{
		"simple string":        "+OK\r\n",
		"error":                "-ERR no\r\n",
		"number":               ":42\r\n",
		"bulk string":          "$5\r\nhe\r\nl\r\n",
		"empty bulk string":    "$0\r\n\r\n",
		"null bulk string":     "$-1\r\n",
		"array":                "*2\r\n$1\r\na\r\n:1\r\n",
		"empty array":          "*0\r\n",
		"null array":           "*-1\r\n",
		"nested array":         "*2\r\n*2\r\n+a\r\n*0\r\n*1\r\n$2\r\nbc\r\n",
		"map":                  "%1\r\n+key\r\n*1\r\n:1\r\n",
		"set":                  "~2\r\n#t\r\n_\r\n",
		"push":                 ">2\r\n+message\r\n$1\r\nx\r\n",
		"double, big number":   "*2\r\n,1.5\r\n(123456789012345678901234567890\r\n",
		"verbatim, bulk error": "*2\r\n=7\r\ntxt:abc\r\n!3\r\nERR\r\n",
		"attributes":           "|1\r\n+ttl\r\n:3\r\n$1\r\na\r\n",
	}
	for name, frame := range tests {
		t.Run(name, func(t *testing.T) {
			if n, err := frameLen([]byte(frame + rest)); n != len(frame) || err != nil {
				t.Errorf("frameLen(%q and more) = %d, %v, want %d", frame, n, err, len(frame))
			}
			for cut := range len(frame) {
				if n, err := frameLen([]byte(frame[:cut])); n != 0 || err != nil {
					t.Errorf("frameLen(%q) = %d, %v, want 0: more is to come", frame[:cut], n, err)
				}
			}
		})
	}
}

func TestForeignBytesAreNoFrame(t *testing.T) {
	tests := map[string]string{
		"another protocol":   "GET / HTTP/1.1\r\n\r\n",
		"no type":            "\r\n",
		"no length":          "$\r\n",
		"negative length":    "*-2\r\n",
		"length no number":   "*two\r\n",
		"streamed string":    "$?\r\n;1\r\na\r\n;0\r\n",
		"too large a string": fmt.Sprintf("$%d\r\n", maxFrame+1),
		"too large in all":   "*2\r\n" + strings.Repeat(fmt.Sprintf("$%d\r\n%s\r\n", maxFrame-1, strings.Repeat("a", maxFrame-1)), 2),
		"endless line":       "+" + strings.Repeat("a", maxFrame+1),
	}
	for name, b := range tests {
		t.Run(name, func(t *testing.T) {
			if n, err := frameLen([]byte(b)); err == nil {
				t.Errorf("frameLen = %d, want an error", n)
			}
		})
	}
}

func TestParseCommand(t *testing.T) {
	tests := map[string]struct {
		frame string
		want  Command
	}{
		"array of bulk strings": {"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", Command{"GET", "k"}},
		"binary argument":       {"*2\r\n$1\r\nX\r\n$4\r\n\r\n\x00*\r\n", Command{"X", "\r\n\x00*"}},
		"empty argument":        {"*2\r\n$1\r\nX\r\n$0\r\n\r\n", Command{"X", ""}},
		"typed by hand":         {"set  k v\r\n", Command{"set", "k", "v"}},
		"an empty line":         {"\r\n", Command{}},
		"an empty array":        {"*0\r\n", nil},
		"parts of other types":  {"*1\r\n:1\r\n", nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if n, err := requestLen([]byte(tc.frame)); n != len(tc.frame) || err != nil {
				t.Errorf("requestLen(%q) = %d, %v, want %d", tc.frame, n, err, len(tc.frame))
			}
			if got := parseCommand([]byte(tc.frame)); !slices.Equal(got, tc.want) {
				t.Errorf("parseCommand(%q) = %q, want %q", tc.frame, got, tc.want)
			}
		})
	}
}

func TestMatches(t *testing.T) {
	c := Command{"evalsha", "5f3c", "1", "lock:a", "secret"}
	tests := map[string]struct {
		match Match
		want  bool
	}{
		"part of an argument":  {Containing("ock:"), true},
		"part of none":         {Containing("ock:b"), false},
		"the name in any case": {Named("GET", "EvalSha"), true},
		"another name":         {Named("EVAL"), false},
		"an argument's name":   {Named("secret"), false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tc.match(c); got != tc.want {
				t.Errorf("match(%q) = %v, want %v", c, got, tc.want)
			}
		})
	}
}

// FuzzSplitter feeds a stream in two pieces: whatever it holds, all of it comes out, and where it is
// cut makes no difference to the frames before the first foreign byte.
func FuzzSplitter(f *testing.F) {
	f.Add([]byte("*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"), 7)
	f.Add([]byte("PING\r\n*1\r\n:1\r\n>1\r\n+x\r\n"), 3)
	f.Add([]byte("%1\r\n+a\r\n|1\r\n+b\r\n_\r\n$-1\r\nHTTP"), 12)
	f.Add([]byte("*99999\r\n*99999\r\n"), 1)
	f.Fuzz(func(t *testing.T, stream []byte, cut int) {
		cut = min(max(cut, 0), len(stream))
		for _, length := range []func([]byte) (int, error){requestLen, frameLen} {
			whole := split(length, stream)
			halves := split(length, stream[:cut], stream[cut:])
			if got := bytes.Join(append(halves.frames, halves.rest), nil); !bytes.Equal(got, stream) {
				t.Fatalf("out came %q, in went %q", got, stream)
			}
			if !whole.raw && !slices.EqualFunc(whole.frames, halves.frames, bytes.Equal) {
				t.Fatalf("frames %q, cut at %d %q", whole.frames, cut, halves.frames)
			}
			for _, frame := range whole.frames {
				parseCommand(frame)
			}
		}
	})
}

type splitResult struct {
	frames [][]byte
	rest   []byte
	raw    bool
}

func split(length func([]byte) (int, error), pieces ...[]byte) splitResult {
	s := splitter{length: length}
	var result splitResult
	for _, piece := range pieces {
		s.write(piece)
		for frame := s.next(); len(frame) > 0; frame = s.next() {
			result.frames = append(result.frames, frame)
		}
	}
	result.rest, result.raw = s.rest(), s.raw
	return result
}

// FuzzCommand sends arguments through the way a client writes them.
func FuzzCommand(f *testing.F) {
	f.Add("SET", "key", "va\r\nlue")
	f.Add("", "\x00", "*1\r\n$1\r\na\r\n")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		want := Command{a, b, c}
		var frame []byte
		frame = fmt.Appendf(frame, "*%d\r\n", len(want))
		for _, part := range want {
			frame = fmt.Appendf(frame, "$%d\r\n%s\r\n", len(part), part)
		}
		if len(frame) > maxFrame {
			t.Skip()
		}
		if n, err := requestLen(frame); n != len(frame) || err != nil {
			t.Fatalf("requestLen(%q) = %d, %v, want %d", frame, n, err, len(frame))
		}
		if got := parseCommand(frame); !slices.Equal(got, want) {
			t.Fatalf("parseCommand(%q) = %q, want %q", frame, got, want)
		}
	})
}
