package quorum

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write golden files anew instead of comparing with them")

var errRefused = errors.New("connection refused")

// A ballot is the nodes' votes in the order in which they come, a letter each: M for mine, F for free, L
// for late, - for a failure, and any other letter for another value, which is called like that. The
// first value found has one second left, the second one two, and so on.
type ballot string

func (b ballot) answer(i int) Answer {
	switch letter := b[i]; letter {
	case 'M':
		return Answer{Verdict: Mine, Remaining: time.Hour}
	case 'F':
		return Answer{Verdict: Free}
	case 'L':
		return Answer{Verdict: Late}
	case '-':
		return Answer{Err: errRefused}
	default:
		return Answer{Verdict: Other, Holder: string(letter), Remaining: time.Duration(i+1) * time.Second}
	}
}

// play feeds the votes to an attempt until it is done, and returns how many it took: one more than
// there are if it never was.
func (b ballot) play(need int) (a *attempt, took int) {
	a = newAttempt(len(b), need)
	for took = 0; !a.done() && took <= len(b); took++ {
		if took < len(b) {
			a.add(took, fmt.Sprintf("n%d", took+1), b.answer(took))
		}
	}
	return a, took
}

func (b ballot) count(letters string) int {
	n := 0
	for _, letter := range b {
		if strings.ContainsRune(letters, letter) {
			n++
		}
	}
	return n
}

// Every kind of end that an attempt can have.
const (
	won    = "won"
	held   = "held"
	split  = "split"
	silent = "silent"
)

// naive judges with all votes on the table.
func (b ballot) naive(need int) (end, holder string) {
	if b.count("M") >= need {
		return won, ""
	}
	if len(b)-b.count("-") < need {
		return silent, ""
	}
	for _, value := range "ab" {
		if b.count(string(value)) > len(b)/2 {
			return held, string(value)
		}
	}
	return split, ""
}

func (a *attempt) end() (end, holder string) {
	if a.mine.Outcome() == Reached {
		return won, ""
	}
	miss := a.miss()
	return map[Why]string{Held: held, Split: split, Silent: silent}[miss.Why], miss.Holder
}

// settled reports whether every way in which the ballot may go on to size votes ends in the same way: then
// waiting for more is vain.
func (b ballot) settled(size, need int) bool {
	sorted := []byte(b)
	slices.Sort(sorted)
	question := fmt.Sprint(string(sorted), size, need)
	if known, found := settledBallots[question]; found {
		return known
	}
	ends := make(map[string]bool)
	votesIn("MFab-", b, size, func(all ballot) {
		end, holder := all.naive(need)
		ends[end+holder] = true
	})
	settledBallots[question] = len(ends) == 1
	return len(ends) == 1
}

// votesIn yields b with every set of votes over the letters that fills it up to size.
func votesIn(letters string, b ballot, size int, yield func(ballot)) {
	if len(b) == size {
		yield(b)
		return
	}
	for i := range letters {
		votesIn(letters[i:], b+ballot(letters[i:i+1]), size, yield)
	}
}

// settledBallots remembers what settled has found, as the order of votes does not matter to it.
var settledBallots = make(map[string]bool)

func checkBallot(t *testing.T, b ballot, need int) {
	t.Helper()
	a, took := b.play(need)
	if took > len(b) {
		t.Fatalf("votes %s with need %d: never done", b, need)
	}
	for early := range took {
		if b[:early].settled(len(b), need) {
			t.Fatalf("votes %s with need %d: done after %d votes, but settled after %d", b, need, took, early)
		}
	}
	if !b[:took].settled(len(b), need) {
		t.Fatalf("votes %s with need %d: done after %d votes, though later ones can change the outcome", b, need, took)
	}
	end, holder := a.end()
	wantEnd, wantHolder := b.naive(need)
	if end != wantEnd || holder != wantHolder {
		t.Fatalf("votes %s with need %d: %s %s after %d, want %s %s", b, need, end, holder, took, wantEnd, wantHolder)
	}
	if end == won {
		return
	}
	miss := a.miss()
	if got, want := len(miss.Nodes), b[:took].count("-"); got != want {
		t.Fatalf("votes %s with need %d: %d failures are listed, want %d", b, need, got, want)
	}
	if got, want := miss.RetryAfter, b[:took].naiveRetry(need); got != want {
		t.Fatalf("votes %s with need %d: retry after %v, want %v", b, need, got, want)
	}
}

