package tokenmodel_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quorumlock/quorumlock/quorum/tokenmodel"
)

var update = flag.Bool("update", false, "write the golden files anew")

// What is not the protocol as designed. BeginOrder is the weaker promise, so to break that says more.
var (
	clocks  = tokenmodel.World{Nodes: 3, Clients: 2, Clocks: true, Ceiling: 2}
	anytime = tokenmodel.World{Nodes: 3, Clients: 2, Ceiling: 2}
)

func flawed(w tokenmodel.World, f tokenmodel.Flaws) tokenmodel.World {
	w.Flaws = f
	return w
}

var variants = map[string]tokenmodel.World{
	// Refuted designs.
	"no write-back":                       flawed(anytime, tokenmodel.Flaws{NoWriteBack: true}),
	"write-back to any majority":          flawed(anytime, tokenmodel.Flaws{RaiseAnywhere: true}),
	"a larger counter counts":             flawed(upTo(anytime, 3), tokenmodel.Flaws{AcceptLarger: true}),
	"a vote that is over counts":          flawed(forgetting(clocks, 1), tokenmodel.Flaws{CountExpired: true}),
	"a vote leaves the counter alone":     flawed(anytime, tokenmodel.Flaws{StandStill: true}),
	"rejoin without quarantine":           flawed(forgetting(clocks, 1), tokenmodel.Flaws{NoQuarantine: true, NoFloor: true}),
	"rejoin with a majority read at once": flawed(forgetting(clocks, 1), tokenmodel.Flaws{NoQuarantine: true}),
	"rejoin without floor":                flawed(forgetting(clocks, 1), tokenmodel.Flaws{NoFloor: true}),
	"floor lost":                          flawed(clocks, tokenmodel.Flaws{LoseFloor: true}),

	// The protocol as designed, where it promises less.
	"a node forgets without clocks":   forgetting(anytime, 1),
	"order of returns without clocks": {Nodes: 3, Clients: 2, Ceiling: 2, Order: tokenmodel.ReturnOrder},
}

// Each rule is needed. The traces are kept as files, to be read; none is shorter.
func TestFlaws(t *testing.T) {
	skipUnderRace(t)
	for name, w := range variants {
		t.Run(name, func(t *testing.T) {
			report := explore(t, w)
			if report.Violation == nil {
				t.Fatalf("%+v keeps its promises, so the exploration is blind to something", w)
			}
			t.Logf("\n%v", report.Violation)
			compare(t, name, report.Violation.String()+"\n")
		})
	}
}

// compare checks got against the golden file of that name.
func compare(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", strings.ReplaceAll(name, " ", "-")+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("trace is\n%s\nwant, from %s,\n%s", got, file, want)
	}
}

// What Lean leaves out must not be what breaks a variant.
func TestLeanFindsFlawsToo(t *testing.T) {
	skipUnderRace(t)
	for name, w := range variants {
		if f := w.Flaws; f.NoWriteBack || f.RaiseAnywhere || f.AcceptLarger || f.CountExpired {
			continue // does not fit
		}
		t.Run(name, func(t *testing.T) {
			w.Lean, w.Ceiling = true, 0
			if report := explore(t, w); report.Violation == nil {
				t.Errorf("%+v keeps its promises, so Lean leaves out too much", w)
			}
		})
	}
}
