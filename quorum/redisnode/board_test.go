package redisnode

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/quorum"
)

// A desk is a board with a clock, and what its listeners were told.
type desk struct {
	*testing.T
	board board
	now   time.Time
	heard []string
}

func (d *desk) listen(key string) *listener {
	l := &listener{key: key, shard: shardOf(key)}
	l.tell = func(a quorum.Announcement) { d.heard = append(d.heard, fmt.Sprint(key, " ", a.Kind, a.Waiter)) }
	d.board.add(l)
	return l
}

// plan demands what is subscribed to, what is left, and whether anything is wanted.
func (d *desk) plan(join, leave []string, wanted bool) {
	d.Helper()
	j, l, w := d.board.plan(d.now, linger)
	if fmt.Sprint(j, l, w) != fmt.Sprint(join, leave, wanted) {
		d.Errorf("plan: join %q, leave %q, wanted %v; want %q, %q, %v", j, l, w, join, leave, wanted)
	}
}

func (d *desk) hears(want ...string) {
	d.Helper()
	hand(d.board.listening())
	if strings.Join(d.heard, ", ") != strings.Join(want, ", ") {
		d.Errorf("heard %q, want %q", d.heard, want)
	}
	d.heard = nil
}

func TestBoard(t *testing.T) {
	channel := []string{channelOf(shardOf("key"))}
	d := &desk{T: t, now: time.Now()}
	d.plan(nil, nil, false)
	first := d.listen("key")
	d.plan(channel, nil, true)
	d.plan(nil, nil, true)
	hand(d.board.message("f w key")) // nobody was told that we listen
	d.hears()
	d.board.confirm("another")
	d.hears()
	d.board.confirm(channel[0])
	d.hears("key listening")
	second := d.listen("key")
	hand(d.board.message("f w key"))
	d.hears("key freedw", "key listening")
	for _, nonsense := range []string{"", "f", "f w", "x w key", "f w other", "f w  key"} {
		hand(d.board.message(nonsense))
	}
	d.hears()
	deliveries := d.board.message("t w key")
	first.stopped.Store(true) // in the last moment
	hand(deliveries)
	d.hears("key takenw")
	d.board.remove(first, d.now)
	d.board.remove(second, d.now)
	d.board.remove(second, d.now.Add(time.Hour))
	d.now = d.now.Add(linger - 1)
	d.plan(nil, nil, true)
	d.now = d.now.Add(1)
	d.plan(nil, channel, false)
	d.plan(nil, nil, false)
}

// A subscription that is under way is not ended: its confirmation would pass for that of a later one.
func TestBoardEndsNoSubscriptionThatIsUnderWay(t *testing.T) {
	channel := []string{channelOf(shardOf("key"))}
	d := &desk{T: t, now: time.Now()}
	d.board.remove(d.listen("key"), d.now)
	d.plan(channel, nil, true)
	d.now = d.now.Add(linger)
	d.plan(nil, nil, false)
	d.board.confirm(channel[0])
	d.plan(nil, channel, false)
}

// After each loss everybody is told again, once we listen again.
func TestBoardTellsAgainAfterALoss(t *testing.T) {
	channel := []string{channelOf(shardOf("key"))}
	d := &desk{T: t, now: time.Now()}
	d.listen("key")
	for range 2 {
		d.plan(channel, nil, true)
		d.board.confirm(channel[0])
		d.hears("key listening")
		d.board.lost()
		hand(d.board.message("f w key"))
		d.hears()
	}
}
