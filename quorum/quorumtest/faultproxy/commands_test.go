package faultproxy_test

import (
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/quorum/quorumtest/faultproxy"
)

func TestADroppedReplyWasCarriedOut(t *testing.T) {
	t.Run("then the connection is reset", func(t *testing.T) {
		e, p := setup(t)
		p.DropReply(1, faultproxy.Containing("lose"), faultproxy.ThenReset)
		c := dial(t, p)
		c.send("1", "2")
		c.want("1", "2")
		c.send("lose me", "3")
		c.wantReset()
		wantCarriedOut(t, e, "1", "2", "lose me", "3")
	})
	t.Run("then the connection is silent", func(t *testing.T) {
		e, p := setup(t)
		p.DropReply(1, faultproxy.Containing("lose"), faultproxy.ThenSilence)
		c := dial(t, p)
		c.send("lose me", "1")
		wantCarriedOut(t, e, "lose me", "1")
		wantFired(t, p, faultproxy.ReplyDropped)
		c.wantSilence()
	})
	t.Run("and replies to earlier commands still arrive", func(t *testing.T) {
		e, p := setup(t)
		p.Delay(faultproxy.ToServer, glimpse, 0) // all three are under way when the last one is seen
		p.DropReply(1, faultproxy.Containing("lose"), faultproxy.ThenSilence)
		c := dial(t, p)
		c.send("1", "2", "lose me")
		c.want("1", "2")
		c.wantSilence()
		wantCarriedOut(t, e, "1", "2", "lose me")
	})
}

func TestAsManyRepliesAreDroppedAsAskedFor(t *testing.T) {
	_, p := setup(t)
	p.DropReply(2, faultproxy.Named("echo"), faultproxy.ThenReset)
	for range 2 {
		c := dial(t, p)
		c.send("lost")
		c.wantReset()
	}
	c := dial(t, p)
	c.send("kept")
	c.want("kept")
	if got := p.Count(faultproxy.ReplyDropped); got != 2 {
		t.Errorf("dropped %d replies, want 2", got)
	}
}

func TestAHeldCommandRunsAfterItsClientClosed(t *testing.T) {
	e, p := setup(t)
	held := p.HoldCommand(1, faultproxy.Containing("late"), 0)
	first := dial(t, p)
	first.send("early", "late", "behind it")
	first.want("early")
	<-held.Caught()
	first.Close()

	second := dial(t, p)
	second.send("overtakes", "also late, but one was asked for")
	second.want("overtakes", "also late, but one was asked for")

	held.Release()
	wantCarriedOut(t, e, "early", "overtakes", "also late, but one was asked for", "late", "behind it")
	if got := p.Count(faultproxy.CommandHeld); got != 1 {
		t.Errorf("held %d commands, want 1", got)
	}
}

func TestAHeldCommandRunsWhenItsTimeIsOver(t *testing.T) {
	_, p := setup(t)
	p.HoldCommand(1, faultproxy.Named("ECHO"), 50*time.Millisecond)
	c := dial(t, p)
	start := time.Now()
	c.send("1")
	c.want("1")
	if took := time.Since(start); took < 50*time.Millisecond {
		t.Errorf("the reply took %v, want the hold's 50ms", took)
	}
}

func TestHealReleasesAndDisarms(t *testing.T) {
	e, p := setup(t)
	held := p.HoldCommand(1, faultproxy.Containing("1"), 0)
	p.DropReply(1, faultproxy.Containing("2"), faultproxy.ThenReset)
	p.HoldCommand(1, faultproxy.Containing("3"), 0)
	p.Hold(faultproxy.ToClient)
	p.Refuse(true)
	p.Refuse(false)
	c := dial(t, p)
	c.send("1")
	<-held.Caught()
	p.Heal()
	c.want("1")
	c.send("2", "3")
	c.want("2", "3")
	wantCarriedOut(t, e, "1", "2", "3")
}

func TestAReleasedHoldCatchesNothing(t *testing.T) {
	_, p := setup(t)
	p.HoldCommand(1, faultproxy.Containing(""), 0).Release()
	c := dial(t, p)
	c.send("1")
	c.want("1")
	if got := p.Count(faultproxy.CommandHeld); got != 0 {
		t.Errorf("held %d commands, want none", got)
	}
}
