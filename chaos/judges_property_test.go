package chaos

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const (
	legalTTL  = 100 * time.Millisecond
	legalIdle = time.Second
	legalLate = 10 * time.Millisecond
)

// legalBounds are those that every legal history keeps.
func legalBounds() Bounds {
	return Bounds{Nodes: 5, Lifetime: legalTTL, Idle: legalIdle, Late: legalLate, Search: time.Minute}
}

// A told is a lease of a legal history, by its name, and the events about it. They are pointers, so that
// a corruption can change them.
type told struct {
	asked, given, release, lost *Event
	about                       Event // client, lease and name
	start, end                  time.Duration
	events                      []*Event
}

func (l *told) say(at time.Duration, kind Kind) *Event {
	e := l.about
	e.At, e.Kind = at, kind
	l.events = append(l.events, &e)
	return &e
}

// A world is a legal history, before it is put in order.
type world struct {
	t      *rapid.T
	leases map[string][]*told // in order, at least two of each name
	others []*Event
	healed time.Duration
	ended  time.Duration
	number int
}

// span draws a time, of 0 more often than not.
func (w *world) span(most time.Duration, label string) time.Duration {
	if rapid.Bool().Draw(w.t, label+" is none") {
		return 0
	}
	return time.Duration(rapid.Int64Range(1, int64(most)).Draw(w.t, label))
}

// newWorld draws a history of one or two locks that hold what they promise.
func newWorld(t *rapid.T) *world {
	w := &world{t: t, leases: make(map[string][]*told)}
	for _, name := range []string{"a", "b"}[:rapid.IntRange(1, 2).Draw(t, "names")] {
		w.lock(name, rapid.IntRange(2, 6).Draw(t, "leases"))
	}
	for _, leases := range w.leases {
		w.ended = max(w.ended, leases[len(leases)-1].start+2*legalTTL)
	}
	w.healed = time.Duration(rapid.Int64Range(0, int64(w.firstEnd())).Draw(t, "healed"))
	w.other(Event{At: w.healed, Kind: Healed})
	w.other(Event{At: w.ended, Kind: Ended})
	w.other(Event{At: w.ended + 2, Kind: Looked})
	return w
}

func (w *world) other(e Event) *Event {
	w.others = append(w.others, &e)
	return &e
}

// firstEnd is when the first lease of some name ends.
func (w *world) firstEnd() time.Duration {
	first := forever
	for _, leases := range w.leases {
		first = min(first, leases[0].end)
	}
	return first
}

// lock draws leases on one name, one after the other. The first lasts, and the last is not asked for before
// the first was given, so that there is something to corrupt.
func (w *world) lock(name string, n int) {
	free, data := time.Duration(0), ""
	for i := range n {
		w.number++
		l := &told{about: Event{Name: name, Lease: w.number, Client: fmt.Sprintf("c%d", w.number%4)}}
		l.start = free + w.span(3*time.Millisecond, "gap")
		asked := max(0, l.start-w.span(5*time.Millisecond, "ask"))
		if i == n-1 {
			l.start += time.Millisecond
			asked = l.start
		}
		l.asked = l.say(asked, AcquireInvoked)
		l.given = l.say(l.start, Acquired)
		l.given.Votes, l.given.Token, l.given.Remaining = rapid.IntRange(3, 5).Draw(w.t, "votes"), uint64(10*w.number), legalTTL
		w.hold(l, i == 0)
		data = w.register(l, i, data)
		free = w.leave(l)
		w.audit(l, free)
		w.refused(l)
		w.leases[name] = append(w.leases[name], l)
	}
}

// hold draws looks at a lease, and extensions.
func (w *world) hold(l *told, lasts bool) {
	l.end = l.start
	if lasts {
		l.end += time.Millisecond
	}
	for range rapid.IntRange(0, 3).Draw(w.t, "looks") {
		l.end += w.span(5*time.Millisecond, "look")
		kind := rapid.SampledFrom([]Kind{Observed, Extended}).Draw(w.t, "kind")
		e := l.say(l.end, kind)
		e.Held, e.Remaining = true, legalTTL
	}
	if lasts {
		e := l.say(l.end, Observed)
		e.Held, e.Remaining = true, legalTTL
	}
}

