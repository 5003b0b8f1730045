package redisnode

import (
	"slices"
	"strconv"

	"github.com/quorumlock/quorumlock/quorum"
)

// terms are what operations of one batch may have in common; see batch.lua.
type terms struct {
	kind  quorum.Kind
	ttl   int64 // milliseconds
	limit int64 // microseconds, or 0
}

func (r *request) terms() terms {
	if r.op.Kind == quorum.Inspect {
		return terms{kind: quorum.Inspect}
	}
	return terms{kind: r.op.Kind, ttl: milliseconds(r.op.TTL), limit: r.limit}
}

// An encoder writes batches as commands. It keeps its buffers.
type encoder struct {
	out   []byte
	plan  []byte
	terms []terms
}

// encode returns the command that carries out the requests, valid until the next call.
func (e *encoder) encode(requests []*request, bySource bool) []byte {
	e.plan, e.terms = e.plan[:0], e.terms[:0]
	for _, r := range requests {
		e.plan = append(e.plan, byte('0'+e.termsOf(r)))
	}
	command, script := "EVALSHA", batchSHA
	if bySource {
		command, script = "EVAL", batchSource
	}
	n := len(requests)
	e.out = head(e.out[:0], '*', 4+2*n+3*len(e.terms))
	e.bulk(command)
	e.bulk(script)
	e.number(int64(n))
	for _, r := range requests {
		e.bulk(r.op.Key)
	}
	e.bulk(string(e.plan))
	for _, r := range requests {
		e.bulk(r.op.Value)
	}
	for _, t := range e.terms {
		e.bulk(t.kind.String())
		e.number(t.ttl)
		e.number(t.limit)
	}
	return e.out
}

// termsOf returns the index of the request's terms, which it adds if they are new. Most batches have few.
func (e *encoder) termsOf(r *request) int {
	t := r.terms()
	for i, known := range slices.Backward(e.terms) {
		if known == t {
			return i
		}
	}
	e.terms = append(e.terms, t)
	return len(e.terms) - 1
}

func (e *encoder) bulk(s string) {
	e.out = head(e.out, '$', len(s))
	e.out = append(append(e.out, s...), '\r', '\n')
}

func (e *encoder) number(n int64) {
	var digits [20]byte
	text := strconv.AppendInt(digits[:0], n, 10)
	e.out = head(e.out, '$', len(text))
	e.out = append(append(e.out, text...), '\r', '\n')
}

// head appends the line that says what follows, and how much of it.
func head(b []byte, what byte, n int) []byte {
	return append(strconv.AppendInt(append(b, what), int64(n), 10), '\r', '\n')
}
