package fakeredis

import (
	"strconv"
	"strings"
)

// A Reply is what a command or a script answers: one of the types below.
type Reply interface {
	// encode appends the reply in the RESP of that version.
	encode(b []byte, protocol int) []byte
}

type (
	// Status is a simple string, such as OK.
	Status string
	// Bulk is a string.
	Bulk string
	// Integer is a number.
	Integer int64
	// Null is the answer that there is none.
	Null struct{}
	// Array is a list of replies.
	Array []Reply
	// Fault is an error. It begins with its code, such as ERR.
	Fault string

	// pairs are keys and values in turn.
	pairs []Reply
)

const ok = Status("OK")

func line(b []byte, kind byte, text string) []byte {
	return append(append(append(b, kind), text...), '\r', '\n')
}

func head(b []byte, kind byte, n int64) []byte {
	return append(strconv.AppendInt(append(b, kind), n, 10), '\r', '\n')
}

func (r Status) encode(b []byte, _ int) []byte { return line(b, '+', string(r)) }

func (r Bulk) encode(b []byte, _ int) []byte {
	return append(append(head(b, '$', int64(len(r))), r...), '\r', '\n')
}

func (r Integer) encode(b []byte, _ int) []byte { return head(b, ':', int64(r)) }

func (Null) encode(b []byte, protocol int) []byte {
	if protocol == 2 {
		return line(b, '$', "-1")
	}
	return line(b, '_', "")
}

func (r Array) encode(b []byte, protocol int) []byte {
	return each(head(b, '*', int64(len(r))), r, protocol)
}

func (r pairs) encode(b []byte, protocol int) []byte {
	if protocol == 2 {
		return Array(r).encode(b, protocol)
	}
	return each(head(b, '%', int64(len(r)/2)), r, protocol)
}

func each(b []byte, list []Reply, protocol int) []byte {
	for _, r := range list {
		b = r.encode(b, protocol)
	}
	return b
}

// oneLine is for texts that clients have sent.
var oneLine = strings.NewReplacer("\r", " ", "\n", " ")

func (r Fault) encode(b []byte, _ int) []byte { return line(b, '-', oneLine.Replace(string(r))) }
