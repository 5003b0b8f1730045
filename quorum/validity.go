package quorum

import (
	"slices"

	"github.com/quorumlock/quorumlock/clock"
)

// ValidUntil is the instant before which at least need of the promises still stand: the need-th
// largest of them. A promise is the instant up to which a node certainly keeps the key, and
// [clock.Never] where it promised nothing. With fewer than need promises the answer is Never.
//
// As every majority of n nodes shares a node with these need >= n/2+1 ones, nobody else can have a
// majority before that instant. With equal send times it is the published Redlock formula,
// TTL - elapsed - drift. (https://redis.io/docs/latest/develop/clients/patterns/distributed-locks/)
func ValidUntil(promises []clock.Instant, need int) clock.Instant {
	if need < 1 || need > len(promises) {
		return clock.Never
	}
	var few [8]clock.Instant // the usual fleets sort without allocating
	sorted := append(few[:0], promises...)
	slices.Sort(sorted)
	return sorted[len(sorted)-need]
}

// Standing counts the promises that still stand at now.
func Standing(promises []clock.Instant, now clock.Instant) int {
	n := 0
	for _, until := range promises {
		if now.Before(until) {
			n++
		}
	}
	return n
}