// naiveRetry is the first moment, in steps of a second, at which need nodes are free.
func (b ballot) naiveRetry(need int) time.Duration {
	for after := time.Duration(0); after <= time.Duration(len(b))*time.Second; after += time.Second {
		free := 0
		for i := range b {
			ans := b.answer(i)
			if ans.Answered() && (ans.Verdict != Other || ans.Remaining <= after) {
				free++
			}
		}
		if free >= need {
			return after
		}
	}
	return NoExpiry
}

// ballots yields every ballot of n votes over the letters.
func ballots(n int, letters string, yield func(ballot)) {
	votes := make([]byte, n)
	var fill func(i int)
	fill = func(i int) {
		if i == n {
			yield(ballot(votes))
			return
		}
		for _, letter := range []byte(letters) {
			votes[i] = letter
			fill(i + 1)
		}
	}
	fill(0)
}

// Every attempt on up to five nodes, with every need that an engine takes, in every order of votes.
func TestAttemptAgreesWithItsNaiveTwin(t *testing.T) {
	for n, letters := range []string{"", "MFLab-", "MFLab-", "MFLab-", "MFLab-", "MFab-"} {
		for need := Majority(n); need <= n; need++ {
			ballots(n, letters, func(b ballot) { checkBallot(t, b, need) })
		}
	}
}

func FuzzAttempt(f *testing.F) {
	f.Add("MMM", uint8(2))
	f.Add("Mabab--FL", uint8(5))
	f.Fuzz(func(t *testing.T, votes string, need uint8) {
		const letters = "MFLab-"
		b := make([]byte, 0, 9)
		for i := 0; i < len(votes) && len(b) < cap(b); i++ {
			b = append(b, letters[int(votes[i])%len(letters)])
		}
		if n := int(need); n >= Majority(len(b)) && n <= len(b) {
			checkBallot(t, ballot(b), n)
		}
	})
}

// The decisions as a table to read: testdata/attempts.golden. Run with -update after a wanted change.
func TestAttemptsGolden(t *testing.T) {
	const file = "testdata/attempts.golden"
	var text strings.Builder
	text.WriteString("# votes in order: M mine, F free, a or b another value (the i-th vote's has i seconds left), - failed\n")
	for _, fleet := range []struct {
		size, need int
		letters    string
	}{{1, 1, "MFa-"}, {2, 2, "MFa-"}, {3, 2, "MFab-"}, {3, 3, "MFa-"}, {5, 3, "Mab-"}, {5, 4, "Mab-"}} {
		fmt.Fprintf(&text, "\n# %d nodes, %d needed\n", fleet.size, fleet.need)
		ballots(fleet.size, fleet.letters, func(b ballot) {
			if inOrder(string(b), fleet.letters) {
				fmt.Fprintln(&text, b.verdict(fleet.need))
			}
		})
	}
	got := text.String()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(gotLines), len(wantLines)) {
		g, w := "(nothing)", "(nothing)"
		if i < len(gotLines) {
			g = gotLines[i]
		}
		if i < len(wantLines) {
			w = wantLines[i]
		}
		if g != w {
			t.Errorf("%s:%d: decided\n\t%s\nwant\n\t%s", file, i+1, g, w)
		}
	}
}

// inOrder reports whether the votes come in the order of the letters, backwards: one order of each set
// of votes, in which the early decisions show.
func inOrder(votes, letters string) bool {
	for i := 1; i < len(votes); i++ {
		if strings.IndexByte(letters, votes[i-1]) < strings.IndexByte(letters, votes[i]) {
			return false
		}
	}
	return true
}

// verdict says how the attempt ends, in a line.
func (b ballot) verdict(need int) string {
	a, took := b.play(need)
	end, holder := a.end()
	line := fmt.Sprintf("%-5s -> %s", b, end)
	if holder != "" {
		line += " by " + holder
	}
	line += fmt.Sprintf(" after %d", took)
	if end == won {
		return line
	}
	if after := a.retryAfter(); after == NoExpiry {
		line += ", nobody knows when to retry"
	} else {
		line += fmt.Sprintf(", retry after %v", after)
	}
	return line
}