// register lets the lease read and write, and an earlier one be refused.
func (w *world) register(l *told, i int, data string) string {
	read := l.say(l.end, Read)
	read.Data, read.Token = data, l.given.Token
	wrote := l.say(l.end, Wrote)
	wrote.Data, wrote.Token, wrote.Held = fmt.Sprint("data ", l.about.Lease), l.given.Token, true
	if i > 0 {
		stale := w.leases[l.about.Name][i-1]
		e := stale.say(l.end, Wrote)
		e.Data, e.Token = "stale", stale.given.Token
	}
	return wrote.Data
}

// leave lets the lease be released or lost, and returns when the lock is free.
func (w *world) leave(l *told) time.Duration {
	if rapid.Bool().Draw(w.t, "lost") {
		over := l.end + legalTTL
		l.lost = l.say(over+w.span(legalLate, "late"), Lost)
		l.release = l.say(l.lost.At, ReleaseInvoked)
		l.say(l.lost.At+time.Millisecond, ReleaseFailed)
		return over
	}
	l.release = l.say(l.end, ReleaseInvoked)
	l.release.Held, l.release.Remaining = true, legalTTL
	l.say(l.end+w.span(3*time.Millisecond, "release"), Released)
	return l.end
}

// audit tells of what the lease did to a node, and of a look at it.
func (w *world) audit(l *told, free time.Duration) {
	value := fmt.Sprint("value ", l.about.Lease)
	about := Event{Name: l.about.Name, Node: "n1", Value: value}
	say := func(at time.Duration, kind Kind, op, before string) {
		e := w.other(about)
		e.At, e.Kind, e.Op, e.Before, e.Remaining = at, kind, op, before, legalTTL
	}
	say(l.start, Changed, "acquire", "")
	say(l.start, Changed, "extend", value)
	say(l.end, Found, "", "")
	say(free, Changed, "release", value)
	w.handOver(about, l.start)
}

// handOver tells that the lease's value came in the place of another on a second node, where it is gone at last.
func (w *world) handOver(about Event, at time.Duration) {
	next := about.Value
	about.Node, about.At, about.Kind, about.Remaining = "n2", at, Changed, legalTTL
	about.Op, about.Value = "acquire", "old "+next
	w.other(about)
	about.Op, about.Before, about.Next = "handover", about.Value, next
	w.other(about)
	about.Op, about.Value, about.Before, about.Next, about.Remaining = "release", next, next, "", 0
	w.other(about)
}

// refused lets others try in vain.
func (w *world) refused(l *told) {
	for range rapid.IntRange(0, 2).Draw(w.t, "refused") {
		w.number++
		r := told{about: Event{Name: l.about.Name, Lease: w.number, Client: fmt.Sprintf("c%d", w.number%4)}}
		r.say(l.start, AcquireInvoked)
		r.say(l.end, Refused)
		w.others = append(w.others, r.events...)
	}
}

// history puts everything in order.
func (w *world) history() History {
	var all History
	for _, name := range names(w.leases) {
		for _, l := range w.leases[name] {
			for _, e := range l.events {
				all = append(all, *e)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Event) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Lease, b.Lease)) })
	for _, e := range w.others {
		all = append(all, *e)
	}
	return MergeHistories(all)
}

// pair draws a name, and returns its first and its last lease.
func (w *world) pair() (first, last *told) {
	leases := w.leases[rapid.SampledFrom(names(w.leases)).Draw(w.t, "name")]
	return leases[0], leases[len(leases)-1]
}

func TestLegalHistoriesPass(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newWorld(t).history()
		for _, judge := range append(Default(legalBounds()), FencedRegister) {
			if got := judge.Check(h); got != nil {
				t.Errorf("%s: %q", judge.Name, texts(got))
			}
		}
	})
}

