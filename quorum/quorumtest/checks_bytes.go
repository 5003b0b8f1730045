package quorumtest

import (
	"bytes"
	"crypto/rand"

	"github.com/quorumlock/quorumlock/quorum"
)

// awkward are byte strings that a protocol, a script or a log line might mangle.
var awkward = map[string]string{
	"spaces":               " a  b ",
	"newline":              "a\nb\r\nc",
	"NUL":                  "a\x00b\x00",
	"quotes":               `a"b'c\d`,
	"braces and wildcards": "{a}*?[b]",
	"percent signs":        "%s%d%%",
	"not UTF-8":            "\xff\xfe\x80",
	"looks like protocol":  "$3\r\nfoo\r\n*1\r\n",
	"looks like a number":  "1e400",
	"512 bytes":            string(bytes.Repeat([]byte("\x00\x7f\xff\n"), 128)),
}

var byteChecks = checks{
	"keys are kept byte for byte": func(a *asker) {
		for name, s := range awkward {
			key := a.key + s
			a.want(quorum.Mine, quorum.Op{Kind: quorum.Acquire, Key: key, Value: a.mine, TTL: long})
			a.wantOther(a.mine, quorum.Op{Kind: quorum.Acquire, Key: key, Value: a.theirs, TTL: long})
			a.want(quorum.Free, quorum.Op{Kind: quorum.Inspect, Key: key + "\x00", Value: a.mine})
			a.want(quorum.Free, quorum.Op{Kind: quorum.Inspect, Key: key[:len(key)-1], Value: a.mine})
			a.want(quorum.Mine, quorum.Op{Kind: quorum.Release, Key: key, Value: a.mine})
			a.Logf("key with %s: kept", name)
		}
	},
	"values are kept byte for byte": func(a *asker) {
		for name, s := range awkward {
			key, value := a.key+name, a.mine+s
			a.want(quorum.Mine, quorum.Op{Kind: quorum.Acquire, Key: key, Value: value, TTL: long})
			a.wantOther(value, quorum.Op{Kind: quorum.Extend, Key: key, Value: value + "\x00", TTL: long})
			a.wantOther(value, quorum.Op{Kind: quorum.Release, Key: key, Value: value[:len(value)-1]})
			a.want(quorum.Mine, quorum.Op{Kind: quorum.Extend, Key: key, Value: value, TTL: long})
			a.want(quorum.Mine, quorum.Op{Kind: quorum.Release, Key: key, Value: value})
		}
	},
	"random bytes are kept as key and as value": func(a *asker) {
		key, value := make([]byte, 512), make([]byte, 512)
		rand.Read(key)
		rand.Read(value)
		op := quorum.Op{Kind: quorum.Acquire, Key: string(key), Value: string(value), TTL: long}
		a.want(quorum.Mine, op)
		a.wantOther(string(value), quorum.Op{Kind: quorum.Inspect, Key: string(key)})
		op.Kind, op.TTL = quorum.Release, 0
		a.want(quorum.Mine, op)
	},
}
