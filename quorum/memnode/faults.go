package memnode

import "time"

// faults is what is wrong with the node right now. Its zero value is a healthy one.
type faults struct {
	requestDelay, replyDelay time.Duration
	dropReplies              int
	cut, paused, dead        bool
	refuse                   error
	life                     int        // counts the kills
	held                     []*request // arrived while paused, in order
	deaf                     bool       // announcements vanish
	breaks                   int        // counts how often connections broke
	unheard                  []func()   // listeners that arrived while paused
}

// rejectHeld ends the requests that wait for a resume.
func (f *faults) rejectHeld(err error) {
	for _, r := range f.held {
		r.reject(err)
	}
	f.held = nil
}

// change changes what is wrong.
func (n *Node) change(how func(f *faults)) {
	n.mu.Lock()
	defer n.unlock()
	how(&n.faults)
	n.connect()
}

// Delay makes every request sent from now on arrive after request, and every answer given from now
// on arrive after reply. With a long request delay, operations are carried out long after their
// asker has given up; with a long reply delay, they are carried out at once and nobody knows. Zero
// ends the delay.
func (n *Node) Delay(request, reply time.Duration) {
	n.change(func(f *faults) { f.requestDelay, f.replyDelay = request, reply })
}

// Pause holds all requests that arrive, like a stopped process whose kernel still takes them in.
// [Node.Resume] carries them out.
func (n *Node) Pause() {
	n.change(func(f *faults) { f.paused = true })
}

// Resume carries out what was held, in the order of arrival, be the askers still there or not. Who has come
// to listen meanwhile hears what is announced then.
func (n *Node) Resume() {
	n.change(func(f *faults) {
		held, unheard := f.held, f.unheard
		f.paused, f.held, f.unheard = false, nil, nil
		for _, hear := range unheard {
			hear()
		}
		for _, r := range held {
			n.carryOut(r)
		}
	})
}

// Cut makes requests and answers vanish: those sent while cut off, and those under way that would
// arrive meanwhile. Askers learn nothing before their deadline. [Node.Restore] ends it.
func (n *Node) Cut() {
	n.change(func(f *faults) {
		f.cut = true
		f.breaks++
	})
}

// Restore ends [Node.Cut]. What has vanished stays so.
func (n *Node) Restore() {
	n.change(func(f *faults) { f.cut = false })
}

// DropReplies makes the answers to the next count batches vanish once they are carried out. Zero ends
// it.
func (n *Node) DropReplies(count int) {
	n.change(func(f *faults) { f.dropReplies = count })
}

// Refuse makes every question from now on fail at once with err and without effect, like a port on
// which nobody listens. nil ends it.
func (n *Node) Refuse(err error) {
	n.change(func(f *faults) {
		if f.refuse = err; err != nil {
			f.breaks++
		}
	})
}

// Kill ends the process: what it held fails with [ErrKilled], and so does every question until
// [Node.Restart], without effect. Without keepData it has lost its memory when it comes back.
func (n *Node) Kill(keepData bool) {
	n.change(func(f *faults) {
		f.dead, f.paused, f.unheard = true, false, nil
		f.life++
		f.breaks++
		f.rejectHeld(ErrKilled)
		if !keepData {
			n.store.forget(n.own.now())
		}
	})
}

// Restart ends [Node.Kill]. Keys that were kept have gone on expiring.
func (n *Node) Restart() {
	n.change(func(f *faults) { f.dead = false })
}

// Wipe forgets every key, as FLUSHALL does.
func (n *Node) Wipe() {
	n.change(func(*faults) { n.store.forget(n.own.now()) })
}

// StepClock sets the node's clock forward by d, or back if d is negative. Keys live shorter, or
// longer, by as much; those already over stay gone.
func (n *Node) StepClock(d time.Duration) {
	n.change(func(*faults) {
		n.store.expire(n.own.now())
		n.own.ahead += d
	})
}

// SetClockRate makes the node's clock run at rate from now on: 1.01 is one percent fast.
func (n *Node) SetClockRate(rate float64) {
	n.change(func(*faults) { n.own.skewed.SetRate(rate) })
}
