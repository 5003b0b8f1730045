package fakeredis

import "github.com/quorumlock/quorumlock/quorum/quorumtest/faultproxy"

// A drop is an order to lose replies.
type drop struct {
	left  int // negative: all
	match faultproxy.Match
	then  faultproxy.AfterDrop
}

// DropReplies loses the replies to the next count commands that match: they are carried out, and the
// client never knows. Zero ends it, a negative count never ends, and a nil match picks every command.
//
// A connection that lost a reply is of no use any more, since later replies would be taken for the
// missing one: it is reset, or it stays open and silent.
func (l *Link) DropReplies(count int, match faultproxy.Match, then faultproxy.AfterDrop) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop = drop{left: count, match: match, then: then}
}

// takeDrop uses up one drop if there is one for the command.
func (l *Link) takeDrop(args []string) (then faultproxy.AfterDrop, hit bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := &l.drop
	if d.left == 0 || d.match != nil && !d.match(args) {
		return 0, false
	}
	if d.left > 0 {
		d.left--
	}
	l.effects.Dropped++
	return d.then, true
}
