package fence

import (
	"fmt"
	"net/http"
)

// SetToken puts a token into a request's header, for a server behind [Handler] or one that reads
// [TokenHeader] itself. A token that is none, such as the 0 of a lease without one, is an [ErrBadToken].
func SetToken(r *http.Request, token uint64) error {
	if err := validateToken(token); err != nil {
		return err
	}
	r.Header.Set(TokenHeader, FormatToken(token))
	return nil
}

// Transport returns a RoundTripper that sends the token of a request's context ([WithToken]) along, and a
// request without one as it is. It sends over base, or http.DefaultTransport if that is nil. A token is no
// secret, but goes to whichever server is asked, also after a redirect.
func Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return transport{base}
}

type transport struct{ base http.RoundTripper }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	token, carried := r.Context().Value(tokenKey{}).(uint64)
	if !carried {
		return t.base.RoundTrip(r)
	}
	guarded := r.Clone(r.Context())
	if guarded.Header == nil {
		guarded.Header = make(http.Header)
	}
	if err := SetToken(guarded, token); err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // as a RoundTripper has to; the request was not sent
		}
		return nil, err
	}
	return t.base.RoundTrip(guarded)
}

// CheckResponse returns a [*StaleError] if a server behind [Handler] refused the request as stale, and nil
// for any other response: the status remains to be looked at. It leaves the body alone.
func CheckResponse(response *http.Response) error {
	if response.StatusCode != http.StatusPreconditionFailed || response.Request == nil {
		return nil
	}
	header := response.Header.Get(NewestHeader)
	if header == "" {
		return nil // another condition has failed
	}
	newest, err := ParseToken(header)
	if err != nil {
		return fmt.Errorf("fence: header %s of a refusal: %w", NewestHeader, err)
	}
	// Whichever transport sent the request may have set the header on a copy of it.
	token, err := ParseToken(response.Request.Header.Get(TokenHeader))
	if err != nil {
		token = TokenFrom(response.Request.Context())
	}
	return &StaleError{Resource: response.Request.URL.Path, Token: token, Newest: newest}
}
