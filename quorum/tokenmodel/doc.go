// Package tokenmodel checks the protocol that gives leases their fencing tokens: it walks through every
// state that a small world of nodes and clients can get into, and looks for a broken promise in each.
//
// It is a model. It shares no code with the lock, knows no Redis and no time, and proves nothing about an
// implementation that differs from it. It is there because the rules of this protocol look as if one could
// leave one out, and one cannot: [Flaws] lists those that were tried, each test of one prints how it fails.
//
// # The protocol
//
// Each node keeps a counter per lock, and never less than a floor for locks whose counter has expired.
//
//   - A vote sets a free key to the client's value and the counter to any larger number. The reply tells it.
//   - A client's token is the largest counter that it has heard of.
//   - R1: a raise sets the counter to the token if that is larger, but only where the key is the client's.
//   - R2: a node counts only if its counter was exactly the token while the key was the client's. A client
//     that hears of a larger counter makes that its token, and nodes that counted before do not any more.
//   - The client returns the token when a majority of nodes counts, each by a vote that is not over yet.
//   - A node that forgot gives no vote until all votes from before are over. Then it takes over the largest
//     floor of a majority of other nodes, none of which is waiting like this itself.
//
// # The promises
//
// Tokens are unique, and the token of a later grant is larger. Which one is later depends on the clocks:
//
//   - [BeginOrder], without any assumption on clocks: if A had returned before B sent anything, B's token is
//     larger. Keys may vanish at any moment here, and the client never notices.
//   - [ReturnOrder], if a key stays for as long as its client counts on it: of any two grants, the one that
//     was returned later has the larger token, also if both clients had been trying at the same time.
//
// Without clocks the second promise does not hold, and cannot: a client that was slow to return may come
// with the smaller token after another one was returned. This is what resources refuse old tokens for. If
// a node forgets, both promises need the clocks, because only they say when a vote from before is over.
// Tests show both.
//
// # What may happen
//
// At any moment, in any order:
//
//   - A request, once sent, arrives: at once, late, after its client has given up or died, again, or never.
//     Nothing bounds how often. (A raise that its client has no use for any more is left out, see below.)
//   - A reply arrives late or never. One that arrives again tells nothing new. Of the replies of one node to
//     one client that are under way, there is one, and which one is open.
//   - A client gives up or dies; a client that returned releases its keys, or they expire, or they are handed
//     over to another one, one node at a time.
//   - A key expires; with [World.Clocks] only when its client does not count on it any more.
//   - A counter expires for lack of use. Its value is in the floor by then, which is why this changes nothing;
//     that the rotating floor sees to this, whatever the node's clock does, is tested apart.
//   - A node forgets its key, counter and floor: [World.Forgets] times, one node after the other.
//
// A vote may take any larger number. This covers what a client proposes, be it a token that it has seen or
// its clock, right or mad, and counters of any past.
//
// # Why small worlds suffice
//
// Numbers have no bounds: tokens are only compared, so a state keeps their order, and a vote takes a place
// anywhere above the node's counter, between any two others too. Nor is there one on requests. What is left:
//
//   - Clients. One stands for one attempt, which has a value of its own; a program that tries ten times is
//     ten clients, and what an attempt that asks a node anew with a fresh value leaves there under the old one
//     is an ended client's. The promises are about two grants. A third client's deeds at a node come down to keeping
//     it busy, which looks like requests that are late, and to moving its counter up while neither of the two
//     has its key there, which is no more than a higher vote. So worlds with three check this argument
//     rather than the protocol.
//   - Nodes. Three and five are explored. Nothing in the protocol looks at their number, but for majorities.
//   - Forgetting. Once, in some worlds twice, never two nodes at a time: with no majority of others to ask,
//     the floor comes from a clock, which is not modelled.
//
// These worlds are explored in full, with late and lost replies one by one, where that ends in time. Larger
// ones are [World.Lean], which rests on one argument. Say a vote or a raise is carried out, and its client does
// not hear of it before it does something else. On the node it keeps others away and moves the counter up. To
// keep away is what late requests do as well; and with a lower counter all that others did later they could
// still do, as a vote may go higher than it must. So whatever came of it comes about, too, if the request had not
// arrived, or had arrived when the client came to know what it knows of that node. Hence in a lean world each
// request is carried out and answered at one moment or never, and clients that have ended or returned leave
// nothing behind. That the argument holds is tested: of the broken protocols that it covers, lean worlds break
// each one too.
//
// By the same argument no world has raises to a token that its client has left behind, be it for a larger one or
// because it has ended or returned. (A release that levels counters is such a raise.)
//
// # What is not modelled
//
// Healing and extending (they leave counters alone; keys that stay or come back are late requests), exclusion
// itself (package quorum tests it), how a quarantine finds its length and a node finds out that it forgot,
// floors by clock, numbers beyond 2^53, and a change of the set of nodes.
package tokenmodel
