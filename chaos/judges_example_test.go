package chaos_test

import (
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/quorumlock/quorumlock/chaos"
)

// Judge a history again that a run has written down. The second client is given the lock 10ms before the
// first is done with it.
func ExampleReadHistory() {
	h, err := chaos.ReadHistory(strings.NewReader(
		`{"at":0,        "kind":"acquire-invoked", "client":"c1", "lease":1, "name":"invoice:42"}
		{"at":5000000,   "kind":"acquired",        "client":"c1", "lease":1, "name":"invoice:42", "votes":3, "remaining":100000000}
		{"at":30000000,  "kind":"acquire-invoked", "client":"c2", "lease":1, "name":"invoice:42"}
		{"at":40000000,  "kind":"acquired",        "client":"c2", "lease":1, "name":"invoice:42", "votes":3, "remaining":100000000}
		{"at":50000000,  "kind":"release-invoked", "client":"c1", "lease":1, "name":"invoice:42", "held":true}
		{"at":60000000,  "kind":"observed",        "client":"c2", "lease":1, "name":"invoice:42", "held":true, "remaining":80000000}`))
	if err != nil {
		log.Fatal(err)
	}
	for _, violation := range chaos.MutualExclusion.Check(h) {
		fmt.Println(violation.Text)
	}
	// Output: "invoice:42" was held twice for 10ms: by c1/1 [5ms, 50ms] and by c2/1 [40ms, 60ms]
}

// An invariant of one's own: nobody keeps the lock for longer than a second.
func ExampleInvariant() {
	brief := chaos.Invariant{
		Name: "brief", About: "nobody keeps a lock for longer than a second",
		Check: func(h chaos.History) []chaos.Violation {
			var violations []chaos.Violation
			given := make(map[string]time.Duration)
			for _, e := range h {
				switch e.Kind {
				case chaos.Acquired:
					given[e.Client] = e.At
				case chaos.ReleaseInvoked:
					if held := e.At - given[e.Client]; held > time.Second {
						violations = append(violations, chaos.Violation{
							Invariant: "brief", At: e.At, Text: fmt.Sprintf("%s kept %q for %v", e.Client, e.Name, held),
						})
					}
				}
			}
			return violations
		},
	}
	h := chaos.History{
		{At: 1 * time.Second, Kind: chaos.Acquired, Client: "c1", Lease: 1, Name: "job"},
		{At: 3 * time.Second, Kind: chaos.ReleaseInvoked, Client: "c1", Lease: 1, Name: "job", Held: true},
	}
	fmt.Println(brief.Check(h)[0].Text)
	// Output: c1 kept "job" for 2s
}
