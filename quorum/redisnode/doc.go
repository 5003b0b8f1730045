// Package redisnode is a [quorum.Node] on one Redis server.
//
// # Guarantee
//
// Every operation is one Lua script on one key, so it is atomic on the server, and running it twice
// for a value leaves what running it once left. [Node.Ask] returns by its ctx's deadline, whatever
// the server does. An Acquire or a Heal that reaches the server after its NotAfter writes nothing:
// the script compares NotAfter, translated into the server's time, with the server's TIME. The
// translation comes from a sample (sent, received, TIME) and can only err late, by
//
//	(received - sent) + Rate * (distance from sent to NotAfter)
//
// with Rate = clock.DefaultRate. That is the Slack of the answer.
//
// # Assumptions
//
// The server is a master of its own, runs Redis 5 or later, and evicts no lock keys
// (maxmemory-policy noeviction). Its user may run EVAL, EVALSHA, TIME, GET, SET, PTTL, PEXPIRE and
// DEL on the lock keys, and SELECT for a database other than 0. The server's wall clock does not step
// back: until the next answer shows the step, a late request would pass as early.
//
// # Limits
//
// A first Ask opens a connection, which takes up to six round trips (TCP, TLS, HELLO, client
// information, TIME, the operation); a deadline shorter than that never succeeds. Cancelling a ctx
// does not interrupt a request on its way, only the deadline does. Connections that died while idle
// are noticed before use without TLS; with TLS each costs one failed Ask.
//
// # Lifetimes
//
// A Node opens connections of its own, made from the caller's options, and starts no goroutine that
// outlives a dial. [Node.Close] joins those too.
package redisnode
