package memnode_test

import (
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
)

// limited is op with a limit d from now.
func (b *bench) limited(kind quorum.Kind, d time.Duration) quorum.Op {
	o := op(kind)
	o.NotAfter = b.clk.Now().Add(d)
	return o
}

func TestLateRequestsObeyTheirLimit(t *testing.T) {
	kinds := []quorum.Kind{quorum.Acquire, quorum.Heal}
	tests := map[string]struct {
		hold, notAfter time.Duration
		want           []string
	}{
		"just in time": {3 * time.Second, 3 * time.Second, []string{"k=mine"}},
		"just late":    {3 * time.Second, 3*time.Second - 1, nil},
		"very late":    {time.Hour, time.Second, nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			in(t, func(b *bench) {
				for _, kind := range kinds {
					b.Delay(tc.hold, 0)
					b.wantLost(b.limited(kind, tc.notAfter))
					b.wait(tc.hold - giveUp)
					b.wantValues(tc.want...)
					b.Wipe()
				}
			})
		})
	}
}

func TestResumedRequestsObeyTheirLimit(t *testing.T) {
	in(t, func(b *bench) {
		b.Pause()
		b.wantLost(b.limited(quorum.Acquire, giveUp))
		b.wait(1)
		b.Resume()
		b.wantValues()
	})
}

func TestSlackIsTheLatestRoundTripAndTheDriftSince(t *testing.T) {
	in(t, func(b *bench) {
		const (
			roundTrip = 300 * time.Millisecond
			drift     = time.Second/99 + 1 // of a second ahead, at one percent, rounded up
		)
		b.wantSlack(drift, b.want(quorum.Mine, b.limited(quorum.Acquire, time.Second)))
		b.Delay(100*time.Millisecond, 200*time.Millisecond)
		b.want(quorum.Mine, op(quorum.Acquire))
		b.wantSlack(roundTrip+drift, b.want(quorum.Mine, b.limited(quorum.Heal, 700*time.Millisecond)))
		b.wantSlack(0, b.want(quorum.Mine, b.limited(quorum.Extend, time.Second)))
		b.wantSlack(0, b.want(quorum.Mine, op(quorum.Acquire)))
		b.Cut()
		b.wantSlack(roundTrip+drift, b.want(quorum.Failed, b.limited(quorum.Acquire, 700*time.Millisecond)))
		b.Restore()
		b.Delay(0, 0)
		b.wait(time.Hour) // a sample so old is not used
		b.wantSlack(drift, b.want(quorum.Mine, b.limited(quorum.Acquire, time.Second)))
		b.wantSlack(time.Minute/99+1, b.want(quorum.Mine, b.limited(quorum.Acquire, time.Hour)))
	})
}

func (b *bench) wantSlack(want time.Duration, answer quorum.Answer) {
	b.Helper()
	if answer.Slack != want {
		b.Errorf("slack = %v, want %v", answer.Slack, want)
	}
}

// What the asker knows of the node's clock is only as good as a round trip: by so much, and no more,
// a limit may be missed.
func TestALimitIsMissedByNoMoreThanTheSlack(t *testing.T) {
	for name, tc := range map[string]struct {
		beyond time.Duration
		want   []string
	}{
		"within the slack": {100 * time.Millisecond, []string{"k=mine"}},
		"beyond it":        {100*time.Millisecond + 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(b *bench) {
				b.Delay(100*time.Millisecond, 0) // the node was asked 100ms after the send
				b.want(quorum.Free, op(quorum.Inspect))
				b.Delay(2*time.Second+tc.beyond, 0)
				b.wantLost(b.limited(quorum.Acquire, 2*time.Second))
				b.wait(2 * time.Second)
				b.wantValues(tc.want...)
			})
		})
	}
}

// A node whose clock runs slow within the drift allowance still keeps to the limit and its slack.
func TestSlackCoversASlowClock(t *testing.T) {
	in(t, func(b *bench) {
		b.SetClockRate(1 - clock.DefaultRate)
		b.want(quorum.Free, op(quorum.Inspect))
		b.wait(50 * time.Second)
		o := b.limited(quorum.Acquire, giveUp)
		b.Pause()
		slack := b.want(quorum.Failed, o).Slack
		b.wait(slack + 1)
		b.Resume()
		b.wantValues()
	})
}

func TestAStepForwardMakesAcquiresLateUntilItIsKnown(t *testing.T) {
	in(t, func(b *bench) {
		before := b.want(quorum.Free, op(quorum.Inspect)).NodeTime
		b.StepClock(time.Minute)
		if step := b.want(quorum.Late, b.limited(quorum.Acquire, giveUp)).NodeTime - before; step != time.Minute {
			b.Errorf("node time went forward by %v, want 1m", step)
		}
		b.want(quorum.Mine, b.limited(quorum.Acquire, giveUp))
	})
}

func TestLostAnswersTeachNothing(t *testing.T) {
	in(t, func(b *bench) {
		b.StepClock(time.Minute)
		b.DropReplies(1)
		b.wantLost(op(quorum.Inspect))
		b.want(quorum.Late, b.limited(quorum.Acquire, giveUp))
	})
}

func TestStepsMoveTheExpiry(t *testing.T) {
	tests := map[string]struct{ step, want time.Duration }{
		"forward": {4 * time.Second, ttl - 4*time.Second},
		"back":    {-8 * time.Second, ttl + 8*time.Second},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			in(t, func(b *bench) {
				b.want(quorum.Mine, op(quorum.Acquire))
				b.StepClock(tc.step)
				if left := b.want(quorum.Mine, op(quorum.Inspect)).Remaining; left != tc.want {
					b.Errorf("remaining = %v, want %v", left, tc.want)
				}
				b.wait(tc.want - 1)
				b.want(quorum.Mine, op(quorum.Inspect))
				b.wait(1)
				b.want(quorum.Free, op(quorum.Inspect))
			})
		})
	}
}

func TestAStepBackBringsNothingBack(t *testing.T) {
	in(t, func(b *bench) {
		b.want(quorum.Mine, op(quorum.Acquire))
		b.wait(ttl)
		b.StepClock(-time.Minute)
		b.want(quorum.Free, op(quorum.Inspect))
	})
}

func TestClockRateMovesTheExpiry(t *testing.T) {
	in(t, func(b *bench) {
		b.SetClockRate(2)
		b.want(quorum.Mine, op(quorum.Acquire))
		b.wait(ttl/2 - 1)
		b.want(quorum.Mine, op(quorum.Inspect))
		b.wait(1)
		b.want(quorum.Free, op(quorum.Inspect))
		b.SetClockRate(0)
		b.want(quorum.Mine, op(quorum.Acquire))
		b.wait(time.Hour)
		b.want(quorum.Mine, op(quorum.Inspect))
	})
}
