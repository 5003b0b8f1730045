// Package stampede is a cache in front of a slow source: of all callers of all processes that miss a key at the same
// time, one loads it, and the others wait for that load.
//
// # Guarantee
//
// A key is loaded by one caller at a time, however long the load takes: its lease on the lock nodes and its claim on the
// data node are renewed meanwhile. There are as many loads of a missing value as there are leases lost or given up during
// them, and one more. A loader that dies is replaced once its lease and claim have run out, at most the lock TTL after its
// last renewal. That of a loader that fails, panics or is cancelled is replaced at once.
//
// A value is stored only if, on the data node, nobody has claimed, put or invalidated the key since its load began. So
// a late loader overwrites nothing, and brings back nothing that was invalidated. It needs neither clocks nor the
// lock: the claim is written before the source is read, and compared when the value is stored, in one script.
//
// After [Cache.Invalidate] has returned, a call of any process that begins then does not get a value whose load had
// begun before, but for what is on its way; see Limits.
//
// One caller's end is its own: loads run on a context of their own, and a panic is an error of that load. Whoever waited
// for a load that failed gets its error, once.
//
// # How it works
//
// A call looks at the data node: GET and PTTL in one round trip. A fresh value ends it there, and no lock node hears of
// it. On a miss the callers of one process become one, which tries for the lock, at one lock node first so that a herd
// of processes does not split the vote. The winner claims the key on the data node, loads, and stores. The
// others subscribe to the key's channel, look again, and sleep until the value is announced, with it if it takes 16 KiB at
// most. Announcements can be lost, so they look for themselves every 250 ms; see [WithPollFallback].
//
// How old a value is follows from its TTL on the server, so no client's clock matters.
//
// Values that are past their time can be served while a new one is loaded ([WithStale]) or if that fails
// ([WithStaleIfError]), and be loaded anew before it is over ([WithEarlyRefresh]). What the source does not have can
// be remembered ([WithNegativeTTL]), and so can a failure ([WithErrorTTL]).
//
// # When the quorum earns its cost
//
// With a single data node, a lease on that node alone would also give one load, for fewer round trips: the winner of a
// miss pays about four of them before it loads here. The quorum earns its cost where the data node fails over to a replica that
// may not have seen the claim, where a claim can be evicted, and where the load itself must not run twice though the cache
// is gone. A lock made with one node is the cheap form; it works with this package as it is.
//
// # Limits
//
// A process that stops (garbage collection, SIGSTOP) for longer than its lease goes on loading beside the next
// loader when it wakes, until it notices. Its value is refused; what its load did to the source is not undone. A loader that
// writes passes [Load.Token] on to what refuses lower ones.
//
// A loader that ignores the end of its context goes on after its load timeout, beside the next one. What it returns is
// dropped.
//
// A data node that fails over to a replica can lose the last invalidations, as it can lose any write: an
// old value may be there again until its TTL. A Cluster client must not read from replicas (ReadOnly).
//
// What was announced before an invalidation may reach a waiter after it: a call that begins after Invalidate, joins
// others of its process that have been waiting, and is overtaken by no more than the announcement's own
// delay, can still get the value that was invalidated.
//
// The loader's error is told to other processes as text, up to 512 bytes of it: keep secrets out of it.
//
// How soon a call returns after its context has ended is up to the client while it waits for the data node's reply; see
// Options.ContextTimeoutEnabled of go-redis. While it waits for a load, it is at once.
//
// # Keys
//
// A key K is kept under rl:{K}:v, its claim under rl:{K}:l, the last failure under rl:{K}:e, and announced on
// rl:{K}:n, all in one slot of a Cluster; [WithPrefix] replaces rl:. The lock is called rl:{K}. Each key has a TTL: nothing
// is left behind. The server runs Redis 6.2 or later; its user may run EVAL, EVALSHA, GET, GETRANGE, SET, DEL,
// PTTL, PEXPIRE, PUBLISH and SUBSCRIBE on these. Without the last two waiting takes longer, and is no less right.
//
// # Lifetimes
//
// A Cache runs two goroutines from its first waiting call on, one for each key that callers of this process
// wait for, and two for each load. [Cache.Close] joins them all.
package stampede
