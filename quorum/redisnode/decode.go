package redisnode

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/quorumlock/quorumlock/quorum"
)

// A result is the reply to one operation: a number, another holder with its number, or an error.
type result struct {
	number  int64
	holder  string
	what    byte // ':', '*' or '-', as in the protocol
	waiting bool // others wait, with a number
	token   uint64
}

// A reply is the answer to one batch.
type reply struct {
	results []result
	time    time.Duration // the server's, since the Unix epoch
	refusal string        // of the batch as a whole, which was then not carried out; "" if it was
}

// maxHolder bounds the length of a value that a reply may hold. Redis's own bound is the same.
const maxHolder = 512 << 20

var errMalformed = errors.New("malformed reply")

func malformed(what string) error { return fmt.Errorf("%w: %s", errMalformed, what) }

// A decoder reads replies to batches. An error of it leaves the connection without use.
type decoder struct {
	in    *bufio.Reader
	reply reply
}

func newDecoder(in io.Reader) *decoder { return &decoder{in: bufio.NewReaderSize(in, 16<<10)} }

// begin reads the first line of the next reply.
func (d *decoder) begin() (what byte, text []byte, err error) {
	what, text, err = d.line()
	for err == nil && what == '>' { // the server speaks of its own accord, to nobody
		if err = d.skip(text); err == nil {
			what, text, err = d.line()
		}
	}
	return what, text, err
}

// finish reads the rest of a reply to a batch of n operations into d.reply, which is valid until the next
// call.
func (d *decoder) finish(what byte, text []byte, n int) error {
	d.reply = reply{results: d.reply.results[:0]}
	switch {
	case n < 0:
		return malformed("an answer to nobody")
	case what == '-':
		d.reply.refusal = string(text)
		return nil
	case what != '*':
		return malformed("not a list")
	}
	if size, err := integer(text); err != nil || size != int64(n)+2 {
		return malformed("not as many answers as questions")
	}
	var err error
	d.reply.time, err = d.time()
	for range n {
		if err != nil {
			break
		}
		var r result
		if r, err = d.result(); err == nil {
			d.reply.results = append(d.reply.results, r)
		}
	}
	return err
}

// line reads a line, without its end: its first byte and the rest, valid until the next read.
func (d *decoder) line() (what byte, text []byte, err error) {
	line, err := d.in.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(line) < 3 || line[len(line)-2] != '\r' {
		return 0, nil, malformed("a line without an end")
	}
	return line[0], line[1 : len(line)-2], nil
}

func (d *decoder) time() (time.Duration, error) {
	seconds, err := d.number()
	if err != nil {
		return 0, err
	}
	micros, err := d.number()
	if err != nil {
		return 0, err
	}
	const last = math.MaxInt64/int64(time.Second) - 1
	if seconds < 0 || seconds > last || micros < 0 || micros >= 1_000_000 {
		return 0, malformed("not a time")
	}
	return time.Duration(seconds)*time.Second + time.Duration(micros)*time.Microsecond, nil
}

func (d *decoder) number() (int64, error) {
	what, text, err := d.line()
	if err != nil {
		return 0, err
	}
	if what != ':' {
		return 0, malformed("not a number")
	}
	return integer(text)
}

func (d *decoder) result() (result, error) {
	what, text, err := d.line()
	if err != nil {
		return result{}, err
	}
	r := result{what: what}
	switch what {
	case '-':
		r.holder = string(text)
	case ':':
		r.number, err = integer(text)
	case '*':
		size := string(text)
		if size != "2" && size != "3" {
			return result{}, malformed("neither an answer nor a holder")
		}
		if r.number, err = d.number(); err != nil {
			break
		}
		if size == "2" {
			err = d.second(&r)
		} else {
			err = d.numbered(&r)
		}
	default:
		err = malformed("an answer of no known type")
	}
	return r, err
}

// second reads what comes with a number: the holder, or a one for others who wait.
func (d *decoder) second(r *result) error {
	what, text, err := d.line()
	switch {
	case err != nil:
		return err
	case what == ':' && string(text) == "1":
		r.what, r.waiting = ':', true
		return nil
	}
	r.holder, err = d.text(what, text)
	return err
}

// numbered reads what comes with the number of a key that is ours: whether others wait, and the token.
func (d *decoder) numbered(r *result) error {
	waiting, err := d.number()
	if err != nil {
		return err
	}
	r.what, r.waiting = ':', waiting != 0
	r.token, err = d.token()
	return err
}

