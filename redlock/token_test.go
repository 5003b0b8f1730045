package redlock_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/memnode"
	"github.com/quorumlock/quorumlock/redlock"
	"github.com/quorumlock/quorumlock/redlock/fence"
)

// An order wants tokens to grow.
type order struct {
	t    *testing.T
	mu   sync.Mutex
	last uint64
	n    int
}

func (o *order) add(token uint64) {
	o.t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if token <= o.last || token >= 1<<53 {
		o.t.Errorf("lease %d has token %d after %d", o.n+1, token, o.last)
	}
	o.last = max(o.last, token)
	o.n++
}

// Whatever happens to the nodes, a later lease has the greater token: after releases and expiries, on any
// majority, and from one caller of a Locker to the next.
func TestTokensGrow(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		const lockers, callers, rounds = 4, 3, 10
		o := &order{t: t}
		var all sync.WaitGroup
		handed := uint64(0)
		var made []*redlock.Locker
		for range lockers {
			l := f.locker(redlock.WithTTL(time.Second), redlock.WithoutRenewal())
			made = append(made, l)
			for caller := range callers {
				all.Go(func() {
					for round := range rounds {
						lease, err := l.Acquire(t.Context(), "job")
						if err != nil {
							t.Error(err)
							return
						}
						o.add(lease.Token())
						sleep(5 * time.Millisecond)
						if (round+caller)%7 == 3 {
							<-lease.Context().Done() // it runs out
						}
						_ = lease.Release(t.Context()) // nodes may not answer
					}
				})
			}
		}
		stop := make(chan struct{})
		var faults sync.WaitGroup
		faults.Go(func() { f.trouble(stop) })
		all.Wait()
		close(stop)
		faults.Wait()
		for _, l := range made {
			handed += l.Stats().HandedOver
		}
		if o.n != lockers*callers*rounds || handed == 0 {
			t.Errorf("%d leases, %d handed over", o.n, handed)
		}
	})
}

// trouble makes two nodes after the other hang, unreachable, or lose answers, until stop is closed.
func (f *fleet) trouble(stop <-chan struct{}) {
	kinds := []struct{ begin, end func(*memnode.Node) }{
		{(*memnode.Node).Cut, (*memnode.Node).Restore},
		{(*memnode.Node).Pause, (*memnode.Node).Resume},
		{func(n *memnode.Node) { n.DropReplies(2) }, func(n *memnode.Node) { n.DropReplies(0) }},
		{func(n *memnode.Node) { n.Delay(3*time.Millisecond, 9*time.Millisecond) }, func(n *memnode.Node) { n.Delay(0, 0) }},
	}
	for i := 0; ; i++ {
		kind, a, b := kinds[i%len(kinds)], f.nodes[i%5], f.nodes[(i+2)%5]
		kind.begin(a)
		kind.begin(b)
		timer := time.NewTimer(150 * time.Millisecond)
		select {
		case <-timer.C:
		case <-stop:
			timer.Stop()
		}
		kind.end(a)
		kind.end(b)
		select {
		case <-stop:
			return
		default:
		}
	}
}

func TestWithoutToken(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		l := f.locker()
		lease := mustTry(t, l, "job", redlock.WithoutToken())
		if lease.Token() != 0 {
			t.Errorf("token %d, want none", lease.Token())
		}
		ask := quorum.Op{Kind: quorum.Acquire, Key: "job", Value: "x", TTL: time.Second, Hint: 1, MaxTTL: time.Hour}
		mustRelease(t, lease)
		sleep(time.Second) // for the nodes that the release did not wait for
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if got := f.nodes[0].Ask(ctx, []quorum.Op{ask})[0].Token; got != 1 {
			t.Errorf("the next number is %d, want the first: nothing was counted", got)
		}
	})
}

// A walled clock has a time of day of its own.
type walled struct {
	clock.Clock
	wall time.Time
}

func (w walled) Wall() time.Time { return w.wall }

// A client whose time of day is centuries off harms nobody: nodes take no hint that is more than a second ahead of
// their own time, and the others' tokens go on growing.
func TestATimeOfDayThatIsFarOff(t *testing.T) {
	for name, year := range map[string]int{"the year 2300": 2300, "the year 1970": 1970, "before all time": 1601} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fleet) {
				mad := walled{f.clock, time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)}
				wrong, right := f.locker(redlock.WithClock(mad)), f.locker()
				o := &order{t: t}
				for range 20 {
					for _, l := range []*redlock.Locker{wrong, right, right, wrong} {
						f.nodes[1].StepClock(time.Millisecond) // so that the nodes' times differ
						lease := mustTry(t, l, "job")
						o.add(lease.Token())
						ahead := time.Duration(lease.Token())*time.Microsecond - f.nodes[1].Time()
						if ahead > time.Second+time.Millisecond {
							t.Fatalf("token %d is %v ahead of the nodes' time", lease.Token(), ahead)
						}
						mustRelease(t, lease)
						sleep(20 * time.Millisecond)
					}
				}
				t.Logf("levelled: %d of %d leases of the client that is off, %d of %d of the other",
					wrong.Stats().Levelled, wrong.Stats().Acquired, right.Stats().Levelled, right.Stats().Acquired)
				sleep(2 * time.Second)
				before := right.Stats().Levelled
				mustRelease(t, mustTry(t, right, "job"))
				if right.Stats().Levelled != before {
					t.Error("two seconds later a token still takes another round trip")
				}
			})
		})
	}
}

