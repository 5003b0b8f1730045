// Command redlock shows and uses the distributed lock of this project.
//
//	redlock demo                       workers, faults, one lock: nothing to set up
//	redlock run NAME -- COMMAND ...    run a command while holding a lock
//	redlock status NAME                who holds a lock, node by node
//	redlock release --force NAME       take a lock away from whoever holds it
//	redlock bench                      measure the lock on nodes of yours
//	redlock version                    which build this is
//
// Every command explains itself with --help, and answers in JSON with --json. Errors are then told in JSON
// too, on standard error: {"error", "exit"}, where exit is the exit code. Nodes are named with --nodes or
// REDLOCK_NODES.
//
// # Exit codes
//
//	0    done
//	1    failed; for demo also: the lock or the demo itself did not do what it should
//	2    the arguments are wrong
//	75   run: the lock was not acquired; status, release, bench: too few nodes answered
//	76   run: the lease was lost
//	126  run: the command cannot be executed
//	127  run: there is no such command
//
// What run runs decides over its other codes: its own code, or 128+n if signal n ended it.
//
// # Secrets
//
// Passwords in the URLs of nodes appear in no output, errors included. They do appear in the list of
// processes if they are given with --nodes: REDLOCK_NODES is the better place for them.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
