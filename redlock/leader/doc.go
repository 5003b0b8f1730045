// Package leader elects one leader per role among any number of processes, over the lock of package redlock.
//
// An [Elector] campaigns for one role. [Elector.Run] waits until it wins, runs the caller's work with a [Term],
// waits until the work has returned, gives the role up, and campaigns again. A process takes part in several
// elections with an Elector for each role, over one Locker.
//
// # Guarantee
//
// While the context of a Term is live, no other Elector of that role has a live one, and no later one has begun:
// the context ends, with [redlock.ErrLost] as its cause, no later than the lease does (plus the scheduling of
// this process; up to 250 ms after a suspend). [Term.Valid] and [Elector.IsLeader] are exact. Work is never
// started on a lease that has been lost. The role is given up only after the work has returned, and until then
// the lease is renewed: a resigning leader that takes a minute to finish leads for that minute. One Elector
// never runs two works at once. [Term.Token] is greater than that of every earlier term.
//
// A leader that gives up wakes those who wait, and one of them leads after a few round trips. One that dies is
// succeeded when its TTL is over, and the time to notice that. With less than a majority of the nodes down
// nothing changes, once the lock is on all nodes, which may take a third of the TTL after an election among
// rivals. With a majority down nobody leads: the leader's context ends before its TTL does, and no term begins.
//
// # Assumptions
//
// Those of package redlock: independent nodes that do not forget, clocks that keep within the drift. The work
// watches its context, and returns soon after that has ended. All Electors of a role use the same nodes and
// the same role, which is the name of a lock, byte for byte; the name with ":resign" behind it belongs to the
// Elector too.
//
// # Limits
//
// A leader that stands still (garbage collection, SIGSTOP, a moved virtual machine) cannot watch its context,
// and may act once more when it wakes, while the next one leads. No election can prevent that. What it acts on
// can: give Term.Token to a guard of package fence, which refuses all but the newest leader.
//
// Work that does not return keeps the role as long as its process lives, or until it has been held for
// [redlock.WithMaxHold]; see [Elector.Healthy]. Work that goes on after its lease was lost runs beside the next
// leader's. What a program starts because IsLeader returned nil is waited for by nobody.
//
// Leaders are not elected in order of arrival, and nobody is preferred. Nobody is told of another process's
// change of leader; [Elector.Observe] asks.
//
// # Lifetimes
//
// Run uses the goroutine of its caller for the work, and while it leads a second one that looks for requests
// to resign, a third one with a health check. Observe has one. All of them are joined, by Run or by
// [Elector.Close]. The Locker stays the caller's to close, after the Electors.
package leader
