package chaos

import (
	"slices"
	"time"

	"github.com/quorumlock/quorumlock/chaos/internal/dice"
	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/redlock"
)

// A Profile is a way of drawing scenarios that a lock has to survive: every one stays within what Redlock
// assumes. Nodes that forget stay down until everything they had promised is over, and clocks part no faster
// and step no further than the lock was told.
type Profile struct {
	_ struct{}

	// Name is short; About says what it looks for.
	Name, About string
	// Network is what its scenarios are meant for.
	Network Network
	// Scenario draws one. The same seed draws the same.
	Scenario func(seed uint64) Scenario
}

// Profiles returns the ways in which simulations are drawn. Each finds mistakes that the others do not:
// see README.md.
func Profiles() []Profile {
	return []Profile{
		{
			Name: "random", About: "faults of all kinds at any time",
			Network:  Network{Least: 50 * time.Microsecond, Most: time.Millisecond, TailShare: 0.02, Tail: 150 * time.Millisecond},
			Scenario: randomScenario,
		},
		{
			Name: "edge", About: "node clocks as fast as they may be, slow replies, leases used to the end, eager rivals",
			Network:  Network{Least: 10 * time.Microsecond, Most: 100 * time.Microsecond},
			Scenario: edgeScenario,
		},
		{
			Name: "reactive", About: "a fault at the moment at which somebody acquires, extends or releases",
			Network:  Network{Least: 50 * time.Microsecond, Most: 500 * time.Microsecond},
			Scenario: reactiveScenario,
		},
		{
			Name: "litter", About: "attempts that are given up half-way, and keys that would block others for long",
			Network:  Network{Least: 50 * time.Microsecond, Most: 2 * time.Millisecond, TailShare: 0.05, Tail: 100 * time.Millisecond},
			Scenario: litterScenario,
		},
		{
			Name: "waiting", About: "calls that wait while each node in turn, the announcements and some of those that wait are lost",
			Network:  Network{Least: 50 * time.Microsecond, Most: 500 * time.Microsecond},
			Scenario: waitingScenario,
		},
	}
}

// Without returns the scenario without faults of the kinds, for a cluster that cannot make them.
func (s Scenario) Without(kinds ...FaultKind) Scenario {
	s.Schedule = slices.DeleteFunc(slices.Clone(s.Schedule), func(f Fault) bool { return slices.Contains(kinds, f.Kind) })
	return s
}

const (
	// drawnFor is how long drawn scenarios make faults. Their calm comes on top.
	drawnFor = 10 * time.Second
	// drawnStep is the largest step of a node's clock that drawn scenarios make, and tell the lock of.
	drawnStep = 100 * time.Millisecond
	// drawnLate is how late a client may learn of something, besides what its clock is off over a TTL.
	drawnLate = 5 * time.Millisecond
	// recovery is the share of a TTL within which a free lock has to be taken once all faults are over.
	// More than one, since a request that was under way when its client gave up can leave a key on a node
	// that nobody knows of, for as long as a TTL.
	recovery = 1.25
)

// scenarioDraws tells the draws of scenarios from all others of a run.
const scenarioDraws = 2

// A draft is a scenario that is being drawn.
type draft struct {
	dice.Dice
	Scenario
}

func newDraft(name, about string, seed, profile uint64) *draft {
	d := &draft{Dice: dice.New(seed, profile, scenarioDraws)}
	d.Name, d.About = name, about
	d.Nodes = []int{3, 5, 5}[d.Pick(3)]
	d.For = drawnFor
	d.Load.Clients = 3 + d.Pick(3)
	d.Load.Locks = []string{"invoice:42", "report"}[:1+d.Pick(2)]
	d.Load.TTL = []time.Duration{300 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second}[d.Pick(4)]
	return d
}

