package stampede

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// names are what a key stands for on the data node, all in one slot of a Cluster, and on the lock nodes.
type names struct{ value, claim, failed, channel, lock string }

func namesOf(prefix, key string) names {
	base := prefix + "{" + key + "}"
	return names{value: base + ":v", claim: base + ":l", failed: base + ":e", channel: base + ":n", lock: base}
}

func keyFault(key string) error {
	switch {
	case key == "":
		return errors.New("the key is empty")
	case len(key) > MaxKeyBytes:
		return fmt.Errorf("key %.32q... of %d bytes is over %d", key, len(key), MaxKeyBytes)
	case strings.HasPrefix(key, "}"):
		return fmt.Errorf("key %q begins with a brace, which would leave it without a hash tag", key)
	}
	return nil
}

func contextFault(ctx context.Context) error {
	if ctx == nil {
		return errors.New("ctx is nil: use context.Background()")
	}
	return nil
}