// token reads a string of digits.
func (d *decoder) token() (uint64, error) {
	what, _, err := d.line()
	if err != nil {
		return 0, err
	}
	digits, err := d.in.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	token, err := strconv.ParseUint(string(bytes.TrimSuffix(digits, []byte("\r\n"))), 10, 64)
	if what != '$' || err != nil || token == 0 || token >= quorum.MaxToken {
		return 0, malformed("not a token")
	}
	return token, nil
}

// text reads the string whose first line that is.
func (d *decoder) text(what byte, text []byte) (string, error) {
	size, err := integer(text)
	if what != '$' || err != nil || size < 0 || size > maxHolder {
		return "", malformed("not a string")
	}
	b := make([]byte, size+2)
	if _, err := io.ReadFull(d.in, b); err != nil {
		return "", err
	}
	return string(b[:size]), nil
}

// words reads what a server says to a subscriber: a list of strings and numbers, or one string. An error of
// the server is an error.
func (d *decoder) words() ([]string, error) {
	what, text, err := d.line()
	switch {
	case err != nil:
		return nil, err
	case what == '-':
		return nil, serverError(text)
	case what != '*' && what != '>':
		word, err := d.word(what, text)
		return []string{word}, err
	}
	n, err := integer(text)
	if err != nil || n < 0 || n > maxWords {
		return nil, malformed("not what subscribers are told")
	}
	list := make([]string, n)
	for i := range list {
		if what, text, err = d.line(); err != nil {
			return nil, err
		}
		if list[i], err = d.word(what, text); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// maxWords is more than anything has that a server says to a subscriber.
const maxWords = 16

// word reads a string or a number, given its first line, as a string. Nothing is the empty one.
func (d *decoder) word(what byte, text []byte) (string, error) {
	switch {
	case what == '+' || what == ':' || what == '_':
		return string(text), nil
	case what == '$' && string(text) == "-1":
		return "", nil
	}
	return d.text(what, text)
}

// skip reads what belongs to a list of that length.
func (d *decoder) skip(length []byte) error {
	left, err := integer(length)
	for ; err == nil && left > 0; left-- {
		var what byte
		var text []byte
		if what, text, err = d.line(); err != nil {
			return err
		}
		switch what {
		case '$', '=':
			var size int64
			if size, err = integer(text); err == nil && size >= 0 {
				_, err = d.in.Discard(int(size) + 2)
			}
		case '*', '>', '~', '%':
			var more int64
			more, err = integer(text)
			if what == '%' {
				more *= 2
			}
			left += more
		}
	}
	return err
}

func integer(text []byte) (int64, error) {
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return 0, malformed("not a number")
	}
	return n, nil
}

// The numbers that are no remaining time; see batch.lua.
const (
	endless = -1
	free    = -2
	late    = -3
)

// answer says what a result means for an operation of this kind.
func (r result) answer(kind quorum.Kind, now time.Duration) (quorum.Answer, error) {
	a := quorum.Answer{NodeTime: now, Waiting: r.waiting, Token: r.token}
	creates := kind == quorum.Acquire || kind == quorum.Heal
	switch {
	case r.what == '-':
		return quorum.Answer{}, serverError(r.holder)
	case r.what == '*':
		a.Verdict, a.Holder = quorum.Other, r.holder
	case r.number >= endless:
		a.Verdict = quorum.Mine
	case r.waiting, r.token > 0:
	case r.number == free && !creates:
		a.Verdict = quorum.Free
		return a, nil
	case r.number == late && grants(kind):
		a.Verdict = quorum.Late
		return a, nil
	}
	if a.Verdict == quorum.Failed || r.number < endless {
		return quorum.Answer{}, malformed("no verdict on " + kind.String())
	}
	a.Remaining = remaining(r.number)
	return a, nil
}

// remaining is a PTTL: milliseconds, or -1 for a key without expiry. What does not fit a Duration is cut
// off, and stays less than no expiry at all.
func remaining(ms int64) time.Duration {
	switch {
	case ms == endless:
		return quorum.NoExpiry
	case ms > int64(math.MaxInt64/time.Millisecond):
		return quorum.NoExpiry - 1
	}
	return time.Duration(ms) * time.Millisecond
}
