// Package atomic holds small recipes that read, decide and write on one Redis server in one step: a bounded
// counter, a unique push, a fixed-window rate limit, and the reservation of stock with a log of orders.
//
// # Guarantee
//
// Each call is one Lua script on one data node, and the node runs nothing else meanwhile: one EVALSHA, and an
// EVAL behind it where the node does not have the script yet. However many
// clients call at once, a counter never goes over the maximum of its callers, a list never gets an element
// twice, a window never allows more hits than its limit, and stock never goes below zero while its log has
// every order that was reserved, once. That holds among callers of these recipes; other commands on the same
// keys can break it. A call either does all of its work or writes nothing: arguments are checked before
// anything is sent, and stored values before anything is written.
//
// # Lost replies
//
// No call is ever sent twice behind the caller's back, whatever MaxRetries of the client says. When a reply
// is lost, the error is an [ErrUnknown], and what a repeat does depends on the recipe:
//
//   - [Recipes.Increment] counts once more. If the lost call counted too, one of the two counts for nobody.
//     The maximum holds.
//   - [Recipes.PushUnique] appends nothing twice, but cannot tell an earlier call of its own from somebody
//     else's: it says that the element was there.
//   - [Recipes.Hit] is one more hit. Fewer hits are allowed than could be, never more.
//   - [Recipes.Reserve] is harmless: the order id tells that the order is the same. The repeat takes
//     nothing and says that it is one.
//
// # Limits
//
// There is no quorum here. A node that loses its memory loses the counts with it. A replica that takes
// over may not have seen the last writes, though those were acknowledged: a counter then goes back, a limit is
// given out again, stock that was sold is sold once more. Where that must not happen, the database that keeps
// the orders has to refuse them. Nor may the node evict these keys (maxmemory-policy noeviction, or a volatile
// one for keys without TTL).
//
// A fixed window allows up to twice its limit within one window's length, around the end of a window.
//
// Nothing works across nodes. On a Cluster or a Ring all keys of one call have to share a hash tag, such as
// "{shoe}:stock" and "{shoe}:orders"; calls refuse keys that do not.
//
// Integers are those that a Lua number holds exactly, less than 2^53 away from zero; see [MaxInteger]. Others
// are refused, as arguments and as stored values.
//
// # Assumptions
//
// The server runs Redis 5 or later, and 6.0.6 or later for PushUnique. Its user may run EVAL, EVALSHA, TYPE
// and, for Increment, GET and INCR; for PushUnique, LPOS and RPUSH; for Hit, GET, INCR, PTTL and PEXPIRE; for
// Reserve, GET, HGET, DECRBY, LPUSH and HSET. Redis asks for these rights command by command: if some of the
// writing ones are missing, the writes before them stay.
//
// How soon a call returns after its context has ended is up to the client. Those of go-redis do not look at
// the context while they wait for a reply; with Options.ContextTimeoutEnabled they keep its deadline.
package atomic