// Every way to spoil a legal history is seen by the judges that are named with it.
func TestCorruptedHistoriesAreSeen(t *testing.T) {
	exclusion := []Invariant{MutualExclusion, Linearizable(time.Minute)}
	tests := map[string]struct {
		corrupt func(*world)
		judges  []Invariant
	}{
		"a lease is seen valid within another": {func(w *world) {
			first, last := w.pair()
			e := first.say(last.start+1, Observed)
			e.Held, e.Remaining = true, legalTTL
			last.say(last.start+2, Observed).Held = true
		}, exclusion},
		"a lease is given within another": {func(w *world) {
			first, last := w.pair()
			last.asked.At, last.given.At = first.start, first.start+1
		}, exclusion},
		"a lease has two owners": {func(w *world) {
			first, _ := w.pair()
			twin := told{about: first.about}
			twin.about.Client = "twin"
			for _, e := range first.events {
				*twin.say(e.At, e.Kind) = Event{
					At: e.At, Kind: e.Kind, Client: "twin", Lease: e.Lease, Name: e.Name, Held: e.Held, Remaining: e.Remaining,
				}
			}
			w.others = append(w.others, twin.events...)
		}, exclusion},
		"two tokens are swapped": {func(w *world) {
			first, last := w.pair()
			first.given.Token, last.given.Token = last.given.Token, first.given.Token
		}, []Invariant{TokenOrder, Linearizable(time.Minute)}},
		"a token is given twice": {func(w *world) {
			first, last := w.pair()
			last.given.Token = first.given.Token
		}, []Invariant{TokenOrder, Linearizable(time.Minute)}},
		"a release was never begun": {func(w *world) {
			first, _ := w.pair()
			first.release.Kind = ExtendInvoked
		}, []Invariant{WellFormed}},
		"an acquisition is left out": {func(w *world) {
			first, _ := w.pair()
			first.given.Kind = ExtendInvoked
		}, []Invariant{WellFormed}},
		"a lost lease is valid again": {func(w *world) {
			first, _ := w.pair()
			e := first.say(w.ended, Observed)
			e.Held, e.Remaining = true, legalTTL
		}, []Invariant{LostInTime(legalLate)}},
		"a loss is told too late": {func(w *world) {
			first, _ := w.pair()
			late := first.end + legalTTL + legalLate + 1
			for _, e := range first.events[slices.Index(first.events, first.release):] {
				e.At = late + 1
			}
			if first.lost == nil {
				first.lost = first.release
			}
			first.lost.Kind, first.lost.Held, first.lost.At = Lost, false, late
		}, []Invariant{LostInTime(legalLate)}},
		"a vote is missing": {func(w *world) {
			first, _ := w.pair()
			first.given.Votes = 2
		}, []Invariant{FullyGranted(3)}},
		"no time is left": {func(w *world) {
			_, last := w.pair()
			last.given.Remaining = 0
		}, []Invariant{FullyGranted(3)}},
		"somebody releases the key of another": {func(w *world) {
			w.aChange("release").Before = "another"
		}, []Invariant{OwnerOnly}},
		"somebody extends the key of another": {func(w *world) {
			w.aChange("extend").Value = "another"
		}, []Invariant{OwnerOnly}},
		"somebody takes the key of another": {func(w *world) {
			w.aChange("acquire").Before = "another"
		}, []Invariant{OwnerOnly}},
		"somebody hands over the key of another": {func(w *world) {
			w.aChange("handover").Before = "another"
		}, []Invariant{OwnerOnly}},
		"a hand-over leaves the old value": {func(w *world) {
			e := w.aChange("handover")
			e.Next = e.Value
		}, []Invariant{OwnerOnly}},
		"a key that was handed over has no TTL": {func(w *world) {
			w.aChange("handover").Remaining = -1
		}, []Invariant{EveryKeyExpires(legalTTL)}},
		"a key has no TTL": {func(w *world) {
			w.aChange("").Remaining = -1
		}, []Invariant{EveryKeyExpires(legalTTL)}},
		"a key lives too long": {func(w *world) {
			w.aChange("acquire").Remaining++
		}, []Invariant{EveryKeyExpires(legalTTL)}},
		"a key is left": {func(w *world) {
			w.aChange("").At = w.ended + 1
		}, []Invariant{NoOrphans}},
		"a stale write is taken": {func(w *world) {
			first, _ := w.pair()
			e := first.events[len(first.events)-1]
			for _, other := range first.events {
				if other.Kind == Wrote && !other.Held {
					e = other
				}
			}
			e.Held = true
		}, []Invariant{FencedRegister}},
		"nobody gets a lock for too long": {func(w *world) {
			_, last := w.pair()
			for _, e := range last.events {
				if e != last.asked {
					e.At += 2 * legalIdle
				}
			}
			for _, e := range w.others {
				if e.Kind == Ended {
					e.At += 2 * legalIdle
				}
			}
		}, []Invariant{Liveness(legalIdle)}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				w := newWorld(t)
				tc.corrupt(w)
				h := w.history()
				for _, judge := range tc.judges {
					if judge.Check(h) == nil {
						t.Errorf("%s sees nothing", judge.Name)
					}
				}
				if got := Agree(time.Minute).Check(h); got != nil {
					t.Errorf("%q", texts(got))
				}
			})
		})
	}
}

