package redisnode_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/redisnode"
)

// A node that nobody runs is an answer too: the error says which node, and why.
func Example() {
	opts, err := redisnode.ParseURL("redis://locker:secret@127.0.0.1:1/3")
	if err != nil {
		log.Fatal(err)
	}
	node, err := redisnode.New(opts, clock.System())
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()

	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	answer := node.Ask(ctx, []quorum.Op{
		{Kind: quorum.Acquire, Key: "invoice:42", Value: "random per attempt", TTL: 10 * time.Second},
	})[0]
	if answer.Verdict == quorum.Failed {
		fmt.Println(answer.Err)
	}
	// Output: node 127.0.0.1:1/3: dial tcp 127.0.0.1:1: connect: connection refused
}
