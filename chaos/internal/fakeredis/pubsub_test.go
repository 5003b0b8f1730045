package fakeredis_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/chaos/internal/fakeredis"
	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/quorum/quorumtest/faultproxy"
	"github.com/quorumlock/quorumlock/quorum/redisnode"
)

// wantNext demands what comes unasked.
func (s *speaker) wantNext(t testing.TB, want string) {
	t.Helper()
	if got, err := s.read(); err != nil || got.String() != want {
		t.Errorf("next came %v (%v), want %s", got, err, want)
	}
}

// Subscriptions go the same way, with a connection that subscribes and one that publishes.
func TestSameSubscriptionsAsARealServer(t *testing.T) {
	addr := quorumtest.RedisServer(t).Addr()
	for _, protocol := range []string{"2", "3"} {
		d := newDuel(t, addr)
		d.begin(protocol)
		publishers := map[*speaker]*speaker{d.ours: dial(t, d.fake.Link(1)), d.theirs: dialReal(t, addr)}
		unasked := func() {
			t.Helper()
			ours, errO := d.ours.read()
			theirs, errT := d.theirs.read()
			if errO != nil || errT != nil || ours.String() != theirs.String() {
				t.Fatalf("RESP%s: came %v (%v), of a real server %v (%v)", protocol, ours, errO, theirs, errT)
			}
		}
		publish := func(channel, text string, receivers int) {
			t.Helper()
			for _, p := range publishers {
				p.want(t, fmt.Sprint(":", receivers), "PUBLISH", channel, text)
			}
		}
		d.both([]string{"UNSUBSCRIBE"}, []string{"SUBSCRIBE"}, []string{"SUBSCRIBE", "a", "b"})
		unasked()
		publish("a", "with\r\nlines", 1)
		unasked()
		publish("c", "nobody's", 0)
		d.both([]string{"SUBSCRIBE", "a"}, []string{"PING"}, []string{"PING", "hello"}, []string{"PING", "hello", "you"})
		d.both([]string{"GET", "key"}, []string{"CLIENT", "GETNAME"}, []string{"NONSENSE"}, []string{"GET"}, []string{"UNSUBSCRIBE", "c"})
		d.both([]string{"UNSUBSCRIBE", "a"})
		publish("a", "left", 0)
		publish("b", "still there", 1)
		unasked()
		d.both([]string{"UNSUBSCRIBE", "b"}, []string{"GET", "key"}, []string{"SUBSCRIBE", "b"}, []string{"RESET"}, []string{"GET", "key"})
		publish("b", "gone", 0)
	}
}

// What is published crosses the subscriber's link, and is lost with its connection.
func TestMessagesCrossLinks(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fakeredis.Server, l *fakeredis.Link) {
		publisher, subscriber := dial(t, s.Link(1)), dial(t, l)
		subscriber.want(t, `*[$"subscribe" $"news" :1]`, "SUBSCRIBE", "news")
		l.SetWeather(faultproxy.ToClient, fakeredis.Weather{Delay: time.Second})
		began := time.Now()
		publisher.want(t, ":1", "PUBLISH", "news", "first")
		subscriber.wantNext(t, `*[$"message" $"news" $"first"]`)
		if took := time.Since(began); took < time.Second {
			t.Errorf("it took %v", took)
		}
		l.Hold(faultproxy.ToClient)
		publisher.want(t, ":1", "PUBLISH", "news", "held")
		l.Release(faultproxy.ToClient)
		subscriber.wantNext(t, `*[$"message" $"news" $"held"]`)
		l.Reset()
		pass(moment)
		publisher.want(t, ":0", "PUBLISH", "news", "unheard")
		if n := s.Channels(); n > 0 {
			t.Errorf("%d channels are left", n)
		}
	})
}

func TestLostAnnouncements(t *testing.T) {
	for share, within := range map[float64][2]int{0: {0, 0}, 0.5: {400, 600}, 1: {1000, 1000}} {
		inBubble(t, func(t *testing.T, s *fakeredis.Server, l *fakeredis.Link) {
			publisher, subscriber := dial(t, s.Link(1)), dial(t, l)
			subscriber.want(t, `*[$"subscribe" $"news" :1]`, "SUBSCRIBE", "news")
			s.LoseAnnouncements(share)
			for range 1000 {
				publisher.want(t, ":1", "PUBLISH", "news", "perhaps")
			}
			s.LoseAnnouncements(0)
			publisher.want(t, ":1", "PUBLISH", "news", "last")
			heard := 0
			for v, err := subscriber.read(); v.list[2].text != "last"; v, err = subscriber.read() {
				must(t, err)
				heard++
			}
			if lost := l.Effects().Unheard; lost != 1000-heard || lost < within[0] || lost > within[1] {
				t.Errorf("share %v: %d lost of 1000, %d heard", share, lost, heard)
			}
		})
	}
}

// A node listens again after whatever has happened to its server, soon, and leaves nothing behind.
func TestANodeListensAgain(t *testing.T) {
	type fault struct {
		strike, mend func(s *fakeredis.Server, l *fakeredis.Link)
	}
	for name, f := range map[string]fault{
		"reset":   {func(_ *fakeredis.Server, l *fakeredis.Link) { l.Reset() }, nil},
		"restart": {func(s *fakeredis.Server, _ *fakeredis.Link) { s.Kill(true) }, func(s *fakeredis.Server, _ *fakeredis.Link) { s.Restart() }},
		"pause":   {func(s *fakeredis.Server, _ *fakeredis.Link) { s.Pause() }, func(s *fakeredis.Server, _ *fakeredis.Link) { s.Resume() }},
		"cut": {
			func(_ *fakeredis.Server, l *fakeredis.Link) { l.Hold(faultproxy.Both) },
			func(_ *fakeredis.Server, l *fakeredis.Link) { l.Release(faultproxy.Both) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *fakeredis.Server, l *fakeredis.Link) {
				node, err := redisnode.New(l.Options(), clock.Process())
				must(t, err)
				heard := make(chan quorum.Announcement, 100)
				stop := node.Announcements("key", func(a quorum.Announcement) { heard <- a })
				if a := <-heard; a.Kind != quorum.Listening {
					t.Errorf("heard %v first", a)
				}
				f.strike(s, l)
				pass(3 * time.Second)
				if f.mend != nil {
					f.mend(s, l)
				}
				began := time.Now()
				if a := <-heard; a.Kind != quorum.Listening || time.Since(began) > 5*time.Second {
					t.Errorf("heard %v, %v after the fault", a, time.Since(began))
				}
				stop()
				stop()
				pass(10 * time.Second)
				if n := s.Channels(); n > 0 {
					t.Errorf("%d channels are left", n)
				}
				must(t, node.Close())
				settle()
			})
		})
	}
}
