// Package fence makes a resource refuse a holder whose lock has passed to somebody else.
//
// A lock cannot stop a holder that stands still (garbage collection, SIGSTOP, a moved virtual machine)
// and acts after its lease has ended. The resource can: every lease has a token, a number that is larger
// for each later holder of the lock, and a guard keeps the newest one that it has seen and refuses any
// smaller one. With package redlock the token is lease.Token(); any other source of increasing numbers
// serves as well.
//
// # How to use it
//
// A holder presents its token at every read that may lead to a write ([Guard] Register), before it
// reads, and again at every write, in one step with the write:
//
//	register token, read ... compute ... check token and write
//
// The check on the write alone is not enough. An old holder could write between the new holder's read
// and the new holder's write, and the new one would wipe that out. From Register on, the old one is
// refused.
//
//   - [Memory] guards what lives in this process.
//   - [Table] and [Column] guard rows of a database, inside your transactions or outside of them.
//   - [Redis] guards keys of Redis, by a script that checks and writes.
//   - [Handler] guards an HTTP handler by a header, over any of them; [SetToken] and [Transport] set it.
//   - [Check] is the bare rule, for guards of your own; fencetest.Conformance tests them.
//
// # Guarantee
//
// Per resource, a guard admits a token if and only if it is at least as large as all that it admitted
// before. So if all reads that lead to writes, and all writes, present their tokens, no update is lost
// to a stale holder. A refusal is a [*StaleError]; its holder has lost the lock and has to stop. An equal
// token is the same holder, and is admitted.
//
// # Assumptions
//
// The token of a later lease is strictly larger, and no two leases have the same. The guard's memory
// lives as long as the resource: what forgets the newest token admits the old ones. One resource is
// guarded by the tokens of one lock. Tokens are from 1 to [MaxToken], so that Lua, JSON and JavaScript
// carry them exactly; 0 means that a lease has no token, and is an error, never admitted.
//
// # Limits
//
// Only what the resource checks is protected: a mail that is sent, or a call to a service that knows
// no tokens, is not. Until a new holder has presented its token, an old one is still admitted; that is
// harmless, since the new one has read nothing yet. A token tells holders apart, not the goroutines of
// one holder. A read on the side, which leads to no write, needs no token and may be overtaken.
package fence
