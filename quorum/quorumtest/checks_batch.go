package quorumtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/quorumlock/quorumlock/quorum"
)

var batchChecks = checks{
	"no questions, no answers": func(a *asker) {
		a.ask()
	},
	"answers come in the order of the questions, which are carried out in turn": func(a *asker) {
		got := verdicts(a.ask(
			a.op(quorum.Inspect, 0), a.op(quorum.Acquire, long), a.rival(quorum.Acquire, long),
			a.op(quorum.Extend, long), a.op(quorum.Release, 0), a.rival(quorum.Extend, long),
			a.rival(quorum.Acquire, long), a.op(quorum.Inspect, 0)))
		want := []quorum.Verdict{
			quorum.Free, quorum.Mine, quorum.Other,
			quorum.Mine, quorum.Mine, quorum.Free, quorum.Mine, quorum.Other,
		}
		if !slices.Equal(got, want) {
			a.Errorf("verdicts = %v, want %v", got, want)
		}
	},
	"two hundred operations in one go": twoHundred,
	"a bad operation does not take the others down": func(a *asker) {
		for name, bad := range a.badOps() {
			_ = a.wantBadAlone(name, bad)
		}
		a.want(quorum.Free, a.op(quorum.Inspect, 0))
	},
	"a key that is no lock does not take the others down": func(a *asker) {
		if a.Spoil == nil {
			a.Skip("this node holds nothing but locks")
		}
		a.Spoil(a.key)
		for _, kind := range []quorum.Kind{quorum.Acquire, quorum.Extend, quorum.Heal, quorum.Release, quorum.Inspect, quorum.HandOver, quorum.Raise} {
			op := a.raise(1, a.op(kind, long))
			op.Next = a.theirs
			a.wantPermanent(a.wantBadAlone(kind.String(), op))
		}
	},
}

// badOps are operations that no node can carry out.
func (a *asker) badOps() map[string]quorum.Op {
	worthless := a.op(quorum.Acquire, long)
	worthless.Value = ""
	return map[string]quorum.Op{
		"of unknown kind":                a.op(quorum.Kind(99), long),
		"of no kind":                     a.op(0, long),
		"acquire without value":          worthless,
		"acquire without TTL":            a.op(quorum.Acquire, 0),
		"acquire for a negative time":    a.op(quorum.Acquire, -time.Second),
		"acquire for half a millisecond": a.op(quorum.Acquire, time.Millisecond/2),
		"extend without TTL":             a.op(quorum.Extend, 0),
		"heal without TTL":               a.op(quorum.Heal, 0),
		"release for a negative time":    a.op(quorum.Release, -time.Second),
	}
}

// wantBadAlone asks a bad operation between two good ones, and returns its failure.
func (a *asker) wantBadAlone(name string, bad quorum.Op) error {
	a.Helper()
	before, after := a.twin(name+" before", quorum.Acquire, long), a.twin(name+" after", quorum.Acquire, long)
	answers := a.ask(before, bad, after)
	want := []quorum.Verdict{quorum.Mine, quorum.Failed, quorum.Mine}
	if got := verdicts(answers); !slices.Equal(got, want) {
		a.Errorf("operation %s between two good ones: verdicts = %v, want %v", name, got, want)
	}
	return answers[1].Err
}

// wantPermanent demands an error that says that asking again is useless, and on which node.
func (a *asker) wantPermanent(err error) {
	a.Helper()
	var node *quorum.NodeError
	if !errors.As(err, &node) || !node.Permanent || node.Node != a.Node.Name() {
		a.Errorf("error = %#v, want a permanent one of node %s", err, a.Node.Name())
	}
}

// twoHundred takes a hundred keys and releases every other one, in the same batch.
func twoHundred(a *asker) {
	var batch []quorum.Op
	for i := range 100 {
		batch = append(batch, a.twin(fmt.Sprint(i), quorum.Acquire, long))
	}
	for i := range 100 {
		op := a.twin(fmt.Sprint(i), quorum.Release, 0)
		if i%2 == 1 {
			op.Value = a.theirs
		}
		batch = append(batch, op)
	}
	for i, got := range verdicts(a.ask(batch...)) {
		want := quorum.Mine
		if i >= 100 && i%2 == 1 {
			want = quorum.Other
		}
		if got != want {
			a.Fatalf("operation %d of 200 = %v, want %v", i, got, want)
		}
	}
}

func verdicts(answers []quorum.Answer) []quorum.Verdict {
	list := make([]quorum.Verdict, len(answers))
	for i, answer := range answers {
		list[i] = answer.Verdict
	}
	return list
}

// oneOfMany lets a hundred values race for one key.
func oneOfMany(a *asker) {
	ctx, cancel := context.WithTimeout(a.Context(), patience)
	defer cancel()
	answers := make([]quorum.Answer, 100)
	var race sync.WaitGroup
	for i := range answers {
		op := a.op(quorum.Acquire, long)
		op.Value += fmt.Sprint(" ", i)
		race.Go(func() { answers[i] = a.Node.Ask(ctx, []quorum.Op{op})[0] })
	}
	race.Wait()
	winner := a.wantOther(a.soleWinner(answers), quorum.Op{Kind: quorum.Inspect, Key: a.key}).Holder
	for i, answer := range answers {
		if answer.Verdict == quorum.Other && answer.Holder != winner {
			a.Errorf("value %d was told that %q holds the key, which %q won", i, answer.Holder, winner)
		}
	}
}

// soleWinner returns the value of the only answer that is a grant.
func (a *asker) soleWinner(answers []quorum.Answer) string {
	winners := []string{}
	for i, answer := range answers {
		switch answer.Verdict {
		case quorum.Mine:
			winners = append(winners, a.mine+fmt.Sprint(" ", i))
		case quorum.Other:
		default:
			a.Errorf("value %d: %v (%v), want mine or other", i, answer.Verdict, answer.Err)
		}
	}
	if len(winners) != 1 {
		a.Fatalf("winners = %q, want exactly one", winners)
	}
	return winners[0]
}
