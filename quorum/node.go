package quorum

import (
	"context"
	"math"
	"time"

	"github.com/quorumlock/quorumlock/clock"
)

// A Node is one independent server that keeps keys for a while.
//
// Implementations pass the conformance suite in quorum/quorumtest. All methods may be called from
// several goroutines.
type Node interface {
	// Name tells operators which node this is, for example "10.0.0.7:6379". It is unique among the
	// nodes of an [Engine], never changes, and holds no secret.
	Name() string

	// Ask carries out every operation of the batch, in order, and returns as many answers, in the
	// same order. Operations fail one by one: a bad one does not take the others down.
	//
	// ctx always has a deadline, and Ask returns by then, with [Failed] for what was not answered.
	// A Failed operation may still be carried out afterwards, but an [Acquire] or a [Heal] no later
	// than its NotAfter plus the Slack of its answer.
	Ask(ctx context.Context, batch []Op) []Answer

	// Close frees what the node holds and joins its goroutines. No Ask is made after it, and those
	// under way when it is called end by their deadline.
	Close() error
}

// A Sender is a Node that can be asked without waiting. An [Engine] then needs no goroutine for each
// question.
type Sender interface {
	Node
	// Send does what Ask does with one operation, and gives its answer to to, once, by the deadline.
	// Operations are carried out in the order in which they were sent, at least those on one key. Send
	// does not wait.
	Send(op Op, deadline time.Time, to Receiver)
}

// A Receiver takes the answer to one operation. Its owner makes one for many operations, where a func would
// be made for each.
type Receiver interface {
	// Receive may be called before Send returns, and from any goroutine. It must not block, as other
	// answers may have to wait for it, and it may call Send.
	Receive(ans Answer)
}

// Kind says what an [Op] does.
type Kind uint8

// The operations. Each is one atomic step on the node, and idempotent for its value: asked twice, it
// leaves what it left when asked once.
const (
	// Acquire stores Value under Key if nothing is there, and makes the key live for TTL from now. On
	// its own value it makes the key live for TTL, if it would not live longer anyway. It answers
	// Mine, Other or Late.
	Acquire Kind = iota + 1
	// Extend makes the key live for TTL from now if it holds Value, and never shortens its life. It
	// stores nothing where Value is not. It answers Mine, Free or Other.
	Extend
	// Heal does what Acquire does, for a value that a majority of nodes still hold: it brings back
	// the key on a node that lost it. It grants nothing new. It answers Mine, Other or Late.
	Heal
	// Release removes the key if it holds Value. With a TTL it keeps the key for exactly that long
	// from now instead. It answers Mine (and the value is now gone, or kept for TTL), Free or Other.
	Release
	// Inspect changes nothing. It answers Mine if the key holds Value, else Free or Other.
	Inspect
)

// String returns the operation's name in lower case.
func (k Kind) String() string {
	switch k {
	case Acquire:
		return "acquire"
	case Extend:
		return "extend"
	case Heal:
		return "heal"
	case Release:
		return "release"
	case Inspect:
		return "inspect"
	}
	return "unknown"
}

// An Op is one operation on one key. One that breaks the rules below is Failed without being carried
// out, and a key of another type fails with a permanent [*NodeError].
type Op struct {
	Kind Kind
	// Key is the lock's key, byte for byte.
	Key string
	// Value is the claim's own value, unique per attempt and never empty. Inspect may leave it out.
	Value string
	// TTL is how long the node keeps the key: at least a millisecond for Acquire, Extend and Heal,
	// zero or at least a millisecond for Release, unused for Inspect. Nodes may keep whole
	// milliseconds only, and then round up. A key that has no TTL keeps none, except under Release.
	TTL time.Duration
	// NotAfter is the instant, on the asking clock, past which the node must refuse an Acquire or a
	// Heal that was under way for too long: the caller has long stopped waiting and may have released
	// the value. It counts on the clock that the node was made with, which is the engine's. Zero, and the
	// other kinds: no limit.
	NotAfter clock.Instant
}

// A Verdict is what a node found, or that it did not answer.
type Verdict uint8

const (
	// Failed means there is no answer: the operation may have been carried out or not, now or later.
	// Answer.Err says why. It is the zero Verdict, so that a forgotten answer is never a vote.
	Failed Verdict = iota
	// Mine means the key held, or now holds, the operation's value.
	Mine
	// Free means that nothing was under the key.
	Free
	// Other means that the key holds another value, and was left alone.
	Other
	// Late means the operation arrived after its NotAfter. Nothing was written.
	Late
)

// String returns the verdict's name in lower case.
func (v Verdict) String() string {
	switch v {
	case Failed:
		return "failed"
	case Mine:
		return "mine"
	case Free:
		return "free"
	case Other:
		return "other"
	case Late:
		return "late"
	}
	return "unknown"
}

// NoExpiry is the Remaining of a key that has no TTL.
const NoExpiry time.Duration = math.MaxInt64

// An Answer is a node's vote on one [Op].
type Answer struct {
	Verdict Verdict
	// Holder is the value found, with Other.
	Holder string
	// Remaining is how long the node will keep the key from its answer on, with Mine and Other.
	Remaining time.Duration
	// Token is the node's fencing counter after a grant, and 0 from nodes that do not number grants.
	Token uint64
	// NodeTime is the node's clock when it answered: the time since the Unix epoch. It is 0 with
	// Failed.
	NodeTime time.Duration
	// Slack is how long after NotAfter this node may still carry out the operation, since its clock
	// is known only to within a round trip. Set for Acquire and Heal, with Failed too.
	Slack time.Duration
	// Err says why there is no answer, with Failed. It is a [*NodeError] where the node knows more
	// than the error itself, and [ErrUnsent] where it knows that the operation was not sent.
	Err error
}

// Answered reports whether the node said something about the key, be it a refusal.
func (a Answer) Answered() bool { return a.Verdict != Failed }