// With more votes than a majority, a value on a majority of the nodes still holds the key, and one on
// fewer does not, though it denies the votes.
func TestAttemptHeldNeedsAMajorityOnly(t *testing.T) {
	tests := map[string]struct {
		votes  ballot
		need   int
		want   string
		holder string
	}{
		"three of five, four needed":                  {"aaaMM", 4, held, "a"},
		"two of five, four needed":                    {"aaMMM", 4, split, ""},
		"two of three, three needed":                  {"aaM", 3, held, "a"},
		"half is no majority":                         {"aaMM", 3, split, ""},
		"two values, together a majority":             {"aabMM", 3, split, ""},
		"nothing there, but late":                     {"LLL", 2, split, ""},
		"one node answers, three needed":              {"a----", 3, silent, ""},
		"the node alone":                              {"a", 1, held, "a"},
		"a value is not its rival because it is mine": {"MMa-F", 3, split, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			a, _ := tc.votes.play(tc.need)
			if end, holder := a.end(); end != tc.want || holder != tc.holder {
				t.Errorf("votes %s with need %d: %s %s, want %s %s", tc.votes, tc.need, end, holder, tc.want, tc.holder)
			}
		})
	}
}

// An endless key is waited for, for ever, if nothing else is free.
func TestRetryAfterAnEndlessKey(t *testing.T) {
	a := newAttempt(3, 2)
	for i := range 2 {
		a.add(i, "n", Answer{Verdict: Other, Holder: "x", Remaining: NoExpiry})
	}
	a.add(2, "n", Answer{Verdict: Mine})
	if got := a.retryAfter(); got != NoExpiry {
		t.Errorf("retryAfter with two endless keys on three nodes = %v, want NoExpiry", got)
	}
}

func TestRemoval(t *testing.T) {
	// R has removed it, C is a clean node that was not asked, - has failed.
	tests := map[string]struct {
		votes   string
		took    int
		outcome Outcome
	}{
		"a majority removes it":                           {"RRR", 2, Reached},
		"a majority removes it, with a failure":           {"-RR", 3, Reached},
		"too many fail":                                   {"--R", 2, Missed},
		"nothing was anywhere":                            {"CCC", 3, Reached},
		"clean nodes do not speak for those that are not": {"CCRRR", 5, Reached},
		"they do when the others have spoken":             {"CCR--", 5, Reached},
		"one clean node leaves the majority to the rest":  {"CRR", 3, Reached},
		"a failure too many after clean nodes":            {"C---R", 4, Missed},
		"one node":                                        {"R", 1, Reached},
		"one node that fails":                             {"-", 1, Missed},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRemoval(len(tc.votes))
			took := 0
			for ; took < len(tc.votes) && !r.done(); took++ {
				v := vote{node: took, answer: Answer{Verdict: Mine}}
				switch tc.votes[took] {
				case 'C':
					v.clean = true
				case '-':
					v.answer = Answer{Err: errRefused}
				}
				r.add("n", v)
			}
			if !r.done() || took != tc.took || r.Outcome() != tc.outcome {
				t.Errorf("votes %s: done = %v and %v after %d, want %v after %d",
					tc.votes, r.done(), r.Outcome(), took, tc.outcome, tc.took)
			}
			if got, want := len(r.failed.list()), strings.Count(tc.votes[:took], "-"); got != want {
				t.Errorf("votes %s: %d failures are listed, want %d", tc.votes, got, want)
			}
		})
	}
}

// However the failures come, they are listed in the engine's order.
func TestFailuresAreListedInOrder(t *testing.T) {
	a := newAttempt(3, 2)
	for _, i := range []int{2, 0, 1} {
		a.add(i, fmt.Sprintf("n%d", i+1), Answer{Err: errRefused})
	}
	got := fmt.Sprint(a.miss().Nodes)
	if want := "[node n1: connection refused node n2: connection refused node n3: connection refused]"; got != want {
		t.Errorf("failures are listed as %s, want %s", got, want)
	}
}