// finish settles what depends on the rest.
func (d *draft) finish(manner Manner, step time.Duration) Scenario {
	d.Load.Work = Contend(manner)
	d.Load.Open = Redlock(redlock.WithDrift(clock.DefaultRate, step))
	d.Holds = Default(Bounds{
		Nodes:    d.Nodes,
		Lifetime: d.Load.TTL + step,
		Idle:     time.Duration(recovery * float64(d.Load.TTL)),
		TTL:      d.Load.TTL,
		Margin:   d.Load.TTL/50 + 2*time.Millisecond + step,
		Late:     drawnLate + d.Load.TTL/100,
	})
	if d.Load.TTL >= time.Second { // a third of less is not much for a network with a tail
		d.Holds = append(d.Holds, Kept)
	}
	d.Least = Coverage{Acquired: 5, Contended: 1}
	return d.Scenario
}

// usual are the faults that need no special care, and KillWiped.
var usual = []FaultKind{
	Kill, KillWiped, Pause, Delay, SlowReply, Stall, CutAsks, CutReply, Cut, Reset, DropReply, Duplicate,
	StopClient, SuspendClient, LoseAnnouncements, CutSubscriber,
}

func randomScenario(seed uint64) Scenario {
	d := newDraft("random", "faults of all kinds at any time", seed, 1)
	for range 8 + d.Pick(8) {
		d.Schedule = append(d.Schedule, d.anyFault())
	}
	d.wander()
	d.steps()
	return d.finish(Manner{Wait: 0.3, Hurry: 0.15, Renew: 0.1, Whole: 0.1, Extend: 0.1, Abandon: 0.05, Calls: 1 + d.Pick(2)}, drawnStep)
}

// anyFault draws a fault of the usual kinds.
func (d *draft) anyFault() Fault {
	f := d.fault(usual, 3*d.Load.TTL/2)
	if f.Kind == KillWiped {
		d.outlast(&f)
	}
	return f
}

// fault draws a fault of one of the kinds, that lasts up to longest.
func (d *draft) fault(of []FaultKind, longest time.Duration) Fault {
	f := Fault{
		Kind: of[d.Pick(len(of))],
		At:   d.UpTo(d.For * 9 / 10),
		For:  d.Between(20*time.Millisecond, longest),
	}
	d.aim(&f)
	return f
}

// aim draws the victims of a fault, and how much it does to them.
func (d *draft) aim(f *Fault) {
	switch kinds[f.Kind] {
	case nodes:
		f.Nodes = d.someNodes()
	case links:
		f.Nodes = d.someNodes()
		if d.Share(0.7) {
			f.Clients = []int{d.Pick(d.Load.Clients)}
		}
	case clients:
		f.Clients = []int{d.Pick(d.Load.Clients)}
	}
	switch f.Kind {
	case LoseAnnouncements:
		f.Amount = []float64{0.3, 1}[d.Pick(2)]
	case Delay, SlowReply:
		f.By = d.Between(time.Millisecond, 60*time.Millisecond)
	case Duplicate:
		f.By = d.Between(time.Millisecond, d.Load.TTL/2)
	}
}

// outlast makes a node that forgets stay down until all that it had promised is over.
func (d *draft) outlast(f *Fault) {
	f.For = d.Load.TTL + d.UpTo(d.Load.TTL/2)
	f.At = d.UpTo(d.For - f.For)
}

// someNodes draws a minority, or, now and then, any number.
func (d *draft) someNodes() []int {
	most := (d.Nodes - 1) / 2
	if d.Share(0.25) {
		most = d.Nodes
	}
	return d.Some(1+d.Pick(most), d.Nodes)
}

// wander gives each clock a rate of its own. Any two of them differ by less than the lock was told.
func (d *draft) wander() {
	rate := func() float64 { return 1 + (d.Float()*2-1)*0.0049 }
	for node := range d.Nodes {
		d.Schedule = append(d.Schedule, Fault{Kind: ClockRate, Nodes: []int{node}, Amount: rate()})
	}
	for client := range d.Load.Clients {
		d.Schedule = append(d.Schedule, Fault{Kind: ClientRate, Clients: []int{client}, Amount: rate()})
	}
}

// steps makes nodes' clocks step, each at most once in two TTLs, so that no lease sees two steps.
func (d *draft) steps() {
	for node := range d.Nodes {
		for at := d.UpTo(2 * d.Load.TTL); at < d.For; at += d.Between(2*d.Load.TTL, 6*d.Load.TTL) {
			d.Schedule = append(d.Schedule, Fault{
				Kind: ClockStep, Nodes: []int{node}, At: at, By: d.Between(-drawnStep, drawnStep),
			})
		}
	}
}

