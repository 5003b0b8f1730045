// Quickstart takes a lock on the nodes in REDLOCK_NODES and works under it.
package main

import (
	"context"
	"errors"
	"log"
	"os"
	"strings"

	"github.com/quorumlock/quorumlock/redlock"
)

func main() {
	locker, err := redlock.Open(context.Background(), strings.Split(os.Getenv("REDLOCK_NODES"), ","))
	if err != nil {
		log.Fatal(err)
	}
	err = locker.Do(context.Background(), "nightly-report", func(ctx context.Context, lease *redlock.Lease) error {
		log.Printf("alone with %q, and renewed for as long as this takes", lease.Name())
		return ctx.Err() // stop when ctx ends: the caller is gone, or the lock is lost
	})
	if err = errors.Join(err, locker.Close()); err != nil {
		log.Fatal(err)
	}
}
