package chaos

import (
	"slices"
	"time"
)

// crippling are the faults of a single node that a waiting client may notice.
var crippling = []FaultKind{Kill, Pause, Delay, SlowReply, Cut, CutReply}

// waitingScenario draws one in which every call waits for its lock. Each node in turn is down, hung, slow or cut
// off, and so is the one whose word counts most; announcements are lost, all of them in every second scenario;
// subscribers are cut off, and those who wait give up or stand still. A majority is healthy all the time, so
// that no lock may stay free for longer than a poll.
func waitingScenario(seed uint64) Scenario {
	d := newDraft("waiting", "a free lock is taken, whoever is not there", seed, 5)
	d.Load.Clients = 4
	d.Load.TTL = []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}[d.Pick(3)]
	d.inTurn()
	d.deafen()
	for range 2 + d.Pick(4) {
		d.Schedule = append(d.Schedule, Fault{
			Kind: CutSubscriber, Nodes: d.Some(1+d.Pick(d.Nodes), d.Nodes), At: d.UpTo(d.For * 9 / 10),
			Clients: []int{d.Pick(d.Load.Clients)},
		})
	}
	if d.Share(0.3) {
		d.Schedule = append(d.Schedule, Fault{
			Kind: StopClient, Clients: []int{d.Pick(d.Load.Clients)}, At: d.UpTo(d.For / 2), For: d.Between(d.Load.TTL/2, 3*d.Load.TTL/2),
		})
	}
	s := d.finish(Manner{
		Rest: 20 * time.Millisecond, Hold: 60 * time.Millisecond, Wait: 1, Hurry: 0.2, Renew: 0.02, Abandon: 0.02, Calls: 1 + d.Pick(2),
	}, 0)
	s.Holds = append(slices.Clip(s.Holds), Waking(wakingBound(s.Load.TTL), s.Load.TTL))
	return s
}

// wakingBound is how long a lock may stay free while somebody waits for it and hears nothing: a poll, and for
// scheduling and splits a little; two deadlines of a node that is asked before the others and says nothing; and
// what drift takes off the lease of a holder that died. The formulas stand here once more, so that a mistake
// in the lock's does not bend the test of it.
func wakingBound(ttl time.Duration) time.Duration {
	poll := min(ttl/2, time.Second)
	deadline := max(ttl/20, 50*time.Millisecond)
	return poll + 50*time.Millisecond + 2*deadline + ttl/50 + 2*time.Millisecond
}

// inTurn makes each node the victim of a fault for a while, one after the other.
func (d *draft) inTurn() {
	share := d.For / time.Duration(d.Nodes)
	for i, node := range d.Some(d.Nodes, d.Nodes) {
		f := Fault{
			Kind: crippling[d.Pick(len(crippling))], Nodes: []int{node},
			At: time.Duration(i)*share + d.UpTo(share/10), For: d.Between(share/2, share*4/5),
		}
		if f.Kind == Delay || f.Kind == SlowReply {
			f.By = d.Between(time.Millisecond, 60*time.Millisecond)
		}
		d.Schedule = append(d.Schedule, f)
	}
}

// deafen loses announcements: all of them, or some for a while.
func (d *draft) deafen() {
	f := Fault{Kind: LoseAnnouncements, Amount: 1, At: 0, For: d.For}
	if d.Share(0.5) {
		f.Amount, f.At, f.For = 0.3, d.UpTo(d.For/2), d.For/4
	}
	for node := range d.Nodes {
		f.Nodes = append(f.Nodes, node)
	}
	d.Schedule = append(d.Schedule, f)
}
