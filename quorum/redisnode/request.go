package redisnode

import (
	"errors"
	"fmt"
	"time"

	"github.com/quorumlock/quorumlock/quorum"
)

// A request is one operation on its way to the server and back. The node's mutex guards it.
type request struct {
	op       quorum.Op
	deadline time.Time
	to       quorum.Receiver // gets the answer, once, without locks
	number   uint64          // the order in which requests came

	sent    bool          // at least once
	settled bool          // its answer is given, or being given
	again   bool          // it has to be sent again, whatever the answer under way
	limit   int64         // microseconds of the server's time after which it must not be carried out, or 0
	slack   time.Duration // how much too late limit may be
	answer  quorum.Answer // once settled
}

// fail gives the request its answer: a failure, which is to be handed out by giveAll.
func (r *request) fail(failure error) *request {
	r.settled = true
	r.answer = quorum.Answer{Err: failure, Slack: r.slack}
	return r
}

// limited reports whether op must be refused if it arrives late.
func limited(op quorum.Op) bool { return op.NotAfter != 0 && grants(op.Kind) }

// grants reports whether operations of this kind may give somebody a key.
func grants(k quorum.Kind) bool {
	return k == quorum.Acquire || k == quorum.Heal || k == quorum.HandOver
}

// validOp returns an error that names the rule which op breaks, or nil.
func validOp(op quorum.Op) error {
	if op.Kind < quorum.Acquire || op.Kind > quorum.Raise {
		return fmt.Errorf("unknown kind of operation: %d", op.Kind)
	}
	if op.Kind == quorum.Inspect {
		return nil
	}
	if op.Value == "" {
		return fmt.Errorf("%v without a value", op.Kind)
	}
	if op.Kind == quorum.Raise {
		return errors.Join(validToken(op.Token), validMaxTTL(op))
	}
	if op.TTL < time.Millisecond && !(op.Kind == quorum.Release && op.TTL == 0) {
		return fmt.Errorf("%v for %v: shorter than a millisecond", op.Kind, op.TTL)
	}
	if err := validHint(op); err != nil {
		return err
	}
	if op.Kind == quorum.HandOver {
		if err := validNext(op); err != nil {
			return err
		}
	}
	if takesWaiter(op) {
		return validWaiter(op.Waiter)
	}
	return nil
}

// takesWaiter reports whether op's waiter is of any use to it.
func takesWaiter(op quorum.Op) bool {
	switch op.Kind {
	case quorum.Acquire, quorum.HandOver:
		return op.Waiter != nil
	case quorum.Release:
		return op.Waiter != nil && op.Announce
	}
	return false
}

// asksNumber reports whether a grant by op is to be numbered.
func asksNumber(op quorum.Op) bool {
	return op.Hint > 0 && (op.Kind == quorum.Acquire || op.Kind == quorum.HandOver)
}

func validHint(op quorum.Op) error {
	switch {
	case !asksNumber(op):
		return nil
	case op.Hint >= quorum.MaxToken:
		return fmt.Errorf("%v with the hint %d: not below 2^53", op.Kind, op.Hint)
	}
	return validMaxTTL(op)
}

func validToken(token uint64) error {
	if token == 0 || token >= quorum.MaxToken {
		return fmt.Errorf("raise to the token %d: not from 1 to below 2^53", token)
	}
	return nil
}

func validMaxTTL(op quorum.Op) error {
	if op.MaxTTL < time.Millisecond {
		return fmt.Errorf("%v with a MaxTTL of %v: shorter than a millisecond", op.Kind, op.MaxTTL)
	}
	return nil
}

func validNext(op quorum.Op) error {
	switch op.Next {
	case "":
		return errors.New("handover without a next value")
	case op.Value:
		return errors.New("handover from a value to itself")
	}
	return nil
}

func validWaiter(w *quorum.Waiter) error {
	if w.ID == "" || len(w.ID) > quorum.MaxWaiterID {
		return fmt.Errorf("waiter with an ID of %d bytes: not from 1 to %d", len(w.ID), quorum.MaxWaiterID)
	}
	for i := range len(w.ID) {
		switch c := w.ID[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return fmt.Errorf("waiter %q: byte %d is no letter, digit, - or _", w.ID, i)
		}
	}
	return nil
}

// milliseconds rounds up, so that no key lives for less than was asked.
func milliseconds(d time.Duration) int64 {
	ms := d.Milliseconds()
	if d%time.Millisecond > 0 {
		ms++
	}
	return ms
}

// An unsentError is an error that came before anything was sent. It reads as the error itself.
type unsentError struct{ err error }

func (e *unsentError) Error() string        { return e.err.Error() }
func (e *unsentError) Unwrap() error        { return e.err }
func (e *unsentError) Is(target error) bool { return target == quorum.ErrUnsent }
