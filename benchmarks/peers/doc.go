// Package peers sets this project beside other locks on Redis: on the same nodes, in the same run.
//
// It shows that a lock of package redlock and one of redsync exclude each other, so that a fleet can move
// from one to the other service by service, and what becomes of each where servers and links fail: adapters
// such as [Redsync] take part in runs of package chaos. It is a module of its own, so that no user of the lock
// downloads the libraries it is compared with.
package peers
