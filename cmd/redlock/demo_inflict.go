package main

import (
	"context"
	"fmt"
	"time"
)

// inflict makes a fault at its time, sees that it takes effect, ends it, and sees the node come back.
func (r *race) inflict(ctx context.Context, f *faultRecord) error {
	if !r.sleepUntil(ctx, f.from) {
		return nil
	}
	if err := r.begin(f); err != nil {
		return fmt.Errorf("node %d: %w", f.node+1, err)
	}
	answers, known := r.answers(ctx, f.node)
	r.record.change(f, func(f *faultRecord) { f.fired = known && !answers })
	if !r.sleepUntil(ctx, f.to) {
		return nil
	}
	if err := r.undo(ctx, f); err != nil && ctx.Err() == nil {
		return fmt.Errorf("node %d: %w", f.node+1, err)
	}
	r.awaitBack(ctx, f)
	return nil
}

func (r *race) sleepUntil(ctx context.Context, at time.Duration) bool {
	return pause(ctx, at-r.record.elapsed())
}

// begin makes the fault.
func (r *race) begin(f *faultRecord) error {
	m := r.cluster.machines[f.node]
	how, cause := m.Pause, "frozen, so it takes requests and never answers"
	if f.kind == killNode {
		how, cause = m.Kill, "so it refuses connections"
	}
	if r.cluster.kind == kindServers {
		cause = map[faultKind]string{stopNode: "SIGSTOP: ", killNode: "SIGKILL: "}[f.kind] + cause
	}
	began := r.record.elapsed()
	if err := how(); err != nil {
		return err
	}
	r.record.change(f, func(f *faultRecord) { f.begun, f.began = true, began })
	r.record.tell("node %d %v (%s)", f.node+1, f.kind, cause)
	return nil
}

// undo ends the fault.
func (r *race) undo(ctx context.Context, f *faultRecord) error {
	m := r.cluster.machines[f.node]
	text := "node %d goes on from where it was stopped"
	if f.kind == killNode {
		text = "node %d is started again, with its memory"
		if err := m.Restart(ctx); err != nil {
			return err
		}
	} else if err := m.Resume(); err != nil {
		return err
	}
	over := r.record.elapsed()
	r.record.change(f, func(f *faultRecord) { f.over, f.ended = true, over })
	r.record.tell(text, f.node+1)
	return nil
}

// awaitBack asks the node until it answers.
func (r *race) awaitBack(ctx context.Context, f *faultRecord) {
	for {
		if answers, _ := r.answers(ctx, f.node); answers {
			back := r.record.elapsed()
			r.record.change(f, func(f *faultRecord) { f.back, f.ended = true, back })
			return
		}
		if !pause(ctx, 20*time.Millisecond) {
			return
		}
	}
}

// answers reports whether the node answers, and whether that could be found out at all.
func (r *race) answers(ctx context.Context, node int) (answers, known bool) {
	status, _ := r.observer.Status(ctx, demoLock) // what it knows is enough, also without a majority
	if len(status.Nodes) <= node {
		return false, false
	}
	return status.Nodes[node].Err == nil, true
}