// aChange returns some change of a node by the operation or, if that is empty, a look at it.
func (w *world) aChange(op string) *Event {
	var changes []*Event
	for _, e := range w.others {
		if (e.Kind == Changed || e.Kind == Found) && e.Op == op {
			changes = append(changes, e)
		}
	}
	return rapid.SampledFrom(changes).Draw(w.t, "change")
}

// drawClaims draws leases with no regard to each other, close enough to touch and to overlap.
func drawClaims(t *rapid.T) []claim {
	var claims []claim
	for i := range rapid.IntRange(0, 8).Draw(t, "claims") {
		e := Event{
			At:     time.Duration(rapid.IntRange(0, 30).Draw(t, "start")),
			Token:  uint64(rapid.IntRange(0, 12).Draw(t, "token")),
			Client: fmt.Sprintf("c%d", rapid.IntRange(1, 3).Draw(t, "client")), Lease: i + 1, Name: "job",
		}
		c := newClaim(&e, max(0, e.At-time.Duration(rapid.IntRange(0, 4).Draw(t, "asked"))))
		c.end += time.Duration(rapid.IntRange(0, 4).Draw(t, "length"))
		claims = append(claims, c)
	}
	inOrder(claims)
	return claims
}

// The sweep looks at each lease once; this twin compares each with each, as the definition says.
func TestSweepAgainstItsDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		claims := drawClaims(t)
		want := make(map[string]bool)
		for i, a := range claims {
			for _, b := range claims[i+1:] {
				if a.start < b.end && b.start < a.end {
					want[overlap("job", a, b).Text] = true
				}
			}
		}
		got := overlapping("job", claims)
		if len(got) != len(want) {
			t.Errorf("%d overlaps, want %d", len(got), len(want))
		}
		for _, v := range got {
			if !want[v.Text] {
				t.Errorf("%s, by the sweep alone", v.Text)
			}
		}
	})
}

// The order of tokens is followed in one pass; this twin compares each with each.
func TestTokenOrderAgainstItsDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		claims := numbered(drawClaims(t))
		want := false
		for i, a := range claims {
			for j, b := range claims {
				want = want || i != j && a.token == b.token || a.start < b.invoked && a.token > b.token
			}
		}
		got := len(sameTokens("job", claims))+len(backwards("job", claims)) > 0
		if got != want {
			t.Errorf("tokens out of order: %t, want %t", got, want)
		}
	})
}

