package quorum_test

import (
	"fmt"
	"math/bits"
	"testing"

	"github.com/quorumlock/quorumlock/quorum"
)

// naiveOutcome judges a question by playing through every way in which the nodes that have not voted
// may still vote.
func naiveOutcome(size, need int, votes []bool) quorum.Outcome {
	yes := 0
	for _, v := range votes {
		if v {
			yes++
		}
	}
	reached, missed := false, false
	for later := 0; later <= size-len(votes); later++ {
		if yes+later >= need {
			reached = true
		} else {
			missed = true
		}
	}
	switch {
	case reached && missed:
		return quorum.Undecided
	case reached:
		return quorum.Reached
	}
	return quorum.Missed
}

// Every question to up to seven nodes, with every need, in every order of votes, after each vote.
func TestTallyAgreesWithItsNaiveTwin(t *testing.T) {
	for size := range 8 {
		for need := range size + 2 {
			for order := range 1 << size {
				tally := quorum.Tally{Size: size, Need: need}
				votes := make([]bool, 0, size)
				if got, want := tally.Outcome(), naiveOutcome(size, need, votes); got != want {
					t.Fatalf("Tally of %d with need %d is %v before any vote, want %v", size, need, got, want)
				}
				for i := range size {
					vote := order>>i&1 == 1
					votes = append(votes, vote)
					if got, want := tally.Vote(vote), naiveOutcome(size, need, votes); got != want {
						t.Fatalf("Tally of %d with need %d after votes %v is %v, want %v", size, need, votes, got, want)
					}
				}
			}
		}
	}
}

func TestTallyZeroValueIsReached(t *testing.T) {
	if got := (quorum.Tally{}).Outcome(); got != quorum.Reached {
		t.Errorf("Tally{}.Outcome() = %v, want reached", got)
	}
}

// Any two majorities share a node, and no smaller group has that property.
func TestMajoritiesIntersect(t *testing.T) {
	for n := 1; n <= 9; n++ {
		q := quorum.Majority(n)
		if q > n {
			t.Fatalf("Majority(%d) = %d, more than there are", n, q)
		}
		disjoint := false // two groups of one node less
		for a := range 1 << n {
			for b := range 1 << n {
				if bits.OnesCount(uint(a)) == q && bits.OnesCount(uint(b)) == q && a&b == 0 {
					t.Fatalf("Majority(%d) = %d, but groups %0*b and %0*b share no node", n, q, n, a, n, b)
				}
				if bits.OnesCount(uint(a)) == q-1 && bits.OnesCount(uint(b)) == q-1 && a&b == 0 {
					disjoint = true
				}
			}
		}
		if !disjoint {
			t.Errorf("Majority(%d) = %d, but one less would do", n, q)
		}
	}
}

func TestOutcomeString(t *testing.T) {
	got := fmt.Sprint(quorum.Undecided, quorum.Reached, quorum.Missed, quorum.Outcome(9))
	if want := "undecided reached missed unknown"; got != want {
		t.Errorf("outcomes are called %q, want %q", got, want)
	}
}

func FuzzTally(f *testing.F) {
	f.Add(uint8(5), uint8(3), uint64(0b10110))
	f.Add(uint8(1), uint8(2), uint64(0))
	f.Fuzz(func(t *testing.T, size, need uint8, order uint64) {
		n := int(size) % 64
		tally := quorum.Tally{Size: n, Need: int(need)}
		var votes []bool
		for i := range n {
			votes = append(votes, order>>i&1 == 1)
			got, want := tally.Vote(votes[i]), naiveOutcome(n, int(need), votes)
			if got != want {
				t.Fatalf("Tally of %d with need %d after votes %v is %v, want %v", n, need, votes, got, want)
			}
		}
	})
}
