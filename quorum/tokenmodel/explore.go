package tokenmodel

// A Report is what an exploration found.
type Report struct {
	States    int                // different states, of those that differ only in numbering one
	Steps     int                // ways from one state to another, or to itself
	Depth     int                // the most steps that are needed to reach a state
	Seen      [eventKinds]uint64 // how many steps were an Event
	Violation *Trace             // a shortest way to break a promise; nil if there is none
}

// Explore walks through every state that the world can get into, nearest first, until a promise is
// broken or none is left. It reports an error if the world is not valid.
//
// States are remembered by 64 bits of hash, so that of n states one is overlooked with a probability
// below n*n/2^65: less than one in 10,000 for 50 million.
func Explore(w World) (Report, error) {
	if err := w.validate(); err != nil {
		return Report{}, err
	}
	e := explorer{w: &w, reached: newTable()}
	return e.run(), nil
}

type explorer struct {
	w       *World
	reached *table
	report  Report
	next    []packed // states that were reached first by the steps of this round
}

func (e *explorer) run() Report {
	var start state
	first := start.pack(e.w)
	e.reached.add(first.fingerprint(), 0)
	for now := []packed{first}; len(now) > 0; now = e.next {
		e.next = nil
		for _, p := range now {
			e.leave(p)
			if e.report.Violation != nil {
				e.report.States = e.reached.used
				return e.report
			}
		}
		if len(e.next) > 0 {
			e.report.Depth++
		}
	}
	e.report.States = e.reached.used
	return e.report
}

// leave takes each step that leads out of a state.
func (e *explorer) leave(p packed) {
	from := p.unpack(e.w)
	parent := p.fingerprint()
	e.w.expand(&from, func(st step, to *state) {
		if e.report.Violation != nil {
			return
		}
		e.report.Steps++
		for seen, event := eventsOf(st), 0; seen != 0; seen, event = seen>>1, event+1 {
			e.report.Seen[event] += uint64(seen & 1)
		}
		if st.kind == returns && e.w.wrong(&from, st.client) != "" {
			e.report.Violation = e.trace(parent)
			return
		}
		if to == nil {
			return
		}
		if next := to.pack(e.w); e.reached.add(next.fingerprint(), parent) {
			e.next = append(e.next, next)
		}
	})
}