// Two judges that share no idea agree on leases of every kind, legal and not.
func TestSweepAgreesWithTheSearch(t *testing.T) {
	verdicts := make(map[bool]int)
	rapid.Check(t, func(t *rapid.T) {
		claims := drawClaims(t)
		if rapid.Bool().Draw(t, "tokens in order") {
			for i := range claims {
				claims[i].token = uint64(i + 1)
			}
		}
		h := historyOf(claims)
		verdicts[len(Linearizable(time.Minute).Check(h)) == 0]++
		if got := Agree(time.Minute).Check(h); got != nil {
			t.Errorf("%q of %v", texts(got), claims)
		}
	})
	if verdicts[true] == 0 || verdicts[false] == 0 {
		t.Errorf("%d legal and %d illegal histories, want some of both", verdicts[true], verdicts[false])
	}
}

// historyOf tells of the claims.
func historyOf(claims []claim) History {
	var h History
	for _, c := range claims {
		e := *c.given
		e.At, e.Kind = c.invoked, AcquireInvoked
		h = append(h, e)
		e.At, e.Kind, e.Token = c.start, Acquired, c.token
		h = append(h, e)
		e.At, e.Kind, e.Held = c.end, Observed, true
		h = append(h, e)
	}
	return MergeHistories(h)
}

// drawAttempts draws what several clients do about one lock.
func drawAttempts(t *rapid.T) []attempt {
	var list []attempt
	for range rapid.IntRange(0, 10).Draw(t, "attempts") {
		a := attempt{
			client:   fmt.Sprintf("c%d", rapid.IntRange(1, 3).Draw(t, "client")),
			begin:    time.Duration(rapid.IntRange(0, 30).Draw(t, "begin")),
			acquired: rapid.Bool().Draw(t, "acquired"),
		}
		a.outcome = a.begin + time.Duration(rapid.IntRange(0, 5).Draw(t, "asks"))
		if a.end = a.outcome; a.acquired {
			a.end += time.Duration(rapid.IntRange(0, 5).Draw(t, "holds"))
		}
		list = append(list, a)
	}
	slices.SortStableFunc(list, func(a, b attempt) int { return cmp.Compare(a.begin, b.begin) })
	return list
}

func TestContendedAgainstItsDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		attempts := drawAttempts(t)
		want := 0
		for _, lease := range attempts {
			rival := slices.ContainsFunc(attempts, func(a attempt) bool {
				return a.client != lease.client && a.begin < lease.end && a.end > lease.begin
			})
			if lease.acquired && rival {
				want++
			}
		}
		if got := contended(attempts); got != want {
			t.Errorf("contended(%+v) = %d, want %d", attempts, got, want)
		}
	})
}

// The walk over waits drops attempts that are over; this twin asks at each instant. Instants are short, so
// that no client is away for long enough to have given up.
func TestWaitsAgainstTheirDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		attempts := drawAttempts(t)
		healed := time.Duration(rapid.IntRange(0, 10).Draw(t, "healed"))
		want := make(map[time.Duration]bool) // the instants at which the lock was waited for
		from := time.Duration(-1)            // when somebody began to wait
		var pending []time.Duration          // since the last one at which somebody asked
		for now := healed; now < 60; now++ {
			free, asked, given := stateAt(attempts, now)
			if given || !free {
				from, pending = -1, nil
			}
			switch {
			case !free:
			case asked:
				for _, p := range pending {
					want[p] = true
				}
				from, pending, want[now] = max(from, 0), nil, true
			case from >= 0:
				pending = append(pending, now)
			}
		}
		got := make(map[time.Duration]bool)
		for _, w := range waitsOf("job", attempts, healed, comeback) {
			for now := w.At; now < w.At+w.For; now++ {
				got[now] = true
			}
		}
		if len(got) != len(want) {
			t.Errorf("waits at %v, want %v, of %+v", names(got), names(want), attempts)
		}
	})
}

// stateAt tells of the time from one instant to the next whether the lock was free, and asked for, and
// whether somebody got it as it began.
func stateAt(attempts []attempt, now time.Duration) (free, asked, given bool) {
	free = true
	for _, a := range attempts {
		given = given || a.acquired && a.outcome == now
		asked = asked || a.begin <= now && now < a.outcome
		free = free && !(a.acquired && a.outcome <= now && now < a.end)
	}
	return free, asked, given
}
