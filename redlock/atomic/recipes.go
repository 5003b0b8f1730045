package atomic

import (
	"errors"

	"github.com/redis/go-redis/v9"
)

// Recipes runs the recipes on the server, or the servers, of one client.
//
// [New] makes one; its zero value is not usable. All methods may be called from several goroutines. Results are
// zero where there is an error, which has the details. There is nothing to close: the client stays the
// caller's.
type Recipes struct {
	client  redis.UniversalClient
	sharded bool // the client picks a server by the hash tag of a key
}

// New returns the recipes on a client: standalone, Sentinel, Cluster or Ring. It does no I/O. A nil client is
// a [*ConfigError].
func New(client redis.UniversalClient) (*Recipes, error) {
	absent, sharded := client == nil, false
	switch c := client.(type) {
	case *redis.Client:
		absent = c == nil
	case *redis.ClusterClient:
		absent, sharded = c == nil, true
	case *redis.Ring:
		absent, sharded = c == nil, true
	}
	if absent {
		return nil, configError(errors.New("the client is nil"))
	}
	return &Recipes{client: client, sharded: sharded}, nil
}
