package fence

import (
	"context"
	"errors"
	"net/http"
)

const (
	// TokenHeader is the request header that carries a token, as [ParseToken] reads it.
	TokenHeader = "Redlock-Token"
	// NewestHeader is the header of a refusal that carries the newest token.
	NewestHeader = "Redlock-Newest-Token"
)

// A HandlerOption sets up [Handler] and [RegisterHandler].
type HandlerOption func(*httpGuard)

// PlainReads lets requests with a safe method (GET, HEAD, OPTIONS, TRACE) pass without a token. What they
// read must not lead to a write. One that has a token is guarded all the same.
func PlainReads() HandlerOption {
	return func(g *httpGuard) { g.plainReads = true }
}

// Handler lets next serve only requests whose token is admitted to their resource, which the function
// resource names, such as the path. A safe method registers the token, as a read does. Any other is a
// write: nothing newer is admitted while next runs. next finds the token in its context ([TokenFrom]).
//
// Requests that are not admitted get one of
//
//	412 Precondition Failed     the token is stale; Redlock-Newest-Token has the newest
//	428 Precondition Required   there is no token
//	400 Bad Request             the token is malformed, or there are two, or resource returned no valid name
//	503 Service Unavailable     the guard could not be asked: nothing is known, so nothing is let in
//
// It is 412 and not 409 because the token is a condition in a header, which has failed, and because
// clients and proxies may send a request again after a 409: here that never helps. If the guard loses
// its hold while next runs, the response is aborted with [http.ErrAbortHandler].
func Handler(guard WriteGuard, resource func(*http.Request) string, next http.Handler, opts ...HandlerOption) http.Handler {
	hold := func(w http.ResponseWriter, r *http.Request, resource string, token uint64) {
		serveHolding(guard, next, w, r, resource, token)
	}
	return newHTTPGuard(guard, resource, next, hold, opts)
}

// RegisterHandler is [Handler] for a next that checks its own writes, by [Table.InTx], [Column.Update] or
// [Redis.Run] with the token in its context. Before next runs the token is registered; while it runs, a
// newer one may be, so that a write which is not checked may harm the new holder's work.
func RegisterHandler(guard Guard, resource func(*http.Request) string, next http.Handler, opts ...HandlerOption) http.Handler {
	return newHTTPGuard(guard, resource, next, nil, opts)
}

func newHTTPGuard(guard Guard, resource func(*http.Request) string, next http.Handler, write serveGuarded, opts []HandlerOption) http.Handler {
	g := &httpGuard{guard: guard, resource: resource, next: next}
	g.write = write
	if write == nil {
		g.write = g.register
	}
	for _, opt := range opts {
		opt(g)
	}
	return g
}

// A serveGuarded answers a request whose token and resource are known, and not yet judged.
type serveGuarded func(w http.ResponseWriter, r *http.Request, resource string, token uint64)

type httpGuard struct {
	guard      Guard
	resource   func(*http.Request) string
	next       http.Handler
	write      serveGuarded
	plainReads bool
}

// ServeHTTP finds the token and the resource, and asks the guard.
func (g *httpGuard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	values := r.Header.Values(TokenHeader)
	switch {
	case len(values) == 0 && safe(r.Method) && g.plainReads:
		g.next.ServeHTTP(w, r)
		return
	case len(values) == 0:
		http.Error(w, "the header "+TokenHeader+" is missing: present the token of your lease", http.StatusPreconditionRequired)
		return
	case len(values) > 1:
		http.Error(w, "the header "+TokenHeader+" is there more than once", http.StatusBadRequest)
		return
	}
	token, err := ParseToken(values[0])
	resource := g.resource(r)
	if err = errors.Join(err, validateResource(resource)); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r = r.WithContext(WithToken(r.Context(), token))
	if safe(r.Method) {
		g.register(w, r, resource, token)
		return
	}
	g.write(w, r, resource, token)
}

func safe(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

// register serves a request whose token is admitted, without holding others off.
func (g *httpGuard) register(w http.ResponseWriter, r *http.Request, resource string, token uint64) {
	if err := g.guard.Register(r.Context(), resource, token); err != nil {
		refuse(w, err)
		return
	}
	g.next.ServeHTTP(w, r)
}

// serveHolding serves a request while the guard holds others off.
func serveHolding(guard WriteGuard, next http.Handler, w http.ResponseWriter, r *http.Request, resource string, token uint64) {
	served := false
	err := guard.Write(r.Context(), resource, token, func(ctx context.Context) error {
		served = true
		next.ServeHTTP(w, r.WithContext(ctx))
		return nil
	})
	switch {
	case err != nil && served:
		panic(http.ErrAbortHandler) // net/http's way to say that the response is not to be trusted
	case err != nil:
		refuse(w, err)
	}
}

// refuse answers a request that was not let in. What went wrong inside the guard is not the client's.
func refuse(w http.ResponseWriter, err error) {
	if stale, ok := errors.AsType[*StaleError](err); ok {
		w.Header().Set(NewestHeader, FormatToken(stale.Newest))
		http.Error(w, stale.Error(), http.StatusPreconditionFailed)
		return
	}
	http.Error(w, "the token could not be checked", http.StatusServiceUnavailable)
}
