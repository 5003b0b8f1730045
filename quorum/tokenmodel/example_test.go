package tokenmodel_test

import (
	"fmt"
	"log"

	"github.com/quorumlock/quorumlock/quorum/tokenmodel"
)

// The obvious way to number leases: each node counts, and the largest counter of a majority is the token.
// Two holders get the same one, and no clock is to blame.
func ExampleExplore() {
	world := tokenmodel.World{Nodes: 3, Clients: 2, Ceiling: 2}
	world.Flaws.NoWriteBack = true
	report, err := tokenmodel.Explore(world)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Violation)
	// Output:
	//  1. A begins: asks every node for its vote
	//  2. B begins: asks every node for its vote
	//  3. node 1 votes for A: counter 0 -> 1
	//  4. node 2 votes for A: counter 0 -> 2
	//  5. A hears from node 1: yours, counter 1
	//  6. node 3 votes for B: counter 0 -> 1
	//  7. B hears from node 3: yours, counter 1
	//  8. A hears from node 2: yours, counter 2
	//  9. A returns token 2
	// 10. node 1 drops the key of A
	// 11. node 1 votes for B: counter 1 -> 2
	// 12. B hears from node 1: yours, counter 2
	// 13. B returns token 2
	// broken: B returns token 2, which A has returned before
}
