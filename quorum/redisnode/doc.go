// Package redisnode is a [quorum.Node] on one Redis server.
//
// # Guarantee
//
// Every operation is carried out by one Lua script, atomically, and running it twice for a value leaves what
// running it once left. An operation that fails, fails alone. [Node.Ask] returns, and [Node.Send] replies, by
// the deadline, whatever the server does. An Acquire, a Heal or a HandOver that reaches the server after its
// NotAfter writes nothing: the script compares NotAfter, translated into the server's time, with the server's TIME. The
// translation comes from a sample (sent, received, TIME) and can only err late, by
//
//	(received - sent) + Rate * (distance from sent to NotAfter)
//
// with Rate = clock.DefaultRate. That is the Slack of the answer.
//
// # Batches
//
// What callers ask at the same time goes to the server in one script call, with a key for each operation; see
// batch.lua. Nothing waits for company: an idle server is asked at once, though behind what other goroutines that
// can run have to ask, if the last batch held several requests. While it owes an answer, requests wait for that
// answer, for a full batch, or for a sixteenth of a round trip (half a millisecond at least), whichever is first. At most 128 operations are in a batch, about an eighth of a millisecond of the server's
// time, and at most 16 batches on their way. Operations on one key are carried out in the order in which they
// were asked. Only where the server refuses a whole batch, since it has lost the script or because of a key
// that its user may not touch, operations that were on their way already come before those of the batch; they
// are carried out once more behind them.
//
// At most 8192 requests wait for a server; more fail at once, with [quorum.ErrBusy]. One whose caller has gone
// before it was sent is never sent, and its error is a [quorum.ErrUnsent].
//
// # Waiters
//
// The server keeps a list of who waits for a key under redlock:since:<key> and redlock:until:<key>, and
// redlock:waiting while there is any list; all of them expire [quorum.WaiterLife] after the last note. Releases
// are announced on 64 channels, redlock:freed:00 to 63, one for each 64th of the keys. Where nobody waits a
// release looks for redlock:waiting and does nothing else. Whatever fails of this fails no operation: a user
// without the rights hears of no release, and finds out by trying. Channels have no databases: who listens to a
// key hears also what is announced about the same key in another database.
//
// # Numbers
//
// The counter of a key is kept under redlock:token:<key> for twice the longest MaxTTL that the server has seen,
// and what is known of all counters in the hash redlock:meta, which stays. An operation that asks for a number
// needs two commands more in the script than one that does not, and each call with such operations one or, once a second,
// two. Where the number cannot be kept the operation fails, and the key is left as it was.
//
// # Connections
//
// Operations use one connection. The client library opens it; after that batches and answers go over it one
// behind the other. An answer that comes after its callers have left costs nothing. If the server owes one for
// half a second another connection is tried, and the first given up if that one opens; after three seconds it
// is given up in any case. Connections are opened apart from the operations that need one, within three
// seconds: an operation on a server far away has time for one round trip, not for the six of an opening (TCP,
// TLS, HELLO, client information, TIME). With nothing open, operations wait, and fail when the opening does.
//
// Announcements come over a second connection, opened when the first listener comes and shared by all; see
// [Node.Announcements].
//
// # Assumptions
//
// The server is a master of its own, runs Redis 5 or later, and evicts no lock keys
// and no redlock:* keys (maxmemory-policy noeviction). Its user may run EVAL, EVALSHA, TIME, GET, SET, PTTL, PEXPIRE and
// DEL on the lock keys, and SELECT for a database other than 0. For numbers it may also run HMGET, HSET, GET and
// SET on redlock:*. For announcements it may also run EXISTS, SET,
// PEXPIRE, ZADD, ZCARD, ZRANGE, ZRANGEBYSCORE, ZREM and ZSCORE on redlock:*, and PUBLISH, SUBSCRIBE,
// UNSUBSCRIBE and PING with the channels redlock:freed:*. The server's wall clock does not step
// back: until the next answer shows the step, a late request would pass as early.
//
// # Limits
//
// What holds back one request on its connection holds back those behind it, for half a second at most if
// another connection works. Operations that were on their way when a connection ends have failed, and may have
// been carried out.
//
// # Lifetimes
//
// A Node has two goroutines while its connection is open, one while it is being opened, and a timer; and as
// many while somebody listens and for five seconds after. [Node.Close] ends and joins them, and dials under
// way.
package redisnode
