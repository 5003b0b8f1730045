package leader

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/quorumlock/quorumlock/redlock"
)

// A request to resign is a lock of its own, beside that of the role: whoever makes the request holds it for as
// long as it waits, and its label names the term that has to end, so that it never ends another one. The leader
// looks at it now and then. So a request outlives the loss of a minority of nodes, needs no rights that the
// lock does not need, and is gone a TTL after whoever made it.
const requestSuffix = ":resign"

// RequestResign asks whoever leads to give up, in this process or another, and waits until that leader's term
// is over: its work has returned and it has given up the role, or has lost it. Somebody else may lead by then,
// or the same process again if nobody else campaigns. It takes about the time that [WithPoll] says, and that of
// the work. The leader's context ends with [ErrResigned] as its cause.
//
// The request is taken back when ctx ends. A leader that stands still does not hear it, nor does a program that
// holds the role's lock without an Elector.
//
// Errors: [ErrNoLeader]; that of ctx, with what stood in the way last; [redlock.ErrNoQuorum] if too few nodes
// answer at the beginning; [*redlock.ConfigError]; [redlock.ErrClosed].
func (e *Elector) RequestResign(ctx context.Context) error {
	leader, err := e.Leader(ctx)
	if err != nil {
		return err
	}
	if leader.Self {
		return e.Resign(ctx)
	}
	r := request{elector: e, target: leader.ID}
	defer r.takeBack()
	for {
		if err := r.make(ctx); err != nil && hopeless(err) {
			return err
		}
		if err := pause(ctx, e.cfg.poll/4); err != nil {
			return errors.Join(err, r.last)
		}
		now, err := e.Leader(ctx)
		if errors.Is(err, ErrNoLeader) || err == nil && now.ID != r.target {
			return nil
		}
	}
}

// A request is one that is being made.
type request struct {
	elector *Elector
	target  string
	mark    *redlock.Lease
	last    error // why it could not be made the last time
}

// make makes the request, unless it stands.
func (r *request) make(ctx context.Context) error {
	if r.mark != nil && r.mark.Valid() {
		return nil
	}
	r.takeBack()
	e := r.elector
	mark, err := e.locker.TryAcquire(ctx, e.role+requestSuffix,
		redlock.WithHolder(r.target), redlock.WithoutToken(), redlock.WithMinHold(0))
	if err != nil {
		r.last = fmt.Errorf("leader: asking the leader of %q to resign: %w", e.role, err)
		return err
	}
	r.mark, r.last = mark, nil
	return nil
}

func (r *request) takeBack() {
	if r.mark != nil {
		_ = r.mark.Release(context.Background()) // what cannot be released runs out
		r.mark = nil
	}
}

// heed ends the term when somebody asks for it.
func (e *Elector) heed(ctx context.Context, t *tenure) {
	self := ""
	for pause(ctx, e.cfg.poll) == nil {
		if self == "" {
			self = e.identify(ctx, t)
			if self == "" {
				continue
			}
		}
		asked, err := e.locker.Status(ctx, e.role+requestSuffix)
		if err == nil && asked.Held && asked.Holder == self {
			t.cancel(ErrResigned)
			return
		}
	}
}

// identify returns how others name the term, or nothing if the nodes do not say.
func (e *Elector) identify(ctx context.Context, t *tenure) string {
	status, err := e.locker.Status(ctx, e.role)
	if err != nil || !status.Held || !t.lease().Valid() {
		return "" // whoever has a majority while the lease is valid is its holder
	}
	return termID(status)
}

// termID names the term that a status tells of, without giving away what would take it over.
func termID(status redlock.Status) string {
	sum := sha256.Sum256([]byte(status.Ticket))
	return hex.EncodeToString(sum[:12])
}
