package fakeredis

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
)

// write is how a client writes a request.
func write(args []string) []byte {
	b := fmt.Appendf(nil, "*%d\r\n", len(args))
	for _, arg := range args {
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(arg), arg)
	}
	return b
}

// FuzzParseRequest demands that a request is found where it ends and nowhere before, that nothing
// behind it matters, and that what was understood is what the bytes say.
func FuzzParseRequest(f *testing.F) {
	for _, seed := range []string{
		"*1\r\n$4\r\nPING\r\n", "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n*1\r\n", "*3\r\n$3\r\nSET\r\n$0\r\n\r\n$2\r\n\r\n\r\n",
		"*0\r\n", "*-1\r\n", "*01\r\n", "*1\r\n$-1\r\n", "*1\r\n+OK\r\n", "PING\r\n", "*1\r\n$4\r\nPINGxx", "*2147483647\r\n", "*\r\n", "*1\r",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		args, length, err := parseRequest(b)
		switch {
		case length < 0 || length > len(b):
			t.Fatalf("length %d of %d bytes", length, len(b))
		case err != nil && length != 0:
			t.Fatalf("length %d with error %v", length, err)
		case length == 0:
			return
		}
		again, same, err := parseRequest(b[:length:length])
		if same != length || err != nil || !slices.Equal(args, again) {
			t.Fatalf("%q alone is %q (%d, %v), but %q with more behind it", b[:length], again, same, err, args)
		}
		for cut := range length {
			if _, n, err := parseRequest(b[:cut]); n != 0 || err != nil {
				t.Fatalf("%q is a request of %d bytes (%v), and so is %q", b[:cut], n, err, b[:length])
			}
		}
		if back, n, err := parseRequest(write(args)); err != nil || n != len(write(args)) || !slices.Equal(args, back) {
			t.Fatalf("%q was written as %q, which says %q (%v)", args, write(args), back, err)
		}
	})
}

func TestParseRequest(t *testing.T) {
	tests := map[string]struct {
		bytes  string
		args   []string
		length int
		fails  bool
	}{
		"one":                      {"*1\r\n$4\r\nPING\r\n", []string{"PING"}, 14, false},
		"one and more":             {"*1\r\n$4\r\nPING\r\n*1", []string{"PING"}, 14, false},
		"empty string":             {"*1\r\n$0\r\n\r\n", []string{""}, 10, false},
		"line ends in a string":    {"*1\r\n$2\r\n\r\n\r\n", []string{"\r\n"}, 12, false},
		"nothing":                  {"", nil, 0, false},
		"no arguments":             {"*0\r\n", nil, 4, false},
		"less than none":           {"*-7\r\n", nil, 5, false},
		"a part":                   {"*2\r\n$4\r\nPING\r\n", nil, 0, false},
		"a part of a line":         {"*2\r", nil, 0, false},
		"no array":                 {"PING\r\n", nil, 0, true},
		"no number":                {"*x\r\n", nil, 0, true},
		"too many":                 {"*2147483648\r\n", nil, 0, true},
		"no string":                {"*1\r\n:1\r\n", nil, 0, true},
		"string of unknown length": {"*1\r\n$\r\n", nil, 0, true},
		"too long a string":        {"*1\r\n$536870913\r\n", nil, 0, true},
		"endless line":             {"*" + string(make([]byte, maxHeader+1)), nil, 0, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			args, length, err := parseRequest([]byte(tc.bytes))
			if length == 0 {
				args = nil
			}
			if !reflect.DeepEqual(args, tc.args) || length != tc.length || (err != nil) != tc.fails {
				t.Errorf("parseRequest(%q) = %q, %d, %v; want %q, %d", tc.bytes[:min(99, len(tc.bytes))], args, length, err, tc.args, tc.length)
			}
		})
	}
}
