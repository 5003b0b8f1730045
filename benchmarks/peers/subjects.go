package peers

import "github.com/quorumlock/quorumlock/benchmarks"

// Subjects are this project's lock and everything that it is compared with. The first one is the project's.
func Subjects() []benchmarks.Subject {
	return []benchmarks.Subject{
		benchmarks.Redlock("redlock", "this project's lock with its defaults: renewal is on"),
		Redsync(false), Redsync(true), Redislock(), Etcd(), Floor(false), Floor(true),
	}
}
