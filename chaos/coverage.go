package chaos

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Cover counts what a history shows.
//
// A fault has taken effect where an operation met it ([FaultMet]). Those that need none, such as a step
// of a clock, have when they began.
func Cover(h History) Coverage {
	c := Coverage{Faults: make(map[FaultKind]int)}
	for _, claims := range claimsByName(h) {
		c.Acquired += len(claims)
	}
	for _, asked := range attemptsByName(h) {
		c.Contended += contended(asked)
	}
	began := make(map[FaultKind]int)
	heirs := make(map[string]bool)
	for _, e := range h {
		switch {
		case e.Kind == Changed && e.Op == "handover":
			heirs[e.Next] = true
		case e.Kind == FaultMet:
			c.Faults[e.Fault]++
		case e.Kind == FaultBegan && effective(e.Fault):
			began[e.Fault]++
		}
	}
	c.HandedOver = len(heirs)
	for kind, n := range began {
		c.Faults[kind] = max(c.Faults[kind], n)
	}
	return c
}

// effective reports whether faults of the kind take effect by themselves.
func effective(kind FaultKind) bool {
	switch kind {
	case KillWiped, Wipe, ClockRate, ClockStep, StopClient, SuspendClient, ClientRate, OtherNodes:
		return true
	}
	return false
}

// Short says what is missing to the least coverage, in sentences, and nothing if that is reached.
func (c Coverage) Short(least Coverage) []string {
	var missing []string
	need := func(what string, got, want int) {
		if got < want {
			missing = append(missing, fmt.Sprintf("%s: %d, want at least %d", what, got, want))
		}
	}
	need("acquired", c.Acquired, least.Acquired)
	need("contended", c.Contended, least.Contended)
	need("handed over", c.HandedOver, least.HandedOver)
	for _, kind := range names(least.Faults) {
		need("fault "+string(kind), c.Faults[kind], least.Faults[kind])
	}
	return missing
}

// An attempt is what a client did about a lock, from its question to the end of the lease, if it got one.
type attempt struct {
	client string
	begin  time.Duration
	// outcome is when the client knew whether it has the lease. That of an attempt without one is at the
	// end of the history.
	outcome time.Duration
	// end is when others could expect to get the lock: at the release or the loss or, without either, when
	// the last word on the lease's validity runs out. An attempt that failed ends with its outcome.
	end      time.Duration
	acquired bool
	over     bool
}

// take moves the attempt on.
func (a *attempt) take(e *Event) {
	switch e.Kind {
	case Refused:
		a.outcome, a.end = e.At, e.At
	case Acquired:
		a.outcome, a.end, a.acquired = e.At, e.At+e.Remaining, true
	case Extended, Observed:
		if !a.over {
			a.end, a.over = e.At+e.Remaining, e.Kind == Observed && !e.Held
		}
	case Lost, ReleaseInvoked:
		if !a.over {
			a.end, a.over = e.At, true
		}
	}
}

// attemptsByName returns the attempts on each name, in the order in which they began.
func attemptsByName(h History) map[string][]attempt {
	var (
		byName = make(map[string][]attempt)
		index  = make(map[leaseID]int)
	)
	for i := range h {
		e := &h[i]
		if e.Kind == AcquireInvoked {
			last := h[len(h)-1].At
			index[e.id()] = len(byName[e.Name])
			byName[e.Name] = append(byName[e.Name], attempt{client: e.Client, begin: e.At, outcome: last, end: last})
			continue
		}
		if number, known := index[e.id()]; known && number < len(byName[e.Name]) {
			byName[e.Name][number].take(e)
		}
	}
	return byName
}

// contended counts the leases whose attempt, or which themselves, had to do with another client's.
func contended(attempts []attempt) int {
	leases := leasesOf(attempts)
	slices.SortFunc(leases, func(a, b attempt) int { return cmp.Compare(a.end, b.end) })
	var (
		count int
		begun int // attempts that began before the end of the lease
		seen  rivals
	)
	for _, lease := range leases {
		for ; begun < len(attempts) && attempts[begun].begin < lease.end; begun++ {
			seen.add(attempts[begun])
		}
		if seen.lastOf(lease.client) > lease.begin {
			count++
		}
	}
	return count
}

// rivals knows the attempts of two clients: the one that ends last of all, and the one that ends last of
// all others.
type rivals struct{ first, second attempt }

func (r *rivals) add(a attempt) {
	switch {
	case a.client == r.first.client:
		if a.end > r.first.end {
			r.first = a
		}
	case r.first.client == "" || a.end > r.first.end:
		r.first, r.second = a, r.first
	case r.second.client == "" || a.end > r.second.end:
		r.second = a
	}
}

// lastOf returns when the last rival of the client ends, and -1 if there is none.
func (r *rivals) lastOf(client string) time.Duration {
	rival := r.first
	if rival.client == client {
		rival = r.second
	}
	if rival.client == "" {
		return -1
	}
	return rival.end
}
