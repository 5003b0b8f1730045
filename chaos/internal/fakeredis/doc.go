// Package fakeredis is a small Redis server in memory, for the real client library in virtual time.
//
// A [Server] keeps string keys, runs the lock's script, and speaks RESP2 and RESP3 as a Redis 7.0
// does. A [Link] is the network between one client and it: it makes connections ([Link.Dial],
// [Link.Options]) and delays, holds and breaks them.
//
// # Guarantee
//
// The commands listed at [Server] answer as Redis 7.0 does, types and texts of errors included, but
// for what an error inside a script says behind its first words. Keys expire at an absolute millisecond of
// the server's own wall clock: one that is set forward ends them early, one that is set back prolongs
// them. A key that was over before the step stays gone.
//
// Bytes arrive in order and once, or their connection breaks, as on TCP. What has been sent is
// delivered even if the sender has closed meanwhile, and a paused server takes it in and carries it
// out later. Requests are therefore never duplicated: that cannot happen to a TCP connection, only to
// a client that sends twice.
//
// What is published to a channel is sent to its subscribers, one by one, over their links.
//
// Everything that happens follows from the seed: a delay depends on seed, client, server, connection,
// direction and the count of draws there, never on which goroutine came first. Messages of different
// connections arrive at different nanoseconds, so that in a synctest bubble there is one order of
// events; this holds for 32 clients, 16 servers and 16 connections at a time between two of them, and
// is likely beyond.
//
// # Assumptions
//
// A server is made, used and closed inside one bubble, or outside of any. The network runs on the
// time of package time; the clock given to [New] moves the server's wall clock only. Dials of one
// client to one server at the same instant are numbered in the order in which they come.
//
// # Limits
//
// There are no types but strings, no transactions, patterns of channels, replicas or persistence, and no
// Lua: a script without a twin written in Go is refused ([Server.Register]). Writing never blocks, as
// buffers are unbounded. Carrying out a command takes no time.
//
// # Lifetimes
//
// A server has one goroutine for each open connection; [Server.Close] ends and joins them. All
// waiting is on channels and timers. The client library opens connections and retries in the
// background: close clients, and let a few virtual seconds pass, before a bubble ends.
package fakeredis
