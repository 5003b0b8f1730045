package peers

import (
	"github.com/quorumlock/quorumlock/benchmarks"
	"github.com/quorumlock/quorumlock/redlock"
)

// Subjects are this project's lock and everything that it is compared with. The first one is the project's.
func Subjects() []benchmarks.Subject {
	return []benchmarks.Subject{
		benchmarks.Redlock("redlock", "this project's lock with its defaults: renewal is on, and leases have fencing tokens"),
		benchmarks.Redlock("redlock without token", "the same, with leases that have no fencing token", redlock.WithoutToken()),
		Redsync(false), Redsync(true), Redislock(), Etcd(), Floor(false), Floor(true),
	}
}
