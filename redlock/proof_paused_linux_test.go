package redlock_test

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
)

// Processes add one to a number, each time under a lease, and one after the other is stopped (SIGSTOP) between
// its read and its write, for longer than its TTL. Only a guard on reads and writes loses no update.
func TestProvePausedHoldersLoseNoUpdate(t *testing.T) {
	again(t)
	lab := newLab(t, 5)
	var results []ledger
	for _, guard := range []string{unguarded, writesGuarded, bothGuarded} {
		results = append(results, pauseHolders(t, lab, guard))
	}
	t.Logf("%-28s %7s %12s %9s %9s %9s %9s", "the register is", "pauses", "shortest", "confirmed", "refused", "register", "lost")
	for _, r := range results {
		t.Logf("%-28s %7d %12v %9d %9d %9d %9d", r.guard, r.pauses, r.shortest.Round(time.Millisecond), r.wrote, r.refused, r.value, r.lost())
		if r.broken > 0 {
			t.Errorf("%s: nobody knows what became of %d writes", r.guard, r.broken)
		}
		if r.shortest <= holderTTL {
			t.Errorf("%s: a holder was stopped for %v only, want longer than its TTL of %v", r.guard, r.shortest, holderTTL)
		}
	}
	if results[0].lost() <= 0 {
		t.Error("no update was lost without a guard: nothing is shown")
	}
	if both := results[2]; both.lost() != 0 || both.refused < both.pauses {
		t.Errorf("with a guard on reads and writes %d updates were lost, and %d refused in %d pauses, want 0, and each of the stopped holders'",
			both.lost(), both.refused, both.pauses)
	}
	// A busy machine may lose a thinking holder its lease, so that a newer write comes before the old one.
	if writes := results[1]; proving() && writes.lost() == 0 {
		t.Error("no update was lost with a guard on writes only: that reads have to be guarded is not shown")
	}
}

// holderTTL is that of leases of which holders are stopped.
const holderTTL = 400 * time.Millisecond

// A ledger is what became of the updates of one crew.
type ledger struct {
	guard                  string
	pauses                 int
	shortest               time.Duration
	wrote, refused, broken int
	value                  int // of the register, in the end
}

// lost is how many confirmed updates are not in the register.
func (l *ledger) lost() int { return l.wrote - l.value }

func (l *ledger) add(r report) {
	switch r.What {
	case wrote:
		l.wrote++
	case refused:
		l.refused++
	case broken:
		l.broken++
	}
}

// pauseHolders lets a crew work on a register that is guarded like that, and stops its members one by one.
func pauseHolders(t *testing.T, lab *lab, guard string) ledger {
	t.Helper()
	data := quorumtest.RedisServer(t)
	var jobs []job
	for range 4 {
		j := job{Kind: "modify", Name: guard, TTL: holderTTL, Register: data.Addr(), Guard: guard}
		for _, server := range lab.servers {
			j.Nodes = append(j.Nodes, "redis://"+server.Addr())
		}
		jobs = append(jobs, j)
	}
	p := &pauser{crew: newCrew(t, jobs), ledger: ledger{guard: guard, shortest: time.Hour}, dice: rand.New(rand.NewPCG(6, 0))}
	for i := range scaled(2, 60) {
		p.pause(p.dice.IntN(len(jobs)), i%2 == 0)
	}
	p.crew.dismiss(p.ledger.add)
	r, err := openRegister(data.Addr(), unguarded)
	must(t, err)
	defer r.client.Close()
	p.ledger.value, err = r.read(t.Context(), 0)
	must(t, err)
	return p.ledger
}

// A pauser stops holders.
type pauser struct {
	crew   *crew
	ledger ledger
	dice   *rand.Rand
}

// await keeps the ledger until a report is one that is waited for.
func (p *pauser) await(wanted func(report) bool) report {
	p.crew.t.Helper()
	for start := time.Now(); ; {
		r := p.crew.next()
		p.ledger.add(r)
		if wanted(r) {
			return r
		}
		if time.Since(start) > patience {
			p.crew.t.Fatalf("%v passed without what was waited for; the last report is %+v", patience, r)
		}
	}
}

// pause stops a member that has read and not written, until another one has had the lock, and for longer than the
// TTL. If slowly, the next holder thinks, between its own read and write, while the stopped one wakes and writes:
// this is what a guard on writes only does not notice. Otherwise it wakes once another one has written.
func (p *pauser) pause(victim int, slowly bool) {
	c := p.crew
	c.t.Helper()
	c.tell(victim, halt)
	old := p.await(func(r report) bool { return r.Member == victim && r.What == halting })
	if slowly {
		p.others(victim, halt)
	}
	c.signal(victim, syscall.SIGSTOP)
	start := time.Now()
	next := wrote // so that a guard knows of it
	if slowly {
		next = halting
	}
	p.await(func(r report) bool { return r.What == next && r.Token > old.Token })
	least := holderTTL * 5 / 4
	<-time.After(least - time.Since(start) + time.Duration(p.dice.Int64N(int64(holderTTL/2))))
	stopped := time.Since(start)
	c.signal(victim, syscall.SIGCONT)
	c.tell(victim, goOn)
	p.await(func(r report) bool { return r.Member == victim && r.Token == old.Token })
	if slowly {
		p.others(victim, goOn)
	}
	p.ledger.pauses++
	p.ledger.shortest = min(p.ledger.shortest, stopped)
}

func (p *pauser) others(victim int, order string) {
	for id := range p.crew.members {
		if id != victim {
			p.crew.tell(id, order)
		}
	}
}
