// Package quorum asks N independent nodes one question, decides by majority, and undoes what lost.
//
// It knows no Redis: a [Node] keeps keys for a while, an [Engine] asks all of them at once, and a
// [Claim] is the engine's record of one value on them.
//
// # Guarantee
//
// With q = N/2+1, an acquired Claim is valid before [Claim.ValidUntil], the need-th largest of its
// nodes' promises, where need >= q is [Config.Votes] and a promise is
//
//	sent + TTL*(1 - Rate) - Step - Granularity          (clock.Drift.Deadline)
//
// of the last request that the node answered with "yours". Before that instant no other value can be
// on q nodes. A node that does not answer keeps its old promise; one that answers "not yours" loses
// it at once. An extension resets a node's life, never adds to it and never shortens it.
//
// # Result selection
//
// A call returns as soon as no outstanding answer can change its outcome. It waits for no straggler
// and abandons none: what is still under way ends by its own deadline, [Terms.Timeout], is recorded
// in the claim if it comes, and is joined by [Engine.Close].
//
// # Cleaning up
//
// An attempt that misses, also because its caller left, is undone on every node that was asked and
// did not say that it wrote nothing. Operations of one claim on one node are strictly serial, so an
// undo never overtakes the request that it undoes. Where that request was not answered, it may still
// be carried out until Op.NotAfter plus Answer.Slack; the undo is sent at once and again after that.
// A node that cannot be reached is tried until its key has run out by itself.
//
// # Goroutines
//
// A node that is a [Sender] is asked without a goroutine: whoever brings its answer goes on with the claim, and a
// call is woken once, when it is decided. Other nodes are asked in a goroutine per question, which Close joins.
//
// # Limits
//
// The guarantee needs nodes that do not forget a key before its time, clocks within the drift, and
// one set of nodes for all clients. Nothing here survives more than N - need silent nodes: calls then
// end with a [*MissError] that names each node's reason.
package quorum
