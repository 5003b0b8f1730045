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
	// A Failed operation may still be carried out afterwards, but an [Acquire], a [Heal] or a [HandOver] no
	// later than its NotAfter plus the Slack of its answer.
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

// An Announcer is a Node that tells when a key is freed to those who wait for it. Announcements are hints: some
// may be lost, late or doubled, and nobody may wait for one alone.
type Announcer interface {
	Node
	// Announcements calls tell with what the node announces about key, from now on until stop is called.
	// The first one is [Listening], once the node is known to listen, and so is the first one after each
	// time in which announcements may have been missed. While the node cannot be reached nothing comes.
	//
	// tell may be called from any goroutine, one call at a time, must not block, and may still be called once
	// while stop is under way. stop does not wait. Calls of it after the first do nothing.
	Announcements(key string, tell func(Announcement)) (stop func())
}

// An AnnouncementKind says what an [Announcement] is about.
type AnnouncementKind uint8

const (
	// Listening: from here on nothing is missed, unless Listening comes again.
	Listening AnnouncementKind = iota + 1
	// Freed: a release has removed the key on this node.
	Freed
	// Taken: a waiter that was noted on this node has been granted the key there.
	Taken
)

// String returns the kind's name in lower case.
func (k AnnouncementKind) String() string {
	switch k {
	case Listening:
		return "listening"
	case Freed:
		return "freed"
	case Taken:
		return "taken"
	}
	return "unknown"
}

// An Announcement is what a node says about a key to those who wait for it.
type Announcement struct {
	Kind AnnouncementKind
	// Waiter is the ID of the waiter who is to try first, with Freed: the one noted on this node that has
	// waited longest, and is then taken off. It is "" if none is noted any more. With Taken it is the one that
	// took the key.
	Waiter string
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
	// HandOver puts Next in the place of Value, if the key holds Value, and makes the key live for TTL from
	// now. Where the key holds Next already it does what Acquire does on its own value. Elsewhere it changes
	// nothing. It is a vote for Next. It answers Mine (the key now holds Next), Free, Other or Late.
	HandOver
	// Raise makes the fencing counter of the key at least Token, if the key holds Value. It changes nothing
	// else. It answers Mine with the counter as it is then, Free or Other.
	Raise
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
	case HandOver:
		return "handover"
	case Raise:
		return "raise"
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
	// Next is the value that HandOver puts in the place of Value: never empty, and not Value itself. Unused
	// for the other kinds.
	Next string
	// TTL is how long the node keeps the key: at least a millisecond for Acquire, Extend, Heal and HandOver,
	// zero or at least a millisecond for Release, unused for Inspect. Nodes may keep whole
	// milliseconds only, and then round up. A key that has no TTL keeps none, except under Release and
	// HandOver.
	TTL time.Duration
	// NotAfter is the instant, on the asking clock, past which the node must refuse an Acquire, a Heal or a
	// HandOver that was under way for too long: the caller has long stopped waiting and may have released
	// the value. It counts on the clock that the node was made with, which is the engine's. Zero, and the
	// other kinds: no limit.
	NotAfter clock.Instant
	// Hint asks for a number, the fencing token, with a grant: an Acquire that stores its value, and a HandOver
	// that puts Next in the place of Value, raise the node's counter of the key to
	//
	//	max(counter + 1, min(Hint, node time in us + 1 s))
	//
	// and answer with it. Asked again on its own value, which is there already, they answer with the counter as
	// it is. A counter is forgotten [CounterLives] times MaxTTL after it was last raised, at the earliest; one
	// that is not there counts as the largest of all that can have been forgotten. Zero asks for no number, and
	// leaves the counter alone, as do the other kinds. Below [MaxToken].
	Hint uint64
	// Token is what Raise raises the counter to: from 1 to below [MaxToken].
	Token uint64
	// MaxTTL is the longest time for which any client asks nodes to keep a key: at least a millisecond, with a
	// Hint and for Raise. A node counts with the largest that it has seen.
	MaxTTL time.Duration
	// Waiter is who waits for the key, or nil. A node that is no [Announcer] ignores it.
	//
	// An Acquire that is refused for Other notes it, and one that grants takes it off. A Release with
	// Announce notes it after it has announced: it is who waits next on the releasing side. Noting somebody
	// who is noted already renews the note. A HandOver does not count it among those that wait. Unused for the
	// other kinds.
	Waiter *Waiter
	// Announce lets a Release that removed the key tell those who wait for it that it is free, and an
	// Acquire with a Waiter that grants tell the others who took it; see [Announcement]. Where nobody waits
	// nothing is told. A node that is no [Announcer] ignores it.
	Announce bool
}

// A Waiter is somebody who waits for a key. What nodes note about waiters is a hint, which says whom to
// wake first: it excludes nobody and promises nothing, and may be lost at any time.
type Waiter struct {
	// ID names the waiter: from 1 to [MaxWaiterID] bytes, each of them a letter, a digit, '-' or '_'.
	ID string
	// Waited is how long it has waited so far. Who has waited longest is named first.
	Waited time.Duration
}

const (
	// MaxWaiterID bounds the length of a waiter's name.
	MaxWaiterID = 64
	// WaiterLife is how long a node remembers a waiter that is not noted again: one that died is named in
	// vain until then at most, and once only.
	WaiterLife = 3 * time.Second
)

const (
	// MaxToken is what all fencing tokens are below: every number up to it is exact also where numbers are
	// floating point, as in Lua, in JSON and in JavaScript. Microseconds since 1970 reach it in the year 2255. A
	// node that would have to give a larger one fails the operation instead, and grants nothing.
	MaxToken uint64 = 1 << 53
	// CounterLives is how many times the largest MaxTTL a counter is kept after it was last raised.
	CounterLives = 2
)

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
	// Token is the node's fencing counter of the key, with Mine after an Acquire or a HandOver with a Hint, and
	// after a Raise. It is 0 from nodes that do not number grants.
	Token uint64
	// NodeTime is the node's clock when it answered: the time since the Unix epoch. It is 0 with
	// Failed.
	NodeTime time.Duration
	// Slack is how long after NotAfter this node may still carry out the operation, since its clock
	// is known only to within a round trip. Set for Acquire, Heal and HandOver, with Failed too.
	Slack time.Duration
	// Waiting means that others than the operation's own Waiter are noted as waiting for the key on this
	// node. It may be set with Mine, for Acquire with a Waiter, Release with Announce, and HandOver.
	Waiting bool
	// Err says why there is no answer, with Failed. It is a [*NodeError] where the node knows more
	// than the error itself, and [ErrUnsent] where it knows that the operation was not sent.
	Err error
}

// Answered reports whether the node said something about the key, be it a refusal.
func (a Answer) Answered() bool { return a.Verdict != Failed }
