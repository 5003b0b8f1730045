package redisnode

import (
	"crypto/sha1"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/quorumlock/quorumlock/quorum"
)

// shards is how many channels announcements are spread over.
const shards = 64

// shardOf returns the shard of a key, as batch.lua does.
func shardOf(key string) int { return int(sha1.Sum([]byte(key))[0]) % shards }

// channelOf names a shard's channel.
func channelOf(shard int) string { return fmt.Sprintf("redlock:freed:%02d", shard) }

// A listener is one who wants to hear about a key.
type listener struct {
	key     string
	shard   int
	tell    func(quorum.Announcement)
	stopped atomic.Bool
	told    bool // that we listen, since the last time when something may have been missed
}

// A delivery is something to tell a listener.
type delivery struct {
	to   *listener
	what quorum.Announcement
}

// hand tells what there is to tell, unless its listener has stopped meanwhile. The caller holds no lock.
func hand(deliveries []delivery) {
	for _, d := range deliveries {
		if !d.to.stopped.Load() {
			d.to.tell(d.what)
		}
	}
}

// A channelState is how far the subscription to a shard's channel is.
type channelState uint8

const (
	unsubscribed channelState = iota
	asked                     // and not confirmed yet
	subscribed
)

// A shard is a channel, and who listens to it.
type shard struct {
	state     channelState
	listeners []*listener
	idleSince time.Time // when the last listener left; zero before there ever was one
}

// wanted reports whether the channel is to be subscribed to. Contention comes in bursts, so one that nobody
// listens to lingers.
func (s *shard) wanted(now time.Time, linger time.Duration) bool {
	return len(s.listeners) > 0 || !s.idleSince.IsZero() && now.Sub(s.idleSince) < linger
}

// A board knows who listens to what, and what to subscribe to for it. It is a value without I/O, clock or
// lock.
//
// Invariant: a listener is told of nothing but by way of a subscribed channel, and of Listening first.
type board struct {
	shards [shards]shard
	fresh  []*listener // perhaps not told yet that we listen
}

func (b *board) add(l *listener) {
	s := &b.shards[l.shard]
	s.listeners = append(s.listeners, l)
	b.fresh = append(b.fresh, l)
}

// remove forgets a listener. A second time does nothing.
func (b *board) remove(l *listener, now time.Time) {
	s := &b.shards[l.shard]
	i := slices.Index(s.listeners, l)
	if i < 0 {
		return
	}
	if s.listeners = slices.Delete(s.listeners, i, i+1); len(s.listeners) == 0 {
		s.idleSince = now
	}
	if i := slices.Index(b.fresh, l); i >= 0 {
		b.fresh = slices.Delete(b.fresh, i, i+1)
	}
}

// plan returns the channels to subscribe to and to leave, which it takes as done, and whether any is wanted
// at all. A channel whose subscription is not confirmed yet is not left: the confirmation would be taken for
// that of the next one.
func (b *board) plan(now time.Time, linger time.Duration) (join, leave []string, wanted bool) {
	for i := range b.shards {
		s := &b.shards[i]
		want := s.wanted(now, linger)
		wanted = wanted || want
		switch {
		case want && s.state == unsubscribed:
			s.state = asked
			join = append(join, channelOf(i))
		case !want && s.state == subscribed:
			s.state = unsubscribed
			leave = append(leave, channelOf(i))
		}
	}
	return join, leave, wanted
}

// wanted reports whether any channel is.
func (b *board) wanted(now time.Time, linger time.Duration) bool {
	return slices.ContainsFunc(b.shards[:], func(s shard) bool { return s.wanted(now, linger) })
}

// lost notes that the connection has ended: everybody is to be told again when we listen again.
func (b *board) lost() {
	b.fresh = b.fresh[:0]
	for i := range b.shards {
		s := &b.shards[i]
		s.state = unsubscribed
		for _, l := range s.listeners {
			l.told = false
			b.fresh = append(b.fresh, l)
		}
	}
}

// confirm notes that the server has confirmed the subscription to a channel.
func (b *board) confirm(channel string) {
	for i := range b.shards {
		if s := &b.shards[i]; s.state == asked && channelOf(i) == channel {
			s.state = subscribed
		}
	}
}

// listening returns whom to tell that we listen.
func (b *board) listening() []delivery {
	var list []delivery
	b.fresh = slices.DeleteFunc(b.fresh, func(l *listener) bool {
		if b.shards[l.shard].state != subscribed {
			return false
		}
		l.told = true
		list = append(list, delivery{l, quorum.Announcement{Kind: quorum.Listening}})
		return true
	})
	return list
}

// message returns whom to tell of a message, and what.
func (b *board) message(text string) []delivery {
	key, what, fine := parseMessage(text)
	if !fine {
		return nil
	}
	var list []delivery
	for _, l := range b.shards[shardOf(key)].listeners {
		if l.key == key && l.told {
			list = append(list, delivery{l, what})
		}
	}
	return list
}

// parseMessage reads what batch.lua announces: what has happened, to whom, and the key.
func parseMessage(text string) (key string, what quorum.Announcement, fine bool) {
	kind, rest, _ := strings.Cut(text, " ")
	what.Waiter, key, fine = strings.Cut(rest, " ")
	switch kind {
	case "f":
		what.Kind = quorum.Freed
	case "t":
		what.Kind = quorum.Taken
	default:
		return "", quorum.Announcement{}, false
	}
	return key, what, fine
}
