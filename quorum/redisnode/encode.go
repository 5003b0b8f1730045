package redisnode

import (
	"slices"
	"strconv"

	"github.com/quorumlock/quorumlock/quorum"
)

// terms are what operations of one batch may have in common; see batch.lua.
type terms struct {
	kind  quorum.Kind
	knows knowing
	ttl   int64 // milliseconds
	limit int64 // microseconds, or 0
}

// knowing is what an operation has to do with who waits.
type knowing uint8

const (
	asWaiter knowing = 1 << iota // its own waiter comes behind the terms
	telling                      // it may announce something
)

func (r *request) terms() terms {
	if r.op.Kind == quorum.Inspect {
		return terms{kind: quorum.Inspect}
	}
	return terms{kind: r.op.Kind, knows: r.knows(), ttl: milliseconds(r.op.TTL), limit: r.limit}
}

func (r *request) knows() knowing {
	switch op := &r.op; {
	case op.Waiter == nil && !op.Announce:
	case op.Kind == quorum.Acquire && op.Waiter != nil && op.Announce:
		return asWaiter | telling
	case op.Kind == quorum.Acquire && op.Waiter != nil:
		return asWaiter
	case op.Kind == quorum.Release && op.Announce && op.TTL == 0 && op.Waiter != nil:
		return asWaiter | telling
	case op.Kind == quorum.Release && op.Announce && op.TTL == 0:
		return telling
	}
	return 0
}

// word is the script's name for what the terms say.
func (t terms) word() string {
	switch {
	case t.knows == 0:
		return t.kind.String()
	case t.kind == quorum.Acquire && t.knows&telling != 0:
		return "acquire-as-telling"
	case t.kind == quorum.Acquire:
		return "acquire-as"
	case t.knows&asWaiter != 0:
		return "release-telling-as"
	}
	return "release-telling"
}

// more is how many arguments behind all terms an operation on these terms takes.
func (t terms) more() int {
	switch {
	case t.kind == quorum.HandOver, t.knows&asWaiter != 0:
		return 2
	}
	return 0
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
	more := 0
	for _, r := range requests {
		i := e.termsOf(r)
		e.plan = append(e.plan, byte('0'+i))
		more += e.terms[i].more()
	}
	command, script := "EVALSHA", batchSHA
	if bySource {
		command, script = "EVAL", batchSource
	}
	n := len(requests)
	size := 4 + 2*n + 3*len(e.terms)
	if more > 0 {
		size += 1 + more
	}
	e.out = head(e.out[:0], '*', size)
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
		e.bulk(t.word())
		e.number(t.ttl)
		e.number(t.limit)
	}
	if more > 0 {
		e.more(requests)
	}
	return e.out
}

// more writes what some operations take besides key, value and terms.
func (e *encoder) more(requests []*request) {
	e.bulk("with")
	for i, r := range requests {
		switch t := e.terms[e.plan[i]-'0']; {
		case t.kind == quorum.HandOver:
			e.bulk(r.op.Next)
			id := ""
			if w := r.op.Waiter; w != nil {
				id = w.ID
			}
			e.bulk(id)
		case t.knows&asWaiter != 0:
			e.bulk(r.op.Waiter.ID)
			e.number(max(r.op.Waiter.Waited, 0).Microseconds())
		}
	}
}

// command returns a command of plain words, valid until the next call.
func (e *encoder) command(name string, args []string) []byte {
	e.out = head(e.out[:0], '*', 1+len(args))
	e.bulk(name)
	for _, arg := range args {
		e.bulk(arg)
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
