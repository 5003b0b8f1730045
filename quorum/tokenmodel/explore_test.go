package tokenmodel_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/quorum/tokenmodel"
)

// The surroundings in which the protocol promises something.
var (
	noClocks   = tokenmodel.World{HandOver: true, Order: tokenmodel.BeginOrder}
	withClocks = tokenmodel.World{HandOver: true, Order: tokenmodel.ReturnOrder, Clocks: true}
)

// sized returns the world with so many nodes and clients.
func sized(w tokenmodel.World, nodes, clients int) tokenmodel.World {
	w.Nodes, w.Clients = nodes, clients
	return w
}

func lean(w tokenmodel.World) tokenmodel.World {
	w.Lean = true
	return w
}

func forgetting(w tokenmodel.World, times int) tokenmodel.World {
	w.Forgets = times
	return w
}

func upTo(w tokenmodel.World, ceiling int) tokenmodel.World {
	w.Ceiling = ceiling
	return w
}

// The protocol as designed keeps its promises in every state.
func TestProtocol(t *testing.T) {
	skipUnderRace(t)
	holdsIn(t, map[string]tokenmodel.World{
		"no clocks, up to token 3": upTo(sized(noClocks, 3, 2), 3),
		"one forgets":              forgetting(sized(withClocks, 3, 2), 1),
		"one node":                 sized(noClocks, 1, 3),
		"lean, no clocks":          lean(sized(noClocks, 3, 2)),
		"lean, one forgets":        lean(forgetting(sized(withClocks, 3, 2), 1)),
		"lean, two forget":         lean(forgetting(sized(withClocks, 3, 2), 2)),
		"lean, four nodes":         lean(forgetting(sized(withClocks, 4, 2), 1)),
		"lean, 3 clients":          lean(sized(noClocks, 3, 3)),
		"lean, 3 clients, forgets": lean(forgetting(sized(withClocks, 3, 3), 1)),
		"lean, 5 nodes, no clocks": lean(sized(noClocks, 5, 2)),
	})
}

// The same in worlds that take minutes.
func TestProveProtocol(t *testing.T) {
	if os.Getenv("REDLOCK_PROVE") == "" {
		t.Skip("takes minutes: set REDLOCK_PROVE=1, or make model")
	}
	skipUnderRace(t)
	holdsIn(t, map[string]tokenmodel.World{
		"no clocks, up to token 4":        upTo(sized(noClocks, 3, 2), 4),
		"two forget, up to token 3":       upTo(forgetting(sized(withClocks, 3, 2), 2), 3),
		"3 clients, no clocks, up to 2":   upTo(sized(noClocks, 3, 3), 2),
		"3 clients, one forgets, up to 2": upTo(forgetting(sized(withClocks, 3, 3), 1), 2),
		"5 nodes, no clocks, up to 2":     upTo(sized(noClocks, 5, 2), 2),
		"5 nodes, clocks, up to 2":        upTo(sized(withClocks, 5, 2), 2),
		"lean, 5 nodes, one forgets":      lean(forgetting(sized(withClocks, 5, 2), 1)),
		"lean, 5 nodes, 3 clients":        lean(sized(noClocks, 5, 3)),
	})
}

// holdsIn explores each world, and fails where a promise breaks or something to be met was not.
func holdsIn(t *testing.T, worlds map[string]tokenmodel.World) {
	for name, w := range worlds {
		t.Run(name, func(t *testing.T) {
			report := explore(t, w)
			if report.Violation != nil {
				t.Fatalf("%+v\n%v", w, report.Violation)
			}
			for _, event := range expected(w) {
				if report.Seen[event] == 0 {
					t.Errorf("%+v never met the event %q, so it shows too little", w, event)
				}
			}
		})
	}
}

// expected returns what a world should meet, or a fault of the model could pass as a success.
func expected(w tokenmodel.World) []tokenmodel.Event {
	events := []tokenmodel.Event{tokenmodel.Duplicate, tokenmodel.Expired, tokenmodel.Disused}
	if w.Nodes >= 3 {
		events = append(events, tokenmodel.Contended, tokenmodel.Raised, tokenmodel.Refused, tokenmodel.Restarted, tokenmodel.Died)
	}
	if w.Nodes >= 3 && w.Forgets > 0 {
		events = append(events, tokenmodel.Forgot, tokenmodel.Reopened, tokenmodel.CountedReopened)
	}
	if !w.Lean {
		events = append(events, tokenmodel.Repeated, tokenmodel.Late, tokenmodel.LostReply, tokenmodel.LateReply, tokenmodel.HandedOver)
	}
	return events
}

// explore runs the world and logs how large it was.
func explore(t *testing.T, w tokenmodel.World) tokenmodel.Report {
	t.Helper()
	start := time.Now()
	report, err := tokenmodel.Explore(w)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d nodes, %d clients: %d states, %d steps, depth %d, %.1f s",
		w.Nodes, w.Clients, report.States, report.Steps, report.Depth, time.Since(start).Seconds())
	return report
}

func skipUnderRace(t *testing.T) {
	t.Helper()
	if raceEnabled {
		t.Skip("one goroutine does all of it, and the race detector makes that ten times as slow")
	}
}

func TestWorldIsValidated(t *testing.T) {
	tests := map[string]struct {
		world tokenmodel.World
		want  []string // parts of the error
	}{
		"nothing set":     {tokenmodel.World{}, []string{"Nodes 0 is not within 1 to 5", "Clients 0 is not within 1 to 3"}},
		"too much of all": {tokenmodel.World{Nodes: 6, Clients: 4, Forgets: 3, Ceiling: 31}, []string{"Nodes 6", "Clients 4", "Forgets 3", "Ceiling 31"}},
		"lean without a reason": {
			tokenmodel.World{Nodes: 3, Clients: 2, Lean: true, Flaws: tokenmodel.Flaws{NoWriteBack: true}},
			[]string{"a lean world does not fit"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := tokenmodel.Explore(tc.world)
			if err == nil {
				t.Fatalf("Explore(%+v) found nothing wrong", tc.world)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Explore(%+v) = %v, want %q in it", tc.world, err, want)
				}
			}
		})
	}
}
