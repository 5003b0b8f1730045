package memnode_test

import (
	"context"
	"fmt"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/memnode"
)

// A reply is lost: the asker knows nothing, and the node holds the key.
func ExampleNode_DropReplies() {
	node := memnode.New("mem-1", clock.Process())
	defer func() { _ = node.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()

	node.DropReplies(1)
	acquire := quorum.Op{Kind: quorum.Acquire, Key: "job", Value: "me", TTL: time.Minute}
	fmt.Println(node.Ask(ctx, []quorum.Op{acquire})[0].Verdict)
	fmt.Println(node.Keys()[0].Value)
	// Output:
	// failed
	// me
}
