package redisnode

import (
	"slices"
	"strconv"

	"github.com/quorumlock/quorumlock/quorum"
)

// terms are what operations of one batch may have in common; see batch.lua.
type terms struct {
	kind  quorum.Kind
	flags flags
	ttl   int64 // milliseconds
	limit int64 // microseconds, or 0
}

// flags say what an operation does besides what its kind does.
type flags uint8

const (
	asWaiter flags = 1 << iota // its own waiter comes behind the terms
	telling                    // it may announce something
	numbered                   // it asks for a number
)

func (r *request) terms() terms {
	switch r.op.Kind {
	case quorum.Inspect, quorum.Raise:
		return terms{kind: r.op.Kind}
	}
	return terms{kind: r.op.Kind, flags: r.flags(), ttl: milliseconds(r.op.TTL), limit: r.limit}
}

func (r *request) flags() (f flags) {
	op := &r.op
	if asksNumber(*op) {
		f = numbered
	}
	switch {
	case op.Waiter == nil && !op.Announce:
	case op.Kind == quorum.Acquire && op.Waiter != nil && op.Announce:
		f |= asWaiter | telling
	case (op.Kind == quorum.Acquire || op.Kind == quorum.HandOver) && op.Waiter != nil:
		f |= asWaiter
	case op.Kind == quorum.Release && op.Announce && op.TTL == 0 && op.Waiter != nil:
		f |= asWaiter | telling
	case op.Kind == quorum.Release && op.Announce && op.TTL == 0:
		f |= telling
	}
	return f
}

// letters are the script's names for each combination of flags.
var letters = [...]string{
	0: "", asWaiter: "/w", telling: "/t", asWaiter | telling: "/wt",
	numbered: "/n", numbered | asWaiter: "/wn", numbered | telling: "/tn", numbered | asWaiter | telling: "/wtn",
}

// counts reports whether the operation has to do with numbers.
func (t terms) counts() bool { return t.flags&numbered != 0 || t.kind == quorum.Raise }

// more is how many arguments behind all terms an operation on these terms takes.
func (t terms) more() (n int) {
	if t.kind == quorum.HandOver {
		n++
	}
	if t.flags&asWaiter != 0 {
		n += 2
	}
	if t.counts() {
		n++
	}
	return n
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
	longest := int64(0) // time to keep a key, if something is to be numbered
	for _, r := range requests {
		i := e.termsOf(r)
		e.plan = append(e.plan, byte('0'+i))
		more += e.terms[i].more()
		if e.terms[i].counts() {
			longest = max(longest, milliseconds(r.op.MaxTTL))
		}
	}
	if longest > 0 {
		more++
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
		e.word(t)
		e.number(t.ttl)
		e.number(t.limit)
	}
	if more > 0 {
		e.more(requests, longest)
	}
	return e.out
}

// more writes what some operations take besides key, value and terms.
func (e *encoder) more(requests []*request, longest int64) {
	e.bulk("with")
	if longest > 0 {
		e.number(longest)
	}
	for i, r := range requests {
		t := e.terms[e.plan[i]-'0']
		if t.kind == quorum.HandOver {
			e.bulk(r.op.Next)
		}
		if t.flags&asWaiter != 0 {
			e.bulk(r.op.Waiter.ID)
			e.number(max(r.op.Waiter.Waited, 0).Microseconds())
		}
		switch {
		case t.kind == quorum.Raise:
			e.number(int64(r.op.Token))
		case t.counts():
			e.number(int64(r.op.Hint))
		}
	}
}

// word writes the script's name for what the terms say.
func (e *encoder) word(t terms) {
	kind, suffix := t.kind.String(), letters[t.flags]
	e.out = head(e.out, '$', len(kind)+len(suffix))
	e.out = append(append(append(e.out, kind...), suffix...), '\r', '\n')
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
