package chaos

import "time"

// newInvariant returns an invariant whose violations carry its name.
func newInvariant(name, about string, check func(History) []Violation) Invariant {
	return Invariant{Name: name, About: about, Check: func(h History) []Violation {
		violations := check(h)
		for i := range violations {
			violations[i].Invariant = name
		}
		return violations
	}}
}

// perName judges each name's claims by themselves.
func perName(check func(name string, claims []claim) []Violation) func(History) []Violation {
	return func(h History) []Violation {
		var violations []Violation
		byName := claimsByName(h)
		for _, name := range names(byName) {
			violations = append(violations, check(name, byName[name])...)
		}
		return violations
	}
}

// Bounds are the figures that [Default] judges by. A bound of zero has the default named at it.
type Bounds struct {
	_ struct{}

	// Nodes is how many nodes there are.
	Nodes int
	// Votes is how many of them a lease needs. Default: the majority.
	Votes int
	// TTL is that of the leases, and Margin what drift takes off it, and clocks are off over one. Without a
	// TTL it is not judged whether leases keep what they say. Default of Margin: a fiftieth of the TTL.
	TTL, Margin time.Duration
	// Lifetime is the longest that a node may keep a key from now. Without one, any TTL will do.
	Lifetime time.Duration
	// Idle is the longest that a free lock may stay free, after all faults have ended, while somebody
	// asks for it. Without one, liveness is not judged.
	Idle time.Duration
	// Late is how much later than promised a client may learn that its lease was lost, or that its context
	// has ended. Default: 250ms. A client that slept has 250ms at least.
	Late time.Duration
	// Search is how long the search for an order of the operations may take. Default: one minute.
	Search time.Duration
}

func (b Bounds) orDefault() Bounds {
	if b.Votes == 0 {
		b.Votes = b.Nodes/2 + 1
	}
	if b.Late == 0 {
		b.Late = 250 * time.Millisecond
	}
	if b.Margin == 0 {
		b.Margin = b.TTL / 50
	}
	if b.Search == 0 {
		b.Search = time.Minute
	}
	return b
}

// Default returns what every run with a lock has to hold, whatever breaks within the assumptions. A run
// whose register checks tokens has to hold [FencedRegister] too.
func Default(bounds Bounds) []Invariant {
	b := bounds.orDefault()
	invariants := []Invariant{
		WellFormed,
		MutualExclusion,
		TokenOrder,
		Linearizable(b.Search),
		Agree(b.Search),
		FullyGranted(b.Votes),
		LostInTime(b.Late),
		Punctual(b.Late),
		OwnerOnly,
		EveryKeyExpires(b.Lifetime),
		NoOrphans,
	}
	if b.TTL > 0 {
		invariants = append(invariants, Promised(b.TTL, b.Margin))
	}
	if b.Idle > 0 {
		invariants = append(invariants, Liveness(b.Idle))
	}
	return invariants
}