// A Locker whose time of day is behind asks for more than the greatest token it has seen, so that nodes agree.
func TestHintsFollowWhatWasSeen(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		old := f.locker(redlock.WithClock(walled{f.clock, time.Unix(1, 0)}))
		first := mustTry(t, old, "a")
		mustRelease(t, first)
		if second := mustTry(t, old, "b"); second.Token() != first.Token()+1 {
			t.Errorf("token %d of another name after %d: the hint was not taken from what was seen", second.Token(), first.Token())
		}
	})
}

func TestTokensAreTold(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		var told []redlock.AcquiredEvent
		l := f.locker(redlock.WithHooks(redlock.Hooks{Acquired: func(e redlock.AcquiredEvent) { told = append(told, e) }}))
		lease := mustTry(t, l, "job")
		if len(told) != 1 || told[0].Token != lease.Token() || told[0].Levelled || l.Stats().Levelled != 0 {
			t.Errorf("told %+v of token %d, %d levelled", told, lease.Token(), l.Stats().Levelled)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		ahead := quorum.Op{
			Kind: quorum.Acquire, Key: "other", Value: "x", TTL: time.Second, Hint: quorum.MaxToken - 1, MaxTTL: time.Hour,
		}
		// The first node is a second ahead, and one of the majority.
		f.nodes[0].Ask(ctx, []quorum.Op{ahead, {Kind: quorum.Release, Key: "other", Value: "x"}})
		f.nodes[3].Cut()
		f.nodes[4].Cut()
		other := mustTry(t, l, "other")
		if s := l.Stats(); s.Levelled != 1 || len(told) != 2 || !told[1].Levelled || told[1].Token != other.Token() {
			t.Errorf("told %+v, %d levelled, want the second one", told, s.Levelled)
		}
	})
}

// A ticket carries the token; one of a lease without a token is numbered when it is taken over.
func TestATicketCarriesTheToken(t *testing.T) {
	for name, opts := range map[string][]redlock.AcquireOption{
		"with a token": nil, "without one": {redlock.WithoutToken()},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fleet) {
				first, second := f.locker(), f.locker()
				lease := mustTry(t, first, "job", opts...)
				resumed, err := second.Resume(t.Context(), lease.Ticket())
				if err != nil {
					t.Fatal(err)
				}
				if resumed.Token() == 0 || lease.Token() != 0 && resumed.Token() != lease.Token() {
					t.Errorf("token %d, of the lease before %d", resumed.Token(), lease.Token())
				}
				mustRelease(t, resumed)
				if next := mustTry(t, second, "job"); next.Token() <= resumed.Token() {
					t.Errorf("token %d after %d of a resumed lease", next.Token(), resumed.Token())
				}
			})
		})
	}
}

// Somebody had a number, then somebody had none: who takes the latter's lease over does not get the former's.
func TestAResumedLeaseHasNoOldToken(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fleet) {
		first, second := f.locker(), f.locker()
		paused := mustTry(t, first, "job")
		mustRelease(t, paused)
		bare := mustTry(t, first, "job", redlock.WithoutToken())
		resumed, err := second.Resume(t.Context(), bare.Ticket())
		if err != nil || resumed.Token() <= paused.Token() {
			t.Fatalf("token %d, error %v; want one greater than %d", resumed.Token(), err, paused.Token())
		}
		mustRelease(t, resumed)
		if next := mustTry(t, first, "job"); next.Token() <= resumed.Token() {
			t.Errorf("token %d after %d of a resumed lease", next.Token(), resumed.Token())
		}
	})
}

func ExampleLease_Token() {
	locker := inMemory()
	defer locker.Close()
	ctx := context.Background()
	guard := fence.NewMemory()

	tokenOf := func() uint64 {
		lease, err := locker.TryAcquire(ctx, "account 42")
		if err != nil {
			panic(err) // nobody else has it here
		}
		defer lease.Release(ctx)
		return lease.Token()
	}
	a, b := tokenOf(), tokenOf() // A stands still for longer than its lease, and B takes the lock over
	write := func(context.Context) error { return nil }
	fmt.Println("B may write:", guard.Write(ctx, "account 42", b, write) == nil)
	fmt.Println("A may write:", guard.Write(ctx, "account 42", a, write) == nil)
	// Output:
	// B may write: true
	// A may write: false
}
