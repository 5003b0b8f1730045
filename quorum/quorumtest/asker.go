package quorumtest

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/quorum"
)

const (
	// patience bounds every ask and every wait of the suite. Reaching it is a failure.
	patience = 10 * time.Second
	// long is a TTL that does not run out during a check; short ones are spelled out.
	long = 5 * time.Minute
	// nearlyLong is what must be left of long at the end of a check.
	nearlyLong = long - time.Minute
	// wholeMillisecond is what rounding up to whole milliseconds may add to a TTL.
	wholeMillisecond = time.Millisecond
)

// An asker asks a node under test, and knows a key and two values that nobody else uses.
type asker struct {
	*testing.T
	Fixture
	key, mine, theirs string
}

func newAsker(t *testing.T, f Fixture) *asker {
	return &asker{
		T: t, Fixture: f,
		key: "conformance:" + rand.Text(), mine: "mine:" + rand.Text(), theirs: "theirs:" + rand.Text(),
	}
}

// op is an operation of the asker on its key, for its value.
func (a *asker) op(kind quorum.Kind, ttl time.Duration) quorum.Op {
	return quorum.Op{Kind: kind, Key: a.key, Value: a.mine, TTL: ttl}
}

// rival is the same operation for the other value.
func (a *asker) rival(kind quorum.Kind, ttl time.Duration) quorum.Op {
	return quorum.Op{Kind: kind, Key: a.key, Value: a.theirs, TTL: ttl}
}

// ask asks in time, and demands what holds for all answers.
func (a *asker) ask(batch ...quorum.Op) []quorum.Answer {
	a.Helper()
	ctx, cancel := context.WithTimeout(a.Context(), patience)
	defer cancel()
	answers := a.Node.Ask(ctx, batch)
	if len(answers) != len(batch) {
		a.Fatalf("a batch of %d operations got %d answers", len(batch), len(answers))
	}
	for i, answer := range answers {
		a.wellFormed(batch[i], answer)
	}
	return answers
}

// wellFormed demands that the fields of an answer fit together.
func (a *asker) wellFormed(op quorum.Op, answer quorum.Answer) {
	a.Helper()
	if answer.Answered() != (answer.Err == nil) {
		a.Errorf("%v answered %v with error %v: only a failure has an error, and always", op.Kind, answer.Verdict, answer.Err)
	}
	if answer.Answered() != (answer.NodeTime > 0) {
		a.Errorf("%v answered %v with node time %v: only an answer has one, and always", op.Kind, answer.Verdict, answer.NodeTime)
	}
	if answer.Remaining < 0 || answer.Slack < 0 {
		a.Errorf("%v answered remaining %v, slack %v: a negative duration", op.Kind, answer.Remaining, answer.Slack)
	}
	if answer.Waiting && answer.Verdict != quorum.Mine {
		a.Errorf("%v answered %v and that others wait: only mine says so", op.Kind, answer.Verdict)
	}
	if answer.Token != 0 && (answer.Verdict != quorum.Mine || !numbered(op) || answer.Token >= quorum.MaxToken) {
		a.Errorf("%v with hint %d answered %v with token %d: only a grant that is to be numbered, and a raise, have one, below 2^53",
			op.Kind, op.Hint, answer.Verdict, answer.Token)
	}
	if answer.Verdict != quorum.Other && answer.Holder != "" {
		a.Errorf("%v answered %v with holder %q: only other has one", op.Kind, answer.Verdict, answer.Holder)
	}
}

// numbered reports whether the operation's success is a number.
func numbered(op quorum.Op) bool {
	return op.Kind == quorum.Raise || op.Hint > 0 && (op.Kind == quorum.Acquire || op.Kind == quorum.HandOver)
}

// want asks for one operation and ends the check if the verdict is another one.
func (a *asker) want(verdict quorum.Verdict, op quorum.Op) quorum.Answer {
	a.Helper()
	answer := a.ask(op)[0]
	if answer.Verdict != verdict {
		a.Fatalf("%v of %q for %q (ttl %v) = %v (holder %q, error %v), want %v",
			op.Kind, op.Key, op.Value, op.TTL, answer.Verdict, answer.Holder, answer.Err, verdict)
	}
	return answer
}

// wantOther asks for one operation that meets the value holder.
func (a *asker) wantOther(holder string, op quorum.Op) quorum.Answer {
	a.Helper()
	answer := a.want(quorum.Other, op)
	if answer.Holder != holder {
		a.Fatalf("%v of %q found holder %q, want %q", op.Kind, op.Key, answer.Holder, holder)
	}
	return answer
}

// wantLeft demands that the node said it keeps the key for something from least to most. An answer
// may be a whole millisecond above what was asked for, since nodes round up.
func (a *asker) wantLeft(answer quorum.Answer, least, most time.Duration) {
	a.Helper()
	if answer.Remaining < least || answer.Remaining > most+wholeMillisecond {
		a.Fatalf("remaining = %v, want %v to %v", answer.Remaining, least, most)
	}
}

// untilFree asks again and again until nothing is under the key.
func (a *asker) untilFree(op quorum.Op) {
	a.Helper()
	giveUpAt := a.Clock.Now().Add(patience)
	pause := a.Clock.NewTimer(0)
	defer pause.Stop()
	for a.ask(op)[0].Verdict != quorum.Free {
		if !a.Clock.Now().Before(giveUpAt) {
			a.Fatalf("%v still finds something after %v", op.Kind, patience)
		}
		pause.Reset(time.Millisecond)
		<-pause.C()
	}
}