func edgeScenario(seed uint64) Scenario {
	d := newDraft("edge", "every clock, reply and holder at the bound of what is allowed", seed, 2)
	d.Load.Clients = 3
	d.Load.Locks = d.Load.Locks[:1]
	for node := range d.Nodes {
		// The fastest at which a node keeps a key for as long as the lock believes, to the last digit.
		// The formula stands here once more, so that a mistake in the lock's does not bend the test of it.
		believed := float64(d.Load.TTL)*(1-clock.DefaultRate) - float64(clock.Granularity)
		d.Schedule = append(d.Schedule, Fault{
			Kind: ClockRate, Nodes: []int{node}, Amount: float64(d.Load.TTL) / believed,
		})
	}
	for client := range d.Load.Clients {
		slow := d.Nodes // the first client hears late of all it asks for, its rivals soon enough of most
		if client > 0 {
			slow = d.Pick((d.Nodes + 1) / 2)
		}
		for _, node := range d.Some(slow, d.Nodes) {
			d.Schedule = append(d.Schedule, Fault{
				Kind: SlowReply, Clients: []int{client}, Nodes: []int{node}, By: d.Between(time.Millisecond, 20*time.Millisecond),
			})
		}
	}
	for range d.Pick(5) {
		d.Schedule = append(d.Schedule, d.anyFault())
	}
	return d.finish(Manner{
		Rest: 4 * time.Millisecond, Hold: d.Load.TTL / 20,
		Renew: 0.03, Whole: 0.4, Extend: 0.2, Abandon: 0.5, Hurry: 0.05, Wait: 0.05,
	}, 0)
}

func reactiveScenario(seed uint64) Scenario {
	d := newDraft("reactive", "a fault at the moment at which something is done", seed, 3)
	causes := []Kind{AcquireInvoked, Acquired, Acquired, Acquired, ExtendInvoked, Extended, ReleaseInvoked}
	for range 12 + d.Pick(8) {
		f := d.anyFault()
		if f.Kind != KillWiped { // which has to last, and so cannot begin at any time
			f.On = causes[d.Pick(len(causes))]
		}
		if kinds[f.Kind] != nodes && d.Share(0.8) {
			f.Clients = nil // who has caused it
			f.For = d.Between(5*time.Millisecond, f.For)
		}
		d.Schedule = append(d.Schedule, f)
	}
	return d.finish(Manner{
		Rest: 30 * time.Millisecond, Wait: 0.2, Hurry: 0.05, Renew: 0.1, Whole: 0.15, Extend: 0.15, Abandon: 0.05,
	}, 0)
}

// tidy are the usual faults without those after which keys may rightly be left.
var tidy = slices.DeleteFunc(slices.Clone(usual), func(kind FaultKind) bool { return kind == KillWiped || kind == Duplicate })

// litterScenario draws one in which TTLs are long, so that what an attempt or a lease leaves behind shows: in the
// end, when nodes have been healthy for much less than a TTL, and as a lock that nobody gets. Nodes do not
// forget, and requests are not repeated by the network, which the lock does not clean up after.
func litterScenario(seed uint64) Scenario {
	d := newDraft("litter", "nothing is left behind, long before its TTL", seed, 4)
	d.Load.TTL = 10 * time.Second
	d.Calm = 3 * time.Second
	for range 10 + d.Pick(10) {
		f := d.fault(tidy, time.Second)
		if d.Share(0.3) {
			f.On = []Kind{AcquireInvoked, ReleaseInvoked}[d.Pick(2)]
		}
		d.Schedule = append(d.Schedule, f)
	}
	s := d.finish(Manner{Rest: 50 * time.Millisecond, Hold: 50 * time.Millisecond, Wait: 0.3, Hurry: 0.4, Calls: 1 + d.Pick(2)}, 0)
	s.Holds = Default(Bounds{
		Nodes: s.Nodes, Lifetime: s.Load.TTL, Idle: 2 * time.Second,
		TTL: s.Load.TTL, Margin: s.Load.TTL/50 + 2*time.Millisecond, Late: drawnLate,
	})
	return s
}
