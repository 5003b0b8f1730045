package chaos

import (
	"time"

	"github.com/quorumlock/quorumlock/chaos/internal/dice"
)

// ProcessFaults returns a schedule, drawn from the seed, of all that [Processes] can do to the scenario's
// fleet within what a lock has to survive:
//   - nodes are killed and come back with their memory, are paused, and are cut off from everybody, a
//     minority at a time;
//   - one client's ways to some nodes, perhaps all, are slow, held, reset or lose replies, at any time;
//   - one client at a time stands still for half a TTL to two.
//
// It reads the scenario's Nodes, For, Load.Clients and Load.TTL.
func ProcessFaults(seed uint64, s Scenario) Schedule {
	s = s.orDefault()
	var all Schedule
	for stream, fault := range []func(*faultDraws) Fault{
		(*faultDraws).ofNodes, (*faultDraws).ofLinks, (*faultDraws).ofLinks, (*faultDraws).ofClients,
	} {
		d := faultDraws{Dice: dice.New(seed, uint64(stream), scheduleDraws), scenario: s} //nolint:gosec // not negative
		for at := d.rest(); at < s.For; at += d.rest() {
			f := fault(&d)
			f.At = at
			all = append(all, f)
			at += f.For
		}
	}
	return all
}

// scheduleDraws tells the draws of schedules from all others of a run.
const scheduleDraws = 3

// faultDraws draws one fault after the other.
type faultDraws struct {
	dice.Dice
	scenario Scenario
}

// share is a part of the TTL, in hundredths.
func (d *faultDraws) share(least, most int) time.Duration {
	ttl := d.scenario.Load.TTL
	return d.Between(ttl*time.Duration(least)/100, ttl*time.Duration(most)/100)
}

// rest is the time between two faults of one stream.
func (d *faultDraws) rest() time.Duration { return d.share(25, 150) }

// some are least to most of the nodes.
func (d *faultDraws) some(least, most int) []int {
	return d.Some(least+d.Pick(max(most, least)-least+1), d.scenario.Nodes)
}

func (d *faultDraws) ofNodes() Fault {
	minority := (d.scenario.Nodes - 1) / 2
	choice := []FaultKind{Kill, Kill, Pause, Pause, Cut, Reset}
	f := Fault{Kind: choice[d.Pick(len(choice))], For: d.share(25, 150)}
	if minority == 0 {
		f.Kind = Reset // which a fleet without a minority survives
	}
	f.Nodes = d.some(1, minority)
	return f
}

func (d *faultDraws) ofLinks() Fault {
	choice := []FaultKind{Delay, SlowReply, Stall, CutAsks, CutReply, Cut, Reset, DropReply}
	f := Fault{
		Kind:    choice[d.Pick(len(choice))],
		For:     d.share(10, 100),
		Nodes:   d.some(1, d.scenario.Nodes),
		Clients: []int{d.Pick(d.scenario.Load.Clients)},
	}
	if f.Kind == Delay || f.Kind == SlowReply {
		f.By = d.share(1, 10)
	}
	return f
}

func (d *faultDraws) ofClients() Fault {
	return Fault{Kind: StopClient, For: d.share(50, 200), Clients: []int{d.Pick(d.scenario.Load.Clients)}}
}
