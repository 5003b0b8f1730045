package chaos_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/quorumlock/quorumlock/chaos"
)

// hashes plays seeds on every simulator, and returns what each led to.
func hashes(t *testing.T, few int) []string {
	t.Helper()
	var list []string
	for _, s := range simulators {
		for _, p := range chaos.Profiles() {
			for _, seed := range seeds(t, few) {
				r, _ := s.play(t, seed, p.Scenario(seed), p.Network)
				list = append(list, fmt.Sprintf("%s/%s/%d %s", s.name, p.Name, seed, r.Hash))
			}
		}
	}
	return list
}

// repeated is how many seeds of each profile are played again.
const repeated = 12

// printHashes makes the test print its hashes for another process.
const printHashes = "REDLOCK_PRINT_HASHES"

// A seed leads to the same history again, also in another process. The scheduler can still put what happens in
// one instant into another order, and the client library hands its connections out by it.
func TestSeedsRepeat(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector reorders goroutines on purpose")
	}
	if os.Getenv(printHashes) != "" {
		fmt.Println(strings.Join(hashes(t, repeated), "\n"))
		return
	}
	first, second := hashes(t, repeated), hashes(t, repeated)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), self, "-test.run=^TestSeedsRepeat$")
	command.Env = append(os.Environ(), printHashes+"=1")
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("in another process: %v\n%s", err, out)
	}
	differing := make(map[string]int)
	for i, hash := range first {
		if second[i] != hash || !strings.Contains(string(out), hash+"\n") {
			kind, _, _ := strings.Cut(hash, "/")
			differing[kind]++
			t.Logf("differs: %s", hash)
		}
	}
	each := len(first) / len(simulators)
	for _, s := range simulators {
		t.Logf("%s: %d of %d seeds led to the same history three times, once of them in another process",
			s.name, each-differing[s.name], each)
		if differing[s.name]*s.repeats > each {
			t.Errorf("%s: %d of %d seeds do not repeat, want one in %d at most", s.name, differing[s.name], each, s.repeats)
		}
	}
}
