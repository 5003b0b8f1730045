package fence

import "context"

type tokenKey struct{}

// WithToken returns a context that carries a token: [Transport] sends it, and a handler under [Handler]
// finds that of its request there.
func WithToken(ctx context.Context, token uint64) context.Context {
	return context.WithValue(ctx, tokenKey{}, token)
}

// TokenFrom returns the token that ctx carries, or 0, which every guard refuses.
func TokenFrom(ctx context.Context) uint64 {
	token, _ := ctx.Value(tokenKey{}).(uint64)
	return token
}
