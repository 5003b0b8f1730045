package quorum

import (
	"errors"
	"fmt"
)

var (
	// ErrClosed means the engine was closed before or during the call.
	ErrClosed = errors.New("quorum: closed")
	// ErrSuspended means the node was not asked: it has failed to answer several times in a row, and
	// is given time. See [Config].
	ErrSuspended = errors.New("not asked, since it has stopped answering")
	// ErrUnsent means the operation was certainly not sent to the node: nothing has to be undone there. It
	// is in the error of an [Answer].
	ErrUnsent = errors.New("not sent")
	// ErrBusy means the operation was not sent since every connection to the node was in use, which says
	// nothing about the node. It comes with [ErrUnsent].
	ErrBusy = errors.New("every connection was busy")
)

// A NodeError is one node's failure to answer. It is always a pointer.
type NodeError struct {
	// Node is the node's name.
	Node string
	// Code is the server's word for the failure, such as NOAUTH or LOADING, and empty if the failure
	// is not the server's own.
	Code string
	// Permanent means that the failure does not mend itself: somebody has to change a password, a
	// right, a setting or a key. Asking again is useless until then.
	Permanent bool
	// Err is the failure.
	Err error
}

// Error names the node and its reason. It never holds a password.
func (e *NodeError) Error() string { return fmt.Sprintf("node %s: %v", e.Node, e.Err) }

// Unwrap returns the failure.
func (e *NodeError) Unwrap() error { return e.Err }

// nodeError makes err the NodeError of the node called name, unless it already is one.
func nodeError(name string, err error) *NodeError {
	if known, ok := errors.AsType[*NodeError](err); ok {
		return known
	}
	return &NodeError{Node: name, Err: err}
}
